"""Which memories and heuristics a task should see: by similarity, and by what it will touch.

A note that names the inputs of earlier tasks it mattered to is found by a vote: of the tasks most
like this one, how large a share had this note among theirs. Words that the task shares with the
names a note speaks of count as well. Notes that are unlikely to matter do not come at all: what is
shown beside the point costs tokens and attention. Any other note is found by plain similarity. Pure
numpy over unit vectors; which of the ranked notes fit the prompt is `context.py`'s business.

Next file: `fields.py`.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from strop.spec import Item, Kind
from strop.task import Task

__all__ = ["SKETCH", "Notes", "note_keys", "sketch_key"]

Vector = NDArray[np.float32]

SKETCH = 32
"""Inputs that a mined note keeps; one that has so many may have mattered to more tasks."""

# Fitted on the facts of three agents on seven of fourteen databases: docs/results/sql.md.
_NEAREST = 32  # tasks that vote
_SHARP = 16.0  # of the kernel exp(sharp (cosine - 1))
_PRIOR = 0.1  # weight of what holds for all tasks, against 1 for the vote
_WORD = 0.3  # what a shared word adds that only one note has
_LIKELY = 0.5  # notes below this do not come
_RELATED = 0.2  # cosine that a note for any category needs to the nearest of its tasks

_WORDS = re.compile(r"[^\W\d_]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_READ = 4_000  # characters of a task that are searched for words


def sketch_key(text: str) -> bytes:
    """What decides which inputs a full note keeps: those with the smallest keys."""
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()


def note_keys(item: Item) -> tuple[str, ...]:
    """The texts whose vectors a memory or heuristic is found by."""
    given = item.content.get("when" if item.kind is Kind.HEURISTIC else "about")
    if not given:
        return (item.text,)
    return (given,) if isinstance(given, str) else tuple(cast("Sequence[str]", given))


class Notes:
    """An index over retrievable memories and heuristics.

    Args:
        items: The notes.
        vectors: A unit vector for each of their `note_keys`.
    """

    def __init__(self, items: Sequence[Item], vectors: Mapping[str, Vector]) -> None:
        self._items = tuple(items)
        texts = dict.fromkeys(key for item in self._items for key in note_keys(item))
        self._row = {text: row for row, text in enumerate(texts)}
        rows = [vectors[text] for text in texts]
        self._vectors = np.stack(rows) if rows else np.zeros((0, 0), dtype=np.float32)
        # Numbers that order texts as their sketch keys do; float64 holds 53 of the 64 bits.
        self._keys = np.array([int.from_bytes(sketch_key(t)) for t in texts], dtype=np.float64)
        self._named = {c for item in self._items for c in _categories(item)}
        self._views: dict[str | None, _View] = {}

    def ranked(self, query: Vector, *, task: Task) -> Iterator[tuple[int, float]]:
        """Positions of the notes that may help with `task`, the most relevant first, each with its
        relevance: for notes with a list of inputs the estimated chance that they matter (a shared
        name may take it above 1), for others the cosine.

        Notes that name categories come only to tasks of those.

        Args:
            query: Unit vector of the task's text, shape (dim,).
            task: The task.
        """
        if not self._items:
            return
        category = task.category if task.category in self._named else None
        view = self._views.get(category)
        if view is None:  # as many as the notes name categories, and one for all other tasks
            view = self._views[category] = self._view(category)
        cosine = self._cosine(view, query)
        score = np.concatenate([view.votes(cosine, task.text), view.similarity(cosine)])
        for at in np.argsort(-score, kind="stable"):
            if score[at] == -np.inf:
                return
            yield int(view.notes[at]), float(score[at])

    def _cosine(self, view: "_View", query: Vector) -> Vector:
        """The cosine of each of a view's rows; rows are copied where they are few of all."""
        if len(view.rows) * 4 < len(self._vectors):
            return self._vectors[view.rows] @ query
        return (self._vectors @ query)[view.rows]

    def _view(self, category: str | None) -> "_View":
        """The notes that tasks of one category may see."""
        may = [
            index
            for index, item in enumerate(self._items)
            if not _categories(item) or category in _categories(item)
        ]
        voted = [i for i in may if _has_inputs(self._items[i])]
        plain = [i for i in may if not _has_inputs(self._items[i])]
        order = [*voted, *plain]
        keys = [[self._row[key] for key in note_keys(self._items[i])] for i in order]
        rows = sorted({row for held in keys for row in held})
        place = {row: at for at, row in enumerate(rows)}
        return _View(
            items=tuple(self._items[i] for i in order),
            notes=np.array(order, dtype=np.intp),
            voted=len(voted),
            rows=np.array(rows, dtype=np.intp),
            keys=self._keys[rows],
            owner=np.array([at for at, held in enumerate(keys) for _ in held], dtype=np.intp),
            owned=np.array([place[row] for held in keys for row in held], dtype=np.intp),
        )


