"""`select(spec, task) -> Context`: what one task gets to see of a spec.

The stable part (instructions, heuristics that always hold, pinned memories, tool definitions)
renders first and is byte-identical for every task of a spec, so that provider prompt caches hit;
what is chosen for this task (similar examples, memories) comes after it. Deterministic given spec,
task and library. Nothing here calls a model; vectors come in ready-made.

Next file: `models/__init__.py`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from strop.jsonvalue import as_text, canonical
from strop.neighbours import Neighbours
from strop.spec import AgentSpec, Item, Kind
from strop.task import Task, normalised

__all__ = ["Context", "Demonstration", "Library", "count_tokens", "retrievable", "select"]

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """An example as one task sees it: an input and the answer to it, both as text."""

    item: str
    input: str
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What one task gets to see of a spec.

    Attributes:
        instructions: The stable part, the same for every task of the spec.
        demonstrations: Examples chosen for this task, the most similar last.
        notes: Memories and heuristics chosen for this task.
        input: The task's input as text.
        tools: Tool items on offer.
        shown: Ids of all items that this context shows, tools included.
        withheld: Ids of items held back at random.
    """

    instructions: str
    demonstrations: tuple[Demonstration, ...] = ()
    notes: tuple[str, ...] = ()
    input: str
    tools: tuple[Item, ...] = ()
    shown: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()

    @property
    def prompt(self) -> str:
        """The last user message: the notes for this task, if any, then the input."""
        return f"{self.reminder}\n\n{self.input}" if self.notes else self.input

    @property
    def reminder(self) -> str:
        """The notes for this task as one text; empty where there are none."""
        if not self.notes:
            return ""
        return "Keep in mind:\n" + "\n".join(f"- {note}" for note in self.notes)

    @property
    def messages(self) -> tuple[dict[str, str], ...]:
        """The whole context as chat messages with ``role`` and ``content``, ready for any model."""
        out = [{"role": "system", "content": self.instructions}] if self.instructions else []
        for shown in self.demonstrations:
            out.append({"role": "user", "content": shown.input})
            out.append({"role": "assistant", "content": shown.output})
        return (*out, {"role": "user", "content": self.prompt})


def count_tokens(text: str) -> int:
    """Estimated tokens of a text: a quarter of its UTF-8 bytes, rounded up, and 4 for its frame.

    Budgets need an estimate that needs no tokenizer and is the same for every model; English runs
    at about 4.5 bytes a token, so this errs on the safe side.
    """
    return math.ceil(len(text.encode()) / 4) + 4


def retrievable(spec: AgentSpec) -> tuple[Item, ...]:
    """A spec's items that are chosen per task by similarity: examples, memories, heuristics."""
    return tuple(
        item
        for item in spec.items
        if item.kind is Kind.EXAMPLE
        or (item.kind is Kind.MEMORY and not item.content.get("pinned"))
        or (item.kind is Kind.HEURISTIC and "when" in item.content)
    )


def key_text(item: Item) -> str:
    """The text whose vector an item is found by."""
    if item.kind is Kind.EXAMPLE:
        return as_text(item.content["input"])
    when = item.content.get("when")
    return str(when) if when else item.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """The retrievable items of one spec with their vectors, ready for `select`.

    Attributes:
        examples: The example items.
        notes: The retrievable memories and heuristics.
        neighbours: Index over the examples' vectors and outputs.
        note_vectors: One unit row per note.
        embedder: Id of the embedder that made the vectors.
    """

    examples: tuple[Item, ...]
    notes: tuple[Item, ...]
    neighbours: Neighbours
    note_vectors: NDArray[np.float32]
    embedder: str
    inputs: tuple[str, ...] = field(repr=False)
    _by_source: Mapping[tuple[str, str], tuple[int, ...]] = field(repr=False)

    @classmethod
    def build(cls, spec: AgentSpec, vectors: Mapping[str, Vector], *, embedder: str) -> "Library":
        """Index a spec's retrievable items.

        Args:
            spec: The spec.
            vectors: A unit vector for the `key_text` of every retrievable item.
            embedder: Id of the embedder they come from.
        """
        items = retrievable(spec)
        examples = tuple(item for item in items if item.kind is Kind.EXAMPLE)
        notes = tuple(item for item in items if item.kind is not Kind.EXAMPLE)
        return cls(
            examples=examples,
            notes=notes,
            neighbours=Neighbours(
                _rows(examples, vectors), [canonical(e.content["output"]) for e in examples]
            ),
            note_vectors=_rows(notes, vectors),
            embedder=embedder,
            inputs=tuple(normalised(as_text(e.content["input"])) for e in examples),
            _by_source=_by_source(examples),
        )

    def barred(self, task: Task) -> frozenset[int]:
        """Positions of the examples that `task` must not see.

        Its own, its paraphrases', and those of the same input under another id: an answer that is
        read off is no evidence that the agent knows it.
        """
        same = self._by_source.get(("input", normalised(task.text)), ())
        own = self._by_source.get(("task", task.id), ())
        paraphrases = self._by_source.get(("group", task.group), ()) if task.group else ()
        return frozenset((*own, *paraphrases, *same))


