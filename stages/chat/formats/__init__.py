"""One module for each chat format."""