@dataclass(frozen=True, kw_only=True)
class _View:
    """What tasks of one category may see.

    Attributes:
        items: The notes, those found by a vote first.
        notes: Their positions among all, shape (notes,).
        voted: How many are found by a vote.
        rows: Rows of all their key texts, shape (texts,).
        keys: The texts' sketch keys, shape (texts,).
        owner: With `owned`, the pairs of note and text, shape (pairs,).
        owned: Positions in `rows`, shape (pairs,).
    """

    items: tuple[Item, ...]
    notes: NDArray[np.intp]
    voted: int
    rows: NDArray[np.intp]
    keys: NDArray[np.float64]
    owner: NDArray[np.intp]
    owned: NDArray[np.intp]

    def votes(self, cosine: Vector, text: str) -> NDArray[np.float64]:
        """How likely each voted note is to matter, shape (voted,); -inf below the cut-off.

        Nadaraya-Watson kernel regression (Nadaraya 1964, Watson 1964) of "had this note" on the
        nearest tasks, shrunk to the note's share of all tasks, plus the words shared with the names
        it speaks of.
        """
        if not self.voted:
            return np.zeros(0)
        near = _nearest(np.where(self._voting, cosine, -np.inf), _NEAREST)
        weight = np.exp(_SHARP * (cosine[near].astype(np.float64) - 1.0))
        weight /= max(float(weight.sum()), 1e-300)
        mass = np.zeros(len(self.rows))
        mass[near] = weight
        had = np.bincount(self.owner, mass[self.owned], len(self.items)).astype(np.float64)
        # A full note forgot the inputs with larger keys: it has no vote on those.
        known = (weight * (self.keys[near] <= self._limit[:, None])).sum(axis=1)
        score: NDArray[np.float64] = (had[: self.voted] + _PRIOR * self._share) / (known + _PRIOR)
        score += _WORD * self._shared_words(text)
        best = self._best(cosine)[: self.voted]
        score[(score < _LIKELY) | (~self._scoped & (best < _RELATED))] = -np.inf
        return score

    def similarity(self, cosine: Vector) -> NDArray[np.float64]:
        """The best cosine of each of the other notes."""
        others: NDArray[np.float64] = self._best(cosine)[self.voted :]
        return others

    def _best(self, cosine: Vector) -> NDArray[np.float64]:
        if not self.items:
            return np.zeros(0)
        best: NDArray[np.float64] = np.maximum.reduceat(cosine[self.owned], self._starts)
        return best

    @cached_property
    def _starts(self) -> NDArray[np.intp]:
        """Where each note's pairs begin; every note has at least one."""
        return np.searchsorted(self.owner, np.arange(len(self.items)))

    @cached_property
    def _voting(self) -> NDArray[np.bool_]:
        """Which texts are inputs of tasks."""
        voting = np.zeros(len(self.rows), dtype=np.bool_)
        voting[self.owned[self.owner < self.voted]] = True
        return voting

    @cached_property
    def _limit(self) -> NDArray[np.float64]:
        """The largest sketch key that each voted note would have kept, shape (voted,)."""
        limit = np.full(self.voted, np.inf)
        counts = np.bincount(self.owner, minlength=len(self.items))
        for note in np.flatnonzero(counts[: self.voted] >= SKETCH):
            limit[note] = self.keys[self.owned[self.owner == note]].max()
        return limit

    @cached_property
    def _share(self) -> NDArray[np.float64]:
        """The share of all tasks that had each voted note, shape (voted,)."""
        counts = np.bincount(self.owner, minlength=len(self.items))[: self.voted]
        keys = np.sort(self.keys[self._voting])
        share: NDArray[np.float64] = counts / np.maximum(
            np.searchsorted(keys, self._limit, side="right"), 1
        )
        return share

    @cached_property
    def _scoped(self) -> NDArray[np.bool_]:
        """Which voted notes name categories."""
        return np.array([bool(_categories(i)) for i in self.items[: self.voted]], dtype=np.bool_)

    @cached_property
    def _words(self) -> dict[str, list[int]]:
        """The voted notes that speak of each word."""
        found: dict[str, list[int]] = {}
        for at, item in enumerate(self.items[: self.voted]):
            names = cast("Sequence[str]", item.content.get("touches") or ())
            for word in sorted(_stems(" ".join([names] if isinstance(names, str) else names))):
                found.setdefault(word, []).append(at)
        return found

    def _shared_words(self, text: str) -> NDArray[np.float64]:
        """For each voted note the words it shares with a text, one over the notes that have it."""
        shared = np.zeros(self.voted)
        for word in _stems(text[:_READ]):
            notes = self._words.get(word)
            if notes is not None:
                shared[notes] += 1 / len(notes)
        return shared


def _nearest(cosine: Vector, count: int) -> NDArray[np.intp]:
    """Positions of the most similar."""
    if len(cosine) > count:
        near = np.sort(np.argpartition(-cosine, count - 1)[:count])
    else:
        near = np.arange(len(cosine))
    return near[cosine[near] > -np.inf]


def _stems(text: str) -> set[str]:
    """Words, also those inside names, lower case and without the s of a plural."""
    words = (word.casefold() for word in _WORDS.findall(_HUMP.sub(" ", text)))
    return {word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words}


def _categories(item: Item) -> tuple[str, ...]:
    given = item.content.get("categories")
    if not given:
        return ()
    return (given,) if isinstance(given, str) else tuple(cast("Sequence[str]", given))


def _has_inputs(item: Item) -> bool:
    """Whether a note is found by a list of inputs rather than by a text."""
    given = item.content.get("when" if item.kind is Kind.HEURISTIC else "about")
    return isinstance(given, list) and bool(given)
