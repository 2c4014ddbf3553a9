"""Evaluation of answers, labels and models: scores, bounds, the law, doubtful labels, rank of the update."""
