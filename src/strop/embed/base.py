"""What an embedder is: texts in, one unit vector per text out.

Holds the `Embedder` Protocol and the two things every implementation needs: `unit_rows`, which
makes vectors comparable by a dot product, and `clean`, which makes any Python string safe to
tokenise. It computes no embeddings and caches none.

Next file: `embed/static.py`.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from strop.errors import StropError

Vectors = NDArray[np.float32]
"""Shape (n, dim), each row of unit L2 norm."""


class Embedder(Protocol):
    """Turns texts into vectors whose dot product says how close they are in meaning."""

    @property
    def id(self) -> str:
        """Names the vector space, e.g. ``minilm:all-MiniLM-L6-v2``; two ids never mix."""
        ...

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return shape (len(texts), dim), in the order of `texts`; (0, dim) or (0, 0) for none."""
        ...


def unit_rows(rows: NDArray[Any]) -> Vectors:
    """Scale each row of `rows`, shape (n, dim), to unit L2 norm.

    A row of zeros (a text without one known token) has no direction. It becomes the last axis: in a
    PCA-ordered space that is the axis real texts vary least along, so nothing looks like it.

    Raises:
        StropError: a value is NaN or infinite.
    """
    wide = np.asarray(rows, dtype=np.float64)
    if wide.size == 0:
        return np.zeros(wide.shape, dtype=np.float32)
    if not np.isfinite(wide).all():
        raise StropError(
            f"an embedding of {len(wide)} texts holds NaN or infinite values; "
            "its source is faulty, so choose another embedder"
        )
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    empty = norms[:, 0] < np.finfo(np.float32).tiny
    out = np.divide(wide, norms, out=np.zeros_like(wide), where=~empty[:, None])
    out[empty, -1] = 1.0
    unit: Vectors = out.astype(np.float32)
    return unit


def clean(text: str, limit: int) -> str:
    """Cut `text` to `limit` characters and replace lone surrogates, which no tokenizer accepts."""
    return text[:limit].encode("utf-8", "replace").decode("utf-8")
