"""Queries over embeddings: a cache from text to vector, per embedder.

Vectors lie as little-endian float32, under the SHA-256 of the text (the text itself is in the run
or item it came from). This file does not search: `context.py` does, in numpy.

Next file: `store/spool.py`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, func

from strop.errors import BadInput
from strop.store.scope import Scope, chunks
from strop.store.tables import vectors

__all__ = ["count", "drop", "get", "put"]


def get(scope: Scope, embedder: str, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Those of `texts` that are known."""
    of_key = {_key(text): text for text in texts}
    found: dict[str, NDArray[np.float32]] = {}
    for some in chunks(list(of_key)):
        query = scope.select(vectors, vectors.c.text, vectors.c.vector)
        query = query.where(vectors.c.embedder == embedder, vectors.c.text.in_(some))
        for key, blob in scope.connection.execute(query):
            # `astype` copies: what `frombuffer` gives is read-only and keeps the blob alive.
            found[of_key[key]] = np.frombuffer(blob, "<f4").astype(np.float32)
    return found


def put(scope: Scope, embedder: str, given: Mapping[str, NDArray[Any]]) -> None:
    """Store vectors; one that is known already stays.

    Raises:
        BadInput: A vector is not of shape (dim,) or holds NaN or infinity.
    """
    rows = []
    for text, vector in given.items():
        plain = np.asarray(vector, dtype="<f4")
        if plain.ndim != 1 or not plain.size or not np.isfinite(plain).all():
            raise BadInput(f"the vector of {text[:40]!r} is not a row of finite numbers")
        rows.append({"embedder": embedder, "text": _key(text), "vector": plain.tobytes()})
    for some in chunks(rows):
        scope.add_new(vectors, *some)


def count(scope: Scope) -> dict[str, int]:
    """How many there are, by embedder."""
    query = scope.select(vectors, vectors.c.embedder, func.count()).group_by(vectors.c.embedder)
    return dict(scope.connection.execute(query.order_by(vectors.c.embedder)).all())


def drop(scope: Scope, *, keep: str) -> int:
    """Delete the vectors of all embedders but `keep`; how many went."""
    statement = delete(vectors).where(vectors.c.agent == scope.agent, vectors.c.embedder != keep)
    return scope.connection.execute(statement).rowcount


def _key(text: str) -> str:
    # `surrogatepass`: any Python string has a key, also one that is not valid Unicode.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
