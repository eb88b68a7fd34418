"""`Libraries`: specs' retrievable items with their vectors, and contexts made from them.

Brings together `embed`, `context` and the store's vector cache. A text is embedded once per
embedder; vectors of different embedders never mix.

Next file: `evaluation.py`.
"""

import logging
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from strop.context import Context, Library, key_text, retrievable, select
from strop.embed import Embedder
from strop.spec import AgentSpec
from strop.store import Store
from strop.task import Task

__all__ = ["Libraries"]

logger = logging.getLogger(__name__)
_KEPT = 4  # libraries in memory: the released spec, a candidate, and their predecessors


class Libraries:
    """Makes contexts for tasks.

    Args:
        store: Where vectors are kept.
        embedder: Makes vectors.
    """

    def __init__(self, store: Store, embedder: Embedder) -> None:
        self._store = store
        self._embedder = embedder
        self._libraries: OrderedDict[str, Library | None] = OrderedDict()

    async def context(self, spec: AgentSpec, task: Task) -> Context:
        """What `task` gets to see of `spec`."""
        (context,) = await self.contexts(spec, [task])
        return context

    async def contexts(self, spec: AgentSpec, tasks: Sequence[Task]) -> tuple[Context, ...]:
        """What each task gets to see of `spec`; their texts are embedded in one go."""
        library = await self._library(spec)
        if library is None:
            return tuple(select(spec, task) for task in tasks)
        queries = await self._embedder.embed([task.text for task in tasks])
        return tuple(
            select(spec, task, library=library, query=query)
            for task, query in zip(tasks, queries, strict=True)
        )

    async def _library(self, spec: AgentSpec) -> Library | None:
        if spec.id not in self._libraries:
            texts = list(dict.fromkeys(key_text(item) for item in retrievable(spec)))
            library = (
                Library.build(spec, await self._vectors(texts), embedder=self._embedder.id)
                if texts
                else None
            )
            self._libraries[spec.id] = library
            while len(self._libraries) > _KEPT:
                self._libraries.popitem(last=False)
        self._libraries.move_to_end(spec.id)
        return self._libraries[spec.id]

    async def _vectors(self, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Vectors of texts: from the store where it has them, else embedded and kept."""
        self._refuse_mixing()
        known = self._store.vectors(self._embedder.id, texts)
        missing = [text for text in texts if text not in known]
        if missing:
            fresh = await self._embedder.embed(missing)
            made = dict(zip(missing, fresh, strict=True))
            self._store.put_vectors(self._embedder.id, made)
            known = {**known, **made}
        return known

    def _refuse_mixing(self) -> None:
        """Drop vectors of another embedder, and say so: everything is embedded anew."""
        held = self._store.count_vectors()
        others = {name: count for name, count in held.items() if name != self._embedder.id}
        if others:
            names = ", ".join(sorted(others))
            logger.warning(
                "the embedder changed from %s to %s: embedding %d texts again",
                names,
                self._embedder.id,
                sum(others.values()),
            )
            self._store.drop_vectors(keep=self._embedder.id)
