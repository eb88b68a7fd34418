"""The embedder that is always there: one stored vector per token, averaged.

The bundled model (data/, made by scripts/make_static_embedder.py) is distilled from
all-MiniLM-L6-v2 and kept in model2vec's file format, so model2vec can load it too. This module
reads that format itself: importing model2vec takes longer than loading the model, for joblib, tqdm,
jinja2 and huggingface-hub, of which nothing is used here. It makes no models.

Source: model2vec, Tulkens and van Dongen 2024, https://github.com/MinishLab/model2vec.

Next file: `embed/minilm.py`.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from strop.embed.base import Vectors, clean, unit_rows

if TYPE_CHECKING:
    from tokenizers import Tokenizer

STATIC_ID = "static:strop-minilm-256-v1"
DATA = Path(__file__).with_name("data")

MAX_CHARACTERS = 32_768  # the topic of a text is settled long before; bounds embedding a log file
BLOCK_TOKENS = 16_384  # bounds memory: the rows of a block are expanded to floats, 17 MB
DIRECT_CHARACTERS = 4_000  # under 10 ms of work; more goes to a thread, off the event loop


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticModel:
    """Token vectors in model2vec's format.

    Attributes:
        rows: int8, shape (tokens, dim).
        weights: float32, shape (tokens,): what each row is multiplied by.
        unknown: id of the token that stands for anything unknown; it is left out of the average.
    """

    rows: NDArray[np.int8]
    weights: NDArray[np.float32]
    tokenizer: "Tokenizer"
    unknown: int

    @classmethod
    def load(cls, folder: Path) -> "StaticModel":
        """Read model.safetensors and tokenizer.json from `folder`."""
        # Lazy, with tokenizers: `import strop` must stay cheap for those who embed nothing.
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        tensors: dict[str, NDArray[Any]] = load_file(folder / "model.safetensors")
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        unknown: Any = tokenizer.token_to_id("[UNK]")
        return cls(
            rows=tensors["embeddings"],
            weights=tensors["weights"].astype(np.float32),
            tokenizer=tokenizer,
            unknown=int(unknown),
        )

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the weighted mean of each text's token vectors, scaled to unit norm."""
        out = np.zeros((len(texts), self.rows.shape[1]), dtype=np.float32)
        ids: list[int] = []
        starts: dict[int, int] = {}  # text -> where its tokens begin in ids
        for at, text in enumerate(texts):
            # One by one: encode_batch starts a thread pool, which a later fork of this process
            # (the sandbox forks) would inherit broken, for a tenth more speed.
            found = self.tokenizer.encode(text, add_special_tokens=False).ids
            known = [token for token in found if token != self.unknown]
            if known:
                starts[at] = len(ids)
                ids += known
            if len(ids) >= BLOCK_TOKENS:
                out[list(starts)] = self._sums(ids, list(starts.values()))
                ids, starts = [], {}
        if ids:
            out[list(starts)] = self._sums(ids, list(starts.values()))
        return unit_rows(out)

    def _sums(self, ids: Sequence[int], starts: Sequence[int]) -> NDArray[np.float32]:
        """Sum the weighted rows of each text; a sum serves as well as a mean before scaling."""
        tokens = np.asarray(ids)
        expanded = self.rows[tokens] * self.weights[tokens, None]
        sums: NDArray[np.float32] = np.add.reduceat(expanded, starts, axis=0)
        return sums


class StaticEmbedder:
    """Embeds with the bundled model, 256 dimensions; safe to share between threads."""

    def __init__(self, folder: Path = DATA) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._loaded: StaticModel | None = None

    @property
    def id(self) -> str:
        """The vector space: ``static:strop-minilm-256-v1``."""
        return STATIC_ID

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return shape (len(texts), 256), rows of unit norm."""
        texts = [clean(text, MAX_CHARACTERS) for text in texts]
        if self._loaded is not None and sum(map(len, texts)) <= DIRECT_CHARACTERS:
            return self.embed_now(texts)
        return await anyio.to_thread.run_sync(self.embed_now, texts)

    def embed_now(self, texts: Sequence[str]) -> Vectors:
        """Do the work of `embed` in this thread."""
        return self._load().embed([clean(text, MAX_CHARACTERS) for text in texts])

    def _load(self) -> StaticModel:
        with self._lock:
            if self._loaded is None:
                self._loaded = StaticModel.load(self._folder)
            return self._loaded
