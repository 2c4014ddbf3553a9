"""Language models: prompts, the question scorers, and the engine that answers."""
