"""Annotation tools: the label store, the terminal annotator, Label Studio, agreement between annotators."""
