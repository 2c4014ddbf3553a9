"""What a user runs beside the pipeline: an own chat, checks of a machine, and what is done with a tuned model."""
