"""What goes with an adapter and with the labelled set to whoever takes them: model card, data card, publication."""
