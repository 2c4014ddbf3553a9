"""Classifiers that learn in seconds: logistic regression on words, or on a model's hidden states."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.judging.metrics import Bools, Floats

STATES_C = 0.01  # inverse regularization on states: 576 features and more for some hundred labels
WORDS_C = 10.0  # inverse regularization on words
Indices = NDArray[np.intp]


def fit_states(states: Floats, labels: Bools) -> Any:
    """A probe that has learnt `labels` [items] from `states` [items, hidden], both labels with the same weight. Its
    `decision_function` has the log-odds of positive for states.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = LogisticRegression(C=STATES_C, class_weight="balanced", max_iter=1000)
    return make_pipeline(StandardScaler(), classifier).fit(states, labels)


def log_odds_from_states(states: Floats, labels: Bools, test_states: Floats) -> Floats:
    """Log-odds of positive [test items] for `test_states` [test items, hidden], by `fit_states`."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # matrices this small only wait for more threads
        return fit_states(states, labels).decision_function(test_states)


def log_odds_from_views(views: Floats, labels: Bools, test_views: Floats) -> Floats:
    """The mean over views of an item of the log-odds by `log_odds_from_states`; [views, items, hidden] each."""
    pairs = zip(views, test_views, strict=True)
    return np.mean([log_odds_from_states(states, labels, test_states) for states, test_states in pairs], axis=0)


def fit_words(texts: Sequence[str], labels: Sequence[bool]) -> Any:
    """Logistic regression on TF-IDF of the messages' words and pairs of words. Its `decision_function` has the
    log-odds of positive for texts.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    tfidf = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\w+|[?!]")
    classifier = make_pipeline(tfidf, LogisticRegression(C=WORDS_C, max_iter=1000))
    return classifier.fit(texts, labels)


def log_odds_from_words(texts: Sequence[str], labels: Sequence[bool], test_texts: Sequence[str]) -> list[float]:
    """Log-odds of positive for each of `test_texts`, by `fit_words`."""
    return list(fit_words(texts, labels).decision_function(test_texts))
