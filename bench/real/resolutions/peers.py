"""What others would do with the same vectors: a vote of neighbours; a softmax, round thresholds.

Next file: `../../../src/strop/resolution.py`.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from strop.mine.calibration import certify

Matrix: TypeAlias = NDArray[np.float32]
Labels: TypeAlias = NDArray[np.str_]
Answers: TypeAlias = tuple[Labels, NDArray[np.float64]]
"""Answers, and how sure each is."""

VOTERS = 15


def vote(known: Matrix, labels: Labels, asked: Matrix, *, itself: bool = False) -> Answers:
    """The answer with the largest share of the votes of the 15 nearest, each weighed by
    exp(10 cosine), which did better than equal weights. With `itself`, asked is known, and each
    message is left out of its own vote."""
    names, index = np.unique(labels, return_inverse=True)
    best = np.zeros(len(asked), dtype=np.intp)
    sure = np.zeros(len(asked))
    for start in range(0, len(asked), 500):
        cosine = asked[start : start + 500] @ known.T
        if itself:
            rows = np.arange(len(cosine))
            cosine[rows, start + rows] = -np.inf
        near = np.argpartition(-cosine, VOTERS, axis=1)[:, :VOTERS]
        for at, voters in enumerate(near):
            weights = np.exp(10.0 * cosine[at, voters])
            votes = np.bincount(index[voters], weights=weights, minlength=len(names))
            best[start + at], sure[start + at] = votes.argmax(), votes.max() / votes.sum()
    return names[best], sure


def vote_threshold(known: Matrix, labels: Labels, *, floor: float) -> float:
    """The vote's threshold, calibrated as the table's is, on each message's vote without itself."""
    answers, sure = vote(known, labels, known, itself=True)
    certificate = certify(sure, answers == labels, floor=floor)
    return np.inf if certificate is None else certificate.threshold


def peeked(sure: NDArray[np.float64], right: NDArray[np.bool_], *, floor: float) -> float:
    """The largest coverage with at least `floor` right, threshold picked on what is reported."""
    order = np.argsort(-sure, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(share >= floor)
    return float((good[-1] + 1) / len(order)) if len(good) else 0.0


def softmax(known: Matrix, labels: Labels) -> Callable[[Matrix], Answers]:
    """Logistic regression as the table's head is, without what makes it know its limits."""
    from sklearn.linear_model import LogisticRegression

    model: Any = LogisticRegression(C=10.0, max_iter=200, tol=1e-3).fit(known, labels)

    def answers(asked: Matrix) -> Answers:
        odds = model.predict_proba(asked)
        return model.classes_[odds.argmax(axis=1)], odds.max(axis=1)

    return answers
