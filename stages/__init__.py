"""From a group chat to training labels that can be trusted, one module a stage."""
