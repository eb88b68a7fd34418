"""Rows without any language model, on the same MiniLM vectors.

They say how much of a result is the vectors' own. Each is fitted twice: on the train messages,
which is what Strop's examples come from, and on all labelled messages, of which Strop keeps some
for its gate.

Next file: `peers.py`.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.neighbours import Neighbours
from strop.task import Split

from .data import Matrix, Message, Setting, vectors
from .report import Row, row

Labels = NDArray[np.str_]
Classifier = Callable[[Matrix, Labels, Matrix], tuple[Labels, str]]
STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)


def no_model_rows(setting: Setting, embedder: str = "minilm") -> dict[str, Any]:
    """1-nearest neighbour, logistic regression and local kernel ridge regression.

    On the sealed messages, like everybody, and on all test messages of the same intents, which
    narrows the intervals and costs nothing.
    """
    heads: dict[str, Classifier] = {
        "1 nearest neighbour": nearest,
        "logistic regression": logistic,
        "kernel ridge of the neighbourhood": ridge,
    }
    sealed, whole = _vectors(setting.sealed, embedder), _vectors(setting.whole, embedder)
    rows: list[Row] = []
    on_whole: list[Row] = []
    train = setting.messages(split=Split.TRAIN)
    for messages, which in ((train, "train"), (setting.labelled, "all labelled")):
        known, labels = _vectors(messages, embedder)
        for name, head in heads.items():
            for (asked, truth), told in ((sealed, rows), (whole, on_whole)):
                answers, note = head(known, labels, asked)
                right = int((answers == truth).sum())
                found = row(
                    f"{name}, {which}", right=right, of=len(truth), learned_from=len(messages)
                )
                told.append({**found, "note": note})
    return {"rows": rows, "whole": on_whole}


def nearest(known: Matrix, labels: Labels, asked: Matrix) -> tuple[Labels, str]:
    """The label of the most similar message."""
    return labels[(asked @ known.T).argmax(axis=1)], ""


def logistic(known: Matrix, labels: Labels, asked: Matrix) -> tuple[Labels, str]:
    """Logistic regression; its strength is chosen by 5-fold cross-validation on `known`."""
    from sklearn.linear_model import LogisticRegression  # development only, and slow to load
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    search = GridSearchCV(LogisticRegression(max_iter=2000), {"C": STRENGTHS}, cv=folds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # with few messages per class a fold warns about each
        search.fit(known, labels)
    return search.predict(asked), f"C = {search.best_params_['C']:g}"


def ridge(known: Matrix, labels: Labels, asked: Matrix) -> tuple[Labels, str]:
    """The label of the example that Strop trusts most, without asking the model."""
    neighbours = Neighbours(known, labels.tolist())
    return np.array([labels[next(iter(neighbours.ranked(query)))] for query in asked]), ""


def _vectors(messages: tuple[Message, ...], embedder: str) -> tuple[Matrix, Labels]:
    rows = vectors([text for text, _ in messages], embedder)
    return rows, np.array([intent for _, intent in messages])
