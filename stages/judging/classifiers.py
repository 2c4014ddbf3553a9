"""Classifiers that learn in seconds: logistic regression on words, or on a model's hidden states."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stages.judging.metrics import Bools, Floats

STATES_C = 0.01  # inverse regularization on states: 576 features and more for some hundred labels
WORDS_C = 10.0  # inverse regularization on words
Indices = NDArray[np.intp]


def log_odds_from_states(states: Floats, labels: Bools, train: Indices, test: Indices) -> Floats:
    """Log-odds of needed for the items at `test`, by a probe of the hidden states of those at `train`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(C=STATES_C, max_iter=1000))
    return probe.fit(states[train], labels[train]).decision_function(states[test])


def log_odds_from_words(texts: Sequence[str], labels: Sequence[bool], test_texts: Sequence[str]) -> list[float]:
    """Log-odds of needed for each of `test_texts`, by TF-IDF of the messages' words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    tfidf = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\w+|[?!]")
    classifier = make_pipeline(tfidf, LogisticRegression(C=WORDS_C, max_iter=1000))
    return list(classifier.fit(texts, labels).decision_function(test_texts))
