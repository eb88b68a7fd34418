"""`Libraries`: specs' retrievable items with their vectors, and contexts made from them.

Brings together `embed`, `context` and the store's vector cache. An item's text is embedded once per
embedder; vectors of different embedders never mix.

Next file: `evaluation.py`.
"""

import logging
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from strop.context import Context, Library, keys, retrievable, select
from strop.embed import Embedder, resolve_embedder
from strop.errors import ModelFailed, StropError
from strop.resolution import table_in
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
        embedder: Makes vectors for specs that name it, which is those of today's configuration.
    """

    def __init__(self, store: Store, embedder: Embedder) -> None:
        self._store = store
        self._current = embedder
        self._embedders = {embedder.id: embedder}
        self._libraries: OrderedDict[str, Library | None] = OrderedDict()

    async def context(
        self, spec: AgentSpec, task: Task, *, now: float | None = None, resolve: bool = True
    ) -> Context:
        """What `task` gets to see of `spec`; see `contexts`."""
        (context,) = await self.contexts(spec, [task], now=now, resolve=resolve)
        return context

    async def contexts(
        self,
        spec: AgentSpec,
        tasks: Sequence[Task],
        *,
        now: float | None = None,
        resolve: bool = True,
    ) -> tuple[Context, ...]:
        """What each task gets to see of `spec`; their texts are embedded in one go.

        Args:
            spec: The agent.
            tasks: The tasks.
            now: Seconds since the epoch, to leave out memories that expired; see `select`.
            resolve: Let the spec's table answer what it is sure of.

        Raises:
            ModelFailed: A provider's embedder cannot be reached.
        """
        library = await self._library(spec)
        if library is None:
            return tuple(select(spec, task) for task in tasks)
        queries = await _embedded(self._embedder(spec), [task.text for task in tasks])
        return tuple(
            select(spec, task, library=library, query=query, now=now, resolve=resolve)
            for task, query in zip(tasks, queries, strict=True)
        )

    async def embed(self, spec: AgentSpec, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts by a spec's embedder, shape (n, dim); kept for the next time.

        Raises:
            ModelFailed: A provider's embedder cannot be reached.
        """
        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        vectors = await self._vectors(self._embedder(spec), list(dict.fromkeys(texts)))
        return np.stack([vectors[text] for text in texts])

    def _embedder(self, spec: AgentSpec) -> Embedder:
        """The embedder that a spec names, whatever the configuration says today."""
        name = spec.selection.embedder
        if name not in self._embedders:
            self._embedders[name] = resolve_embedder(name)
        return self._embedders[name]

    async def _library(self, spec: AgentSpec) -> Library | None:
        if spec.id not in self._libraries:
            texts = list(dict.fromkeys(key for item in retrievable(spec) for key in keys(item)))
            embedder = self._embedder(spec)
            library = (
                Library.build(spec, await self._vectors(embedder, texts), embedder=embedder.id)
                if texts or table_in(spec, embedder=embedder.id) is not None
                else None
            )
            self._libraries[spec.id] = library
            while len(self._libraries) > _KEPT:
                self._libraries.popitem(last=False)
        self._libraries.move_to_end(spec.id)
        return self._libraries[spec.id]

    async def _vectors(
        self, embedder: Embedder, texts: Sequence[str]
    ) -> dict[str, NDArray[np.float32]]:
        """Vectors of texts: from the store where it has them, else embedded and kept."""
        if embedder is self._current:
            self._drop_others()
        known = self._store.vectors(embedder.id, texts)
        missing = [text for text in texts if text not in known]
        if missing:
            fresh = await _embedded(embedder, missing)
            made = dict(zip(missing, fresh, strict=True))
            self._store.put_vectors(embedder.id, made)
            known = {**known, **made}
        return known

    def _drop_others(self) -> None:
        """Drop vectors of another embedder, and say so: everything is embedded anew."""
        held = self._store.count_vectors()
        others = {name: count for name, count in held.items() if name != self._current.id}
        if others:
            names = ", ".join(sorted(others))
            logger.warning(
                "the embedder changed from %s to %s: embedding %d texts again",
                names,
                self._current.id,
                sum(others.values()),
            )
            self._store.drop_vectors(keep=self._current.id)


async def _embedded(embedder: Embedder, texts: Sequence[str]) -> NDArray[np.float32]:
    try:
        return await embedder.embed(texts)
    except StropError:
        raise
    except Exception as error:
        kind = type(error).__name__
        raise ModelFailed(f"the embedder {embedder.id} failed: {kind}: {error}") from error
