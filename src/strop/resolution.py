"""`Table`: recurring tasks with one standard answer, answered without a model when it is sure.

A linear head over the task's vector names an answer; how sure the head is, how near the task is to
what taught that answer and how near to what taught another one make a confidence; below a threshold
the table says nothing and the model is asked. A table is the body of a tool item: all that decides
its answers is in the spec. It does not learn (that is `mine/resolutions.py`), embeds nothing and
calls nothing.

Next file: `context.py`.
"""

import base64
import hashlib
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from strop.errors import BadInput
from strop.fields import Fields
from strop.jsonvalue import Json, JsonObject, is_object
from strop.spec import AgentSpec, Item, Kind, Provenance
from strop.task import Split, Task

__all__ = [
    "TABLE",
    "Calibration",
    "Entry",
    "Head",
    "Resolution",
    "Table",
    "is_table",
    "mark_of",
    "table_in",
]

logger = logging.getLogger(__name__)

TABLE = "resolutions"
"""Id and tool name of the one table item of a spec."""

Vector: TypeAlias = NDArray[np.float32]
Number = TypeVar("Number", bound=np.generic)

_MARK = 6  # bytes: ten thousand tasks and a stranger's id clash once in 10^10 times
_SURE = 15.0  # log odds beyond this say nothing more
_SHARPNESS = 10.0  # of the softmax over centres
_BLOCK = 8192  # multiplications; OpenBLAS starts threads from 9216
_FAR = 4.0  # the square of the largest distance between unit vectors
_DESCRIPTION = "Standard answers to recurring tasks. It says nothing where it is not sure."
_PARAMETERS: JsonObject = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One standard answer.

    Attributes:
        output: The answer.
        tasks: How many distinct tasks stand behind it.
        retired: Later feedback said that it is wrong too often; it is not given any more.
    """

    output: Json = field(hash=False)
    tasks: int
    retired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was measured when the threshold was chosen, on tasks the answering model had not seen.

    Attributes:
        n: Tasks.
        answered: Those at or above the threshold.
        correct: Those of them that were answered right.
        lower: Lower confidence bound on the share of answers that are right.
        confidence: Of that bound, for example 0.95.
        coverage: Share of tasks that the table is expected to answer.
        left: Share of tasks with an answer the table did not know that it left to the model.
    """

    n: int
    answered: int
    correct: int
    lower: float
    confidence: float
    coverage: float
    left: float

    def to_json(self) -> dict[str, Json]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """What names an answer for a vector, and says how it stands to what taught it.

    Attributes:
        weights: A row per answer, shape (answers, dim).
        bias: Shape (answers,).
        prototypes: Centres of the vectors that taught, shape (prototypes, dim); those of one answer
            stand together, in the order of the answers.
        counts: How many prototypes each answer has, shape (answers,); at least one.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    prototypes: NDArray[np.float32]
    counts: NDArray[np.int64]
    _starts: NDArray[np.int64] = field(init=False, repr=False)
    _norms: NDArray[np.float32] = field(init=False, repr=False)
    _halves: NDArray[np.float32] = field(init=False, repr=False)
    _blocks: NDArray[np.float32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Half of what `signals` needs is the same for every query, and a query takes microseconds.
        starts = np.cumsum(self.counts) - self.counts
        centres = np.add.reduceat(self.prototypes, starts, axis=0) / self.counts[:, None]
        halves = 0.5 * np.einsum("ad,ad->a", centres, centres)
        for name, value in (
            ("_starts", starts),
            ("_norms", np.einsum("pd,pd->p", self.prototypes, self.prototypes) + 1.0),
            ("_halves", halves.astype(np.float32)),
            ("_blocks", _in_blocks(np.concatenate([self.weights, self.prototypes]))),
        ):
            object.__setattr__(self, name, value)

    def signals(self, vectors: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """The best answer for each vector, and four figures on it.

        Args:
            vectors: Unit rows, shape (n, dim).

        Returns:
            Positions of answers, shape (n,); and, shape (n, 4): the answer's log odds; its log odds
            by the distance to each answer's centre alone, which is smoother; its nearest
            prototype's squared distance, negated; that of the nearest prototype of another answer.
        """
        # One product per block, each too small for BLAS to start threads on: those wait for cores
        # that a model is using, and a product of this size is soon done on one.
        products = np.matmul(self._blocks, vectors.T).reshape(-1, len(vectors)).T
        total = len(self.weights)
        logits = products[:, :total] + self.bias
        cosine = products[:, total : total + len(self.prototypes)]
        nearest = np.minimum.reduceat(self._norms - 2.0 * cosine, self._starts, axis=1)
        # An answer's centre is the mean of its prototypes, so its product is the mean of theirs.
        mean = np.add.reduceat(cosine, self._starts, axis=1) / self.counts.astype(np.float32)
        closeness = _SHARPNESS * (mean - self._halves)
        rows, best = np.arange(len(vectors)), logits.argmax(axis=1)
        own = nearest[rows, best]
        nearest[rows, best] = _FAR
        figures = (_odds(logits, best), _odds(closeness, best), -own, nearest.min(axis=1))
        return best, np.stack(figures, axis=1).astype(np.float64)


def _odds(logits: NDArray[Any], best: NDArray[np.intp]) -> NDArray[np.float32]:
    """Log odds of the answers `best` under a softmax, at most `_SURE`."""
    rows = np.arange(len(logits))
    against = logits - logits[rows, best][:, None]
    against[rows, best] = -np.inf
    most = np.maximum(against.max(axis=1), -_SURE)
    odds: NDArray[np.float32] = -most - np.log(
        np.maximum(np.exp(against - most[:, None]).sum(axis=1), np.exp(-_SURE))
    )
    return np.minimum(odds, _SURE)


def _in_blocks(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows in equal blocks, zeros behind them; shape (blocks, height, dim)."""
    height = max(1, _BLOCK // rows.shape[1])
    spare = -len(rows) % height
    return np.pad(rows, ((0, spare), (0, 0))).reshape(-1, height, rows.shape[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """An answer without a model.

    Attributes:
        output: The standard answer.
        confidence: In [0, 1]; what the table's threshold was compared with.
        item: Id of the table's item.
        label: Position of the answer among the table's entries.
    """

    output: Json = field(hash=False)
    confidence: float
    item: str
    label: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """A learned lookup that answers or abstains.

    Attributes:
        entries: The standard answers, in the order of the head's rows.
        head: Names an answer.
        mix: Weights of the head's four signals, then the constant: the log odds of confidence.
        threshold: Confidence from which the table answers.
        floor: Share of its answers that must be right.
        embedder: Id of the embedder that made the vectors; others' are not understood.
        calibration: What the threshold rests on.
        taught: Marks (`mark_of`) of the tasks that taught it. It abstains for them outside of
            production: an answer that is read off is no evidence.
        item: Id of the item.
    """

    entries: tuple[Entry, ...]
    head: Head
    mix: tuple[float, ...]
    threshold: float
    floor: float
    embedder: str
    calibration: Calibration
    taught: frozenset[bytes] = frozenset()
    item: str = TABLE

    def answer(self, query: Vector, *, task: Task) -> Resolution | None:
        """The standard answer to a task, or `None` where the table is not sure.

        Args:
            query: Unit vector of the task's text by the table's embedder, shape (dim,).
            task: The task.
        """
        if query.shape != self.head.weights.shape[1:] or self._taught_by(task):
            return None
        labels, signals = self.head.signals(query[None, :])
        label, sure = int(labels[0]), float(confidence(signals, self.mix)[0])
        entry = self.entries[label]
        # Written so that a NaN in the query is not above the threshold.
        if entry.retired or not sure >= self.threshold:
            return None
        return Resolution(output=entry.output, confidence=sure, item=self.item, label=label)

    def _taught_by(self, task: Task) -> bool:
        """Whether the answer would be read off where it counts as evidence.

        Production is where tasks come back, often under the id that their text gives them: there
        the answer to the very same task is what the table is for.
        """
        served = task.split is None or task.split is Split.PRODUCTION
        return not served and mark_of(task.id) in self.taught

    def without(self, labels: Iterable[int]) -> "Table":
        """The table with these entries retired as well."""
        gone = set(labels)
        return replace(
            self,
            entries=tuple(
                replace(entry, retired=entry.retired or at in gone)
                for at, entry in enumerate(self.entries)
            ),
        )

    def to_item(self, provenance: Provenance) -> Item:
        """The tool item whose body is this table."""
        content: dict[str, Json] = {
            "name": TABLE,
            "description": _DESCRIPTION,
            "parameters": _PARAMETERS,
            "body": self.to_body(),
        }
        return Item(id=self.item, kind=Kind.TOOL, content=content, provenance=provenance)

    def to_body(self) -> dict[str, Json]:
        """The table as JSON; `from_body` is its inverse up to rounding, and then exactly."""
        # A power of two, so that packing what was unpacked gives the same bytes.
        largest = float(np.abs(self.head.prototypes).max())
        scale = 2.0 ** math.ceil(math.log2(largest / 127)) if largest > 0 else 1.0
        return {
            "kind": "table",
            "embedder": self.embedder,
            "dim": self.head.weights.shape[1],
            "floor": self.floor,
            "threshold": self.threshold,
            "mix": list(self.mix),
            "entries": [
                {"output": e.output, "tasks": e.tasks, "retired": e.retired, "prototypes": int(n)}
                for e, n in zip(self.entries, self.head.counts, strict=True)
            ],
            "weights": _packed(self.head.weights.astype("<f2")),
            "bias": _packed(self.head.bias.astype("<f4")),
            "prototypes": _packed(np.rint(self.head.prototypes / scale).astype(np.int8)),
            "scale": scale,
            "calibration": self.calibration.to_json(),
            "taught": base64.b64encode(b"".join(sorted(self.taught))).decode(),
        }

    @classmethod
    def from_body(cls, body: JsonObject, *, where: str = "body", item: str = TABLE) -> "Table":
        """The inverse of `to_body`.

        Raises:
            BadInput: Something is missing, of the wrong type or size, cut off or not finite; the
                message says where.
        """
        read = Fields(body, where)
        if body.get("kind") != "table":
            raise BadInput("the body of a table has the kind 'table'", where=f"{where}.kind")
        entries, counts = _entries(read)
        dim = int(read.number("dim", low=1))
        total = int(counts.sum())
        mix = read.numbers("mix", 5)
        taught = read.bytes("taught")
        if len(taught) % _MARK:
            raise BadInput("is cut off", where=f"{where}.taught")
        figures = Fields(read.object("calibration"), f"{where}.calibration")
        return cls(
            entries=entries,
            head=Head(
                weights=read.array("weights", np.dtype("<f2"), (len(entries), dim)),
                bias=read.array("bias", np.dtype("<f4"), (len(entries),)),
                prototypes=read.array("prototypes", np.dtype(np.int8), (total, dim))
                * np.float32(read.number("scale", low=0.0)),
                counts=counts,
            ),
            mix=tuple(mix),
            threshold=read.number("threshold", low=0.0),
            floor=read.number("floor", low=0.0),
            embedder=read.text("embedder"),
            calibration=Calibration(
                n=int(figures.number("n", low=0)),
                answered=int(figures.number("answered", low=0)),
                correct=int(figures.number("correct", low=0)),
                **{
                    name: figures.number(name, low=0.0)
                    for name in ("lower", "confidence", "coverage", "left")
                },
            ),
            taught=frozenset(taught[at : at + _MARK] for at in range(0, len(taught), _MARK)),
            item=item,
        )

    @classmethod
    def from_item(cls, item: Item) -> "Table":
        """The table that a tool item holds.

        Raises:
            BadInput: The item is no table, or its body is damaged (see `from_body`).
        """
        where = f"{item.kind} {item.id!r}"
        body = item.content.get("body")
        if item.kind is not Kind.TOOL or not is_object(body):
            raise BadInput("is not a table", where=where)
        return cls.from_body(body, where=f"{where}.body", item=item.id)


def is_table(tool: Item) -> bool:
    """Whether a tool item answers tasks before the model is asked, so that no model calls it."""
    body = tool.content["body"]
    return is_object(body) and body.get("kind") == "table"


def table_in(spec: AgentSpec, *, embedder: str) -> Table | None:
    """The table of a spec, or `None` where it has none for this embedder.

    Args:
        spec: The agent.
        embedder: Id of the embedder that will make the queries; vectors of another one mean
            something else, so a table that was made with another one abstains altogether.
    """
    for item in spec.of_kind(Kind.TOOL):
        body = item.content["body"]
        if is_table(item) and is_object(body) and body.get("embedder") == embedder:
            return _sound(item, spec.output)
    return None


def _sound(item: Item, output: JsonObject | None) -> Table | None:
    """The table of an item, silent on answers that the agent may not give any more.

    A damaged table is none: the agent answers without it.
    """
    try:
        table = Table.from_item(item)
    except BadInput as error:
        logger.warning("the table is not used: %s", error)
        return None
    if output is None:
        return table
    from jsonschema import Draft202012Validator  # loads 60 modules; only a table needs it

    allowed = Draft202012Validator(output)
    return table.without(
        at for at, entry in enumerate(table.entries) if not allowed.is_valid(entry.output)
    )


def mark_of(task_id: str) -> bytes:
    """Six bytes that stand for a task's id among those that taught a table."""
    return hashlib.sha256(task_id.encode("utf-8", "replace")).digest()[:_MARK]


def confidence(signals: NDArray[np.float64], mix: Sequence[float]) -> NDArray[np.float64]:
    """Signals, shape (n, 4), mixed into a confidence in [0, 1], shape (n,)."""
    odds = signals @ np.asarray(mix[:-1]) + mix[-1]
    mixed: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-np.clip(odds, -50.0, 50.0)))
    return mixed


def _packed(array: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def _entries(read: "Fields") -> tuple[tuple[Entry, ...], NDArray[np.int64]]:
    entries: list[Entry] = []
    counts: list[int] = []
    for at, value in enumerate(read.list("entries")):
        where = f"{read.where}.entries[{at}]"
        if not is_object(value) or "output" not in value:
            raise BadInput("an entry needs an 'output'", where=where)
        each = Fields(value, where)
        entries.append(
            Entry(
                output=value["output"],
                tasks=int(each.number("tasks", low=0)),
                retired=value.get("retired") is True,
            )
        )
        counts.append(int(each.number("prototypes", low=1)))
    if not entries:
        raise BadInput("a table needs an entry", where=f"{read.where}.entries")
    return tuple(entries), np.array(counts, dtype=np.int64)
