"""Runs of statements that recur: contiguous n-grams of shapes, by the number of distinct tasks.

Level by level, as in Agrawal and Srikant, "Fast Algorithms for Mining Association Rules" (VLDB
1994): n statements can only recur where the first n-1 and the last n-1 do. Counts are of tasks, so
that one run that tries a thing ten times says it once. Numbers in, numbers out; what the statements
say is not known here.

Next file: `mine/snippets/results.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Corpus", "Gram", "frequent"]

_LONGEST = 12  # statements
_SMALLEST = 8  # nodes: less is not worth a name


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """All statements, one after the other, as arrays of the same length.

    Attributes:
        keys: Shape of each; 0 for what no function can hold, and between two lists.
        sizes: Nodes of each.
        works: Whether it does something: see `Shape`.
        tells: Whether it only prints.
        tasks: Number of the task of each.
    """

    keys: NDArray[np.int64]
    sizes: NDArray[np.int64]
    works: NDArray[np.bool_]
    tells: NDArray[np.bool_]
    tasks: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gram:
    """Statements in a row that recur.

    Attributes:
        length: How many.
        tasks: In how many distinct tasks.
        size: Nodes in all.
        starts: Where in the corpus each occurrence begins, ascending.
    """

    length: int
    tasks: int
    size: int
    starts: NDArray[np.int64]

    @property
    def promise(self) -> int:
        """Nodes that a name for it might save: an upper bound, before anything is a parameter."""
        return (self.tasks - 1) * (self.size - 2)


def frequent(corpus: Corpus, *, threshold: int) -> list[Gram]:
    """The n-grams in `threshold` distinct tasks or more, the most promising first.

    One that only ever occurs inside a longer one is left out. Sorting once per level makes it
    O(n log n) in the number of statements.
    """
    codes = _numbered(corpus.keys, corpus.keys != 0)
    level = _kept(codes, corpus.tasks, threshold)
    found: list[tuple[int, int, NDArray[np.int64]]] = []
    length = 1
    while (level >= 0).any():
        longer = np.full_like(level, -1)
        if length < _LONGEST:
            both = np.flatnonzero((level[:-1] >= 0) & (level[1:] >= 0))
            pairs = level[both] * (int(level.max()) + 1) + level[both + 1]
            longer[both] = np.unique(pairs, return_inverse=True)[1]
            longer = _kept(longer, corpus.tasks, threshold)
        found += _closed(level, longer, length)
        level, length = longer, length + 1
    grams = list(_worth(found, corpus))
    grams.sort(key=lambda g: (-g.promise, int(g.starts[0]), g.length))
    return grams


def _numbered(values: NDArray[np.int64], valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    out = np.full(len(values), -1, dtype=np.int64)
    out[valid] = np.unique(values[valid], return_inverse=True)[1]
    return out


def _kept(codes: NDArray[np.int64], tasks: NDArray[np.int64], threshold: int) -> NDArray[np.int64]:
    """`codes` with -1 for those in too few tasks, and the rest numbered anew."""
    valid = codes >= 0
    if not valid.any():
        return codes
    width = int(tasks.max()) + 1
    pairs = np.unique(codes[valid] * width + tasks[valid])
    often = np.bincount(pairs // width, minlength=int(codes.max()) + 1) >= threshold
    valid[valid] = often[codes[valid]]
    return _numbered(codes, valid)


def _closed(
    level: NDArray[np.int64], longer: NDArray[np.int64], length: int
) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """Those of a level that do not always go on in the same way, with where they begin."""
    places = np.flatnonzero(level >= 0)
    order = places[np.argsort(level[places], kind="stable")]
    cuts = np.flatnonzero(np.diff(level[order])) + 1
    begins = np.concatenate([[-1], longer[:-1]])  # what the one before begins
    for starts in np.split(order, cuts):
        for inside in (longer[starts], begins[starts]):
            if inside[0] >= 0 and (inside == inside[0]).all():
                break
        else:
            yield length, int(level[starts[0]]), starts


def _worth(found: list[tuple[int, int, NDArray[np.int64]]], corpus: Corpus) -> Iterator[Gram]:
    """What is large enough, without statements at either end that do nothing by themselves.

    One that prints, right after the work, stays in a gram of its own: that may be the result.
    """
    best: dict[tuple[int, int], Gram] = {}
    for length, _, starts in found:
        works = np.flatnonzero(corpus.works[int(starts[0]) : int(starts[0]) + length])
        if not len(works):
            continue
        begin, end = int(works[0]), int(works[-1]) + 1
        first = int(starts[0]) + begin
        tasks = len(np.unique(corpus.tasks[starts]))
        told = end < length and bool(corpus.tells[int(starts[0]) + end])
        for many in (end - begin, end - begin + 1) if told else (end - begin,):
            size = int(corpus.sizes[first : first + many].sum())
            if size < _SMALLEST:
                continue
            held = best.get((first, many))
            if held is None or held.tasks < tasks:
                best[first, many] = Gram(length=many, tasks=tasks, size=size, starts=starts + begin)
    yield from best.values()
