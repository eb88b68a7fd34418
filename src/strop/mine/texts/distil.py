"""Many lessons into few general rules, without a model: clusters and their medoids.

Duplicates merge first, with their evidence added up. What is left is clustered by average linkage
on cosine similarity, into as many clusters as the data shows, up to a limit; each cluster speaks
by its medoid, worded as one general instruction. Vectors come in ready-made: embed
`lesson_text.keys(texts)`, not the texts, so that lessons of one kind lie together rather than
lessons about one thing. What to do with the clusters is `propose/curation.py`'s business.

Next file: `mine/texts/contradictions.py`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from strop.mine.texts.names import FUNCTION_WORDS, Names
from strop.mine.texts.plans import common_sentences, worded
from strop.task import normalised

__all__ = ["Cluster", "assignments", "distil", "duplicates"]

Matrix = NDArray[np.float64]

_MOST = 1_000  # distinct lessons in the tree, which takes their square in memory
_SAME = 0.9  # cosine of duplicates; their content words are equal anyhow
_SAME_ORDER = 0.5  # share of word pairs that duplicates have in common: "a owns b", "b owns a"
_LONGEST = 8_000
_CENTRAL = 5  # lessons from which the words of a rule may come
_WORD = re.compile(r"\w+(?:['\u2019]\w+)?")
_TELLING = frozenset(
    ("not", "no", "never", "without", "only", "before", "after", "all", "each", "other")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Lessons that say one thing.

    Attributes:
        rule: What they say, as one or two general instructions.
        members: Positions of the lessons, ascending; duplicates included.
        cohesion: Mean cosine of two different lessons in it; 1.0 where there is but one.
        medoid: Position of the lesson that the rule was worded from.
    """

    rule: str
    members: tuple[int, ...]
    cohesion: float
    medoid: int


def distil(
    texts: Sequence[str],
    vectors: NDArray[np.float32],
    *,
    at_most: int,
    weights: Sequence[float] | None = None,
    alike: float = 0.5,
) -> tuple[Cluster, ...]:
    """Cluster lessons into at most `at_most` rules.

    Average linkage (UPGMA: Sokal & Michener, 1958), weighted by evidence. Of the cuts through its
    tree with at most `at_most` clusters, the one with the best mean silhouette (Rousseeuw, J.
    Comput. Appl. Math. 20, 1987) is taken. The result does not depend on the order of the texts.

    Args:
        texts: The lessons.
        vectors: A unit row for each, shape (n, dim).
        at_most: The most clusters, 1 or more.
        weights: The evidence behind each lesson, above 0, for example how many tasks show it.
        alike: Clusters less alike than this (mean cosine) merge only where `at_most` demands it.

    Returns:
        The clusters; every lesson is in exactly one. Those with the most evidence come first.

    Raises:
        ValueError: `at_most` is below 1, or the lengths of the arguments differ.
    """
    given = np.ones(len(texts)) if weights is None else np.asarray(weights, dtype=np.float64)
    if at_most < 1 or len(vectors) != len(texts) or len(given) != len(texts):
        raise ValueError("at_most must be 1 or more, with one vector and one weight per text")
    if not texts:
        return ()
    groups = sorted(duplicates(texts, vectors), key=lambda g: _rank(texts, vectors, g))
    # `duplicates` puts the spokesman of a group first, whatever the order of the texts.
    rows = np.stack([vectors[group[0]] for group in groups]).astype(np.float64)
    weight = np.array([np.sort(given[list(group)]).sum() for group in groups])
    labels = _labels(rows, weight, at_most=at_most, alike=alike)
    names, common = Names.of(texts), common_sentences(texts)
    found = []
    for label in sorted(set(labels.tolist())):
        at = np.flatnonzero(labels == label)
        close = rows[at] @ rows[at].T
        # Rounded, so that what is equal but for the order of a sum stays in the order of texts.
        central = at[np.argsort(-np.round(close @ weight[at], 9), kind="stable")]
        medoid = int(central[0])
        said = [texts[groups[i][0]] for i in central]
        rule = worded(said[:_CENTRAL], said, names=names, common=common)
        every = tuple(sorted(index for i in at for index in groups[i]))
        found.append(
            (
                -float(weight[at].sum()),
                Cluster(rule=rule, members=every, cohesion=_mean(close), medoid=groups[medoid][0]),
            )
        )
    return tuple(cluster for _, cluster in sorted(found, key=lambda f: (f[0], f[1].rule)))


