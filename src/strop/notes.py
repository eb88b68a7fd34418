"""Which memories and heuristics a task should see: by similarity, and by what it will touch.

A note is found by one or several key texts: its own, or the inputs of tasks that it mattered to. A
new task that reads like those will touch what they touched. Pure numpy over unit vectors; which of
the ranked notes fit the prompt is `context.py`'s business.

Next file: `context.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from strop.spec import Item, Kind
from strop.task import Task

__all__ = ["Notes", "note_keys"]

Vector = NDArray[np.float32]


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
        self._owner = np.array(
            [i for i, item in enumerate(self._items) for _ in note_keys(item)], dtype=np.intp
        )
        rows = [vectors[key] for item in self._items for key in note_keys(item)]
        self._vectors = np.stack(rows) if rows else np.zeros((0, 0), dtype=np.float32)

    def ranked(self, query: Vector, *, task: Task) -> Iterator[tuple[int, float]]:
        """Positions of the notes that may help with `task`, the most relevant first, each with its
        similarity.

        Notes that name categories come only to tasks of those.

        Args:
            query: Unit vector of the task's text, shape (dim,).
            task: The task.
        """
        if not self._items:
            return
        cosine = self._vectors @ query
        best = np.full(len(self._items), -np.inf, dtype=np.float32)
        np.maximum.at(best, self._owner, cosine)
        for index in np.argsort(-best, kind="stable"):
            if _is_for(self._items[int(index)], task):
                yield int(index), float(best[index])


def _is_for(item: Item, task: Task) -> bool:
    categories = cast("Sequence[str] | None", item.content.get("categories"))
    return not categories or task.category in categories