def _by_source(examples: Sequence[Item]) -> dict[tuple[str, str], tuple[int, ...]]:
    """Where the examples from each task, from each paraphrase group and of each input stand."""
    found: dict[tuple[str, str], list[int]] = {}
    for index, item in enumerate(examples):
        for field_name in ("task", "group"):
            source = item.content.get(field_name)
            if source:
                found.setdefault((field_name, str(source)), []).append(index)
        text = normalised(as_text(item.content["input"]))
        found.setdefault(("input", text), []).append(index)
    return {source: tuple(indices) for source, indices in found.items()}


def _rows(items: Sequence[Item], vectors: Mapping[str, Vector]) -> NDArray[np.float32]:
    if not items:
        return np.zeros((0, 0), dtype=np.float32)
    return np.stack([vectors[key_text(item)] for item in items]).astype(np.float32, copy=False)


def select(
    spec: AgentSpec, task: Task, *, library: Library | None = None, query: Vector | None = None
) -> Context:
    """What `task` gets to see of `spec`.

    Args:
        spec: The agent.
        task: The task.
        library: The spec's retrievable items with their vectors; `None` where it has none.
        query: The task's vector, by the library's embedder.
    """
    stable = _stable_part(spec)
    shown = [item.id for item in (*stable.items, *stable.tools)]
    examples: tuple[Item, ...] = ()
    notes: tuple[Item, ...] = ()
    if library is not None and query is not None:
        examples, spent = _choose_examples(spec, task, library, query)
        notes = _choose_notes(spec, library, query, spec.selection.tokens - spent)
        shown += [item.id for item in (*examples, *notes)]
    return Context(
        instructions=stable.text,
        demonstrations=tuple(
            Demonstration(
                item=item.id,
                input=as_text(item.content["input"]),
                output=as_text(item.content["output"]),
            )
            for item in examples
        ),
        notes=tuple(item.text for item in notes),
        input=task.text,
        tools=stable.tools,
        shown=tuple(shown),
    )


def _choose_examples(
    spec: AgentSpec, task: Task, library: Library, query: Vector
) -> tuple[tuple[Item, ...], int]:
    """The examples for a task, the most trusted last, and the tokens they take.

    Never the same input twice, and never what `Library.barred` names.
    """
    limit, budget = spec.selection.examples, spec.selection.tokens
    chosen: list[Item] = []
    inputs: set[str] = set()
    spent = 0
    if not limit or not library.examples:
        return (), 0
    for index in library.neighbours.ranked(query, barred=library.barred(task)):
        item = library.examples[index]
        cost = count_tokens(as_text(item.content["input"])) + count_tokens(
            as_text(item.content["output"])
        )
        if library.inputs[index] in inputs or spent + cost > budget:
            continue
        chosen.append(item)
        inputs.add(library.inputs[index])
        spent += cost
        if len(chosen) == limit:
            break
    return tuple(reversed(chosen)), spent


def _choose_notes(
    spec: AgentSpec, library: Library, query: Vector, budget: int
) -> tuple[Item, ...]:
    """The most similar memories and heuristics within what is left of the budget."""
    if not library.notes or not spec.selection.memories:
        return ()
    order = np.argsort(-(library.note_vectors @ query), kind="stable")
    chosen: list[Item] = []
    for index in order:
        item = library.notes[int(index)]
        cost = count_tokens(item.text)
        if cost <= budget and len(chosen) < spec.selection.memories:
            chosen.append(item)
            budget -= cost
    return tuple(chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stable:
    """What every task of a spec sees: the items behind the instructions, their text, the tools."""

    items: tuple[Item, ...]
    text: str
    tools: tuple[Item, ...]


def _stable_part(spec: AgentSpec) -> _Stable:
    """What `_stable_of` gives, kept by the spec's id: comparing thousands of items takes longer."""
    found = _stable_parts.get(spec.id)
    if found is None:
        while len(_stable_parts) >= _STABLE_KEPT:
            _stable_parts.pop(next(iter(_stable_parts)), None)
        found = _stable_parts[spec.id] = _stable_of(spec)
    return found


_STABLE_KEPT = 64
_stable_parts: dict[str, _Stable] = {}


def _stable_of(spec: AgentSpec) -> _Stable:
    """Clauses, standing heuristics and pinned memories, in that order; and the tools."""
    clauses = spec.of_kind(Kind.CLAUSE)
    heuristics = tuple(i for i in spec.of_kind(Kind.HEURISTIC) if "when" not in i.content)
    pinned = tuple(i for i in spec.of_kind(Kind.MEMORY) if i.content.get("pinned"))
    parts = ["\n".join(item.text for item in clauses)]
    if heuristics:
        parts.append("How to go about it:\n" + _bullets(heuristics))
    if pinned:
        parts.append("Always keep in mind:\n" + _bullets(pinned))
    return _Stable(
        items=(*clauses, *heuristics, *pinned),
        text="\n\n".join(part for part in parts if part),
        tools=spec.of_kind(Kind.TOOL),
    )


def _bullets(items: Sequence[Item]) -> str:
    return "\n".join(f"- {item.text}" for item in items)