def duplicates(texts: Sequence[str], vectors: NDArray[np.float32]) -> tuple[tuple[int, ...], ...]:
    """Texts that say the same in the same words, together; every position is in one group.

    The same content words, numbers and negations, mostly in the same order, and vectors that
    agree. Paraphrases are no duplicates.

    Returns:
        Groups of positions, each with the one to keep first (the shortest, then by text), in the
        order in which their first members stand.
    """
    by_words: dict[tuple[str, ...], list[int]] = {}
    for index, text in enumerate(texts):
        by_words.setdefault(_content(text), []).append(index)
    groups: list[tuple[int, ...]] = []
    for same in by_words.values():
        # From the shortest on, so that who joins whom does not depend on the order given.
        kept: list[list[int]] = []
        pairs: list[frozenset[tuple[str, str]]] = []
        for index in sorted(same, key=lambda i: _rank(texts, vectors, (i,))):
            mine = _pairs(texts[index])
            for group, theirs in zip(kept, pairs, strict=True):
                overlap = len(mine & theirs) / max(1, len(mine | theirs))
                equal = texts[index] == texts[group[0]] or not (mine | theirs)
                if equal or (
                    overlap >= _SAME_ORDER and float(vectors[index] @ vectors[group[0]]) >= _SAME
                ):
                    group.append(index)
                    break
            else:
                kept.append([index])
                pairs.append(mine)
        groups += [tuple(group) for group in kept]
    return tuple(sorted(groups, key=min))


def _rank(
    texts: Sequence[str], vectors: NDArray[np.float32], group: Sequence[int]
) -> tuple[int, str, bytes]:
    """Sorts by what the first of a group says, not by where it stands."""
    text = texts[group[0]]
    return (len(text), text, vectors[group[0]].tobytes())


def _content(text: str) -> tuple[str, ...]:
    words = _WORD.findall(normalised(text[:_LONGEST]))
    told = [w for w in words if w in _TELLING or w.endswith("n't") or w not in FUNCTION_WORDS]
    return tuple(sorted(told or words)) or (text,)


def _pairs(text: str) -> frozenset[tuple[str, str]]:
    words = _WORD.findall(normalised(text[:_LONGEST]))
    return frozenset(pairwise(words))


def _labels(rows: Matrix, weight: Matrix, *, at_most: int, alike: float) -> NDArray[np.intp]:
    """Which cluster each row is in, by the best cut; beyond 1,000 rows, by the nearest cluster."""
    count = len(rows)
    heavy = np.sort(np.argsort(-weight, kind="stable")[:_MOST])
    inner = _best_cut(rows[heavy] @ rows[heavy].T, weight[heavy], at_most=at_most, alike=alike)
    if count <= _MOST:
        return inner
    mine = np.eye(int(inner.max()) + 1)[inner]
    centres = (mine * weight[heavy, None]).T @ rows[heavy]
    labels: NDArray[np.intp] = np.argmax(rows @ (centres / mine.sum(axis=0)[:, None]).T, axis=1)
    labels[heavy] = inner
    return labels


def _best_cut(close: Matrix, weight: Matrix, *, at_most: int, alike: float) -> NDArray[np.intp]:
    merges = _tree(close, weight)
    count = len(close)
    labels = np.arange(count)
    best, best_score = labels, -np.inf
    for at, (one, other, height) in enumerate(((-1, -1, 1.0), *merges)):
        if at:
            labels = np.where(labels == other, one, labels)
        clusters = count - at
        if clusters > at_most:
            continue
        if best_score > -np.inf and height < alike:
            break
        score = _silhouette(close, labels) if clusters > 1 else -1.0
        if score > best_score + 1e-9:
            best, best_score = labels, score
    fresh: NDArray[np.intp] = np.unique(best, return_inverse=True)[1]
    return fresh


def _tree(close: Matrix, weight: Matrix) -> list[tuple[int, int, float]]:
    """All merges by weighted average linkage: who takes in whom, and how alike they were."""
    close, weight = close.copy(), weight.copy()
    np.fill_diagonal(close, -np.inf)
    merges = []
    for _ in range(len(close) - 1):
        one, other = sorted(divmod(int(np.argmax(close)), len(close)))
        merges.append((one, other, float(close[one, other])))
        joint = weight[one] + weight[other]
        row = (weight[one] * close[one] + weight[other] * close[other]) / joint
        row[[one, other]] = -np.inf
        close[one], close[:, one], weight[one] = row, row, joint
        close[other] = close[:, other] = -np.inf
    return merges


def _silhouette(close: Matrix, labels: NDArray[np.intp]) -> float:
    """Mean silhouette by cosine distance; 0 for whoever is alone, as Rousseeuw has it."""
    _, at = np.unique(labels, return_inverse=True)
    mine = np.eye(int(at.max()) + 1)[at]
    sizes = mine.sum(axis=0)
    far = (1.0 - close) @ mine
    own = far[np.arange(len(at)), at] / np.maximum(sizes[at] - 1, 1)
    others = np.where(mine > 0, np.inf, far / sizes)
    nearest = others.min(axis=1)
    widest = np.maximum(np.maximum(own, nearest), 1e-12)
    return float(np.where(sizes[at] > 1, (nearest - own) / widest, 0.0).mean())


def _mean(close: Matrix) -> float:
    """Mean cosine of two different rows."""
    count = len(close)
    if count == 1:
        return 1.0
    return float((close.sum() - np.trace(close)) / (count * (count - 1)))


def assignments(clusters: Iterable[Cluster], count: int) -> tuple[int, ...]:
    """For each of `count` lessons, the position of its cluster."""
    found = [0] * count
    for at, cluster in enumerate(clusters):
        for index in cluster.members:
            found[index] = at
    return tuple(found)
