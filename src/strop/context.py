"""`select(spec, task) -> Context`: what one task gets to see of a spec.

The stable part (instructions, heuristics that always hold, pinned memories, tool definitions)
renders first and is byte-identical for every task of a spec, so that provider prompt caches hit;
what is chosen for this task (similar examples, memories) comes after it. A task that the spec's
table knows the answer to is answered there. Deterministic given spec, task, library and time.
Nothing here calls a model; vectors come in ready-made.

Next file: `models/__init__.py`.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from strop.jsonvalue import Json, JsonObject, as_text, canonical
from strop.neighbours import Neighbours
from strop.notes import Notes, note_keys
from strop.resolution import Resolution, Table, is_table, table_in
from strop.spec import AgentSpec, Item, Kind
from strop.task import Task, normalised

__all__ = [
    "Chosen",
    "Context",
    "Demonstration",
    "Library",
    "count_tokens",
    "keys",
    "retrievable",
    "select",
]

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """An example as one task sees it: an input and the answer to it, both as text.

    Attributes:
        item: The example's id.
        input: What was asked.
        output: What was answered.
        steps: The tool calls between the two, each with ``tool``, ``args`` and ``result``.
    """

    item: str
    input: str
    output: str
    steps: tuple[JsonObject, ...] = field(default=(), hash=False)

    @property
    def messages(self) -> tuple[dict[str, Json], ...]:
        """The demonstration as chat messages, tool calls in the form OpenAI gave them."""
        out: list[dict[str, Json]] = [{"role": "user", "content": self.input}]
        for number, step in enumerate(self.steps, start=1):
            call = f"{self.item}-{number}"
            function: dict[str, Json] = {
                "name": step["tool"],
                "arguments": canonical(step.get("args")),
            }
            calls: list[Json] = [{"id": call, "type": "function", "function": function}]
            out.append({"role": "assistant", "content": None, "tool_calls": calls})
            result = as_text(step.get("result"))
            out.append({"role": "tool", "tool_call_id": call, "content": result})
        return (*out, {"role": "assistant", "content": self.output})


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Why an item is in a context.

    Attributes:
        item: The item's id.
        similarity: Cosine of the task's vector with the item's; `None` for what every task sees.
        tokens: Estimated tokens that it takes.
    """

    item: str
    similarity: float | None
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What one task gets to see of a spec.

    Attributes:
        instructions: The stable part, the same for every task of the spec.
        demonstrations: Examples chosen for this task, the most similar last.
        notes: Memories and heuristics chosen for this task.
        input: The task's input as text.
        tools: Tool items on offer.
        chosen: All items that this context shows, tools included, each with why.
        withheld: Ids of items held back at random.
        resolution: The answer that the spec's table is sure of; no model is asked then.
    """

    instructions: str
    demonstrations: tuple[Demonstration, ...] = ()
    notes: tuple[str, ...] = ()
    input: str
    tools: tuple[Item, ...] = ()
    chosen: tuple[Chosen, ...] = ()
    withheld: tuple[str, ...] = ()
    resolution: Resolution | None = None

    @property
    def shown(self) -> tuple[str, ...]:
        """Ids of all items that this context shows."""
        return tuple(each.item for each in self.chosen)

    def without(self, items: Collection[str]) -> "Context":
        """This context without some of its tools: those that may not run as things are now."""
        if not any(tool.id in items for tool in self.tools):
            return self
        return replace(
            self,
            tools=tuple(tool for tool in self.tools if tool.id not in items),
            chosen=tuple(each for each in self.chosen if each.item not in items),
        )

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
    def messages(self) -> tuple[dict[str, Json], ...]:
        """The whole context as chat messages with ``role`` and ``content``, ready for any model."""
        out: list[dict[str, Json]] = []
        if self.instructions:
            out.append({"role": "system", "content": self.instructions})
        for shown in self.demonstrations:
            out += shown.messages
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


def keys(item: Item) -> tuple[str, ...]:
    """The texts whose vectors a retrievable item is found by."""
    if item.kind is Kind.EXAMPLE:
        return (as_text(item.content["input"]),)
    return note_keys(item)


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """The retrievable items of one spec with their vectors, ready for `select`.

    Attributes:
        examples: The example items.
        notes: The retrievable memories and heuristics.
        neighbours: Index over the examples' vectors and outputs.
        noted: Index over the notes.
        table: Answers what it is sure of without a model; `None` where the spec has none.
        embedder: Id of the embedder that made the vectors.
    """

    examples: tuple[Item, ...]
    notes: tuple[Item, ...]
    neighbours: Neighbours
    noted: Notes
    table: Table | None
    embedder: str
    inputs: tuple[str, ...] = field(repr=False)
    _by_source: Mapping[tuple[str, str], tuple[int, ...]] = field(repr=False)

    @classmethod
    def build(cls, spec: AgentSpec, vectors: Mapping[str, Vector], *, embedder: str) -> "Library":
        """Index a spec's retrievable items.

        Args:
            spec: The spec.
            vectors: A unit vector for each of the `keys` of every retrievable item.
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
            noted=Notes(notes, vectors),
            table=table_in(spec, embedder=embedder),
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
    return np.stack([vectors[keys(item)[0]] for item in items]).astype(np.float32, copy=False)


def select(
    spec: AgentSpec,
    task: Task,
    *,
    library: Library | None = None,
    query: Vector | None = None,
    now: float | None = None,
    resolve: bool = True,
) -> Context:
    """What `task` gets to see of `spec`.

    Args:
        spec: The agent.
        task: The task.
        library: The spec's retrievable items with their vectors; `None` where it has none.
        query: The task's vector, by the library's embedder.
        now: Seconds since the epoch: memories that expired before are not shown. `None` shows
            them: what is measured twice must see the same.
        resolve: Let the spec's table answer what it is sure of.
    """
    stable = _stable_part(spec)
    if library is None or query is None:
        return Context(
            instructions=stable.text, input=task.text, tools=stable.tools, chosen=stable.chosen
        )
    table = library.table if resolve else None
    resolution = None if table is None else table.answer(query, task=task)
    if resolution is not None:
        sure = Chosen(item=resolution.item, similarity=resolution.confidence, tokens=0)
        return Context(instructions="", input=task.text, chosen=(sure,), resolution=resolution)
    examples, spent = _choose_examples(spec, task, library, query)
    notes = _choose_notes(spec, task, library, query, budget=spec.selection.tokens - spent, now=now)
    return Context(
        instructions=stable.text,
        demonstrations=tuple(_demonstration(library.examples[at]) for at, _ in examples),
        notes=tuple(library.notes[at].text for at, _ in notes),
        input=task.text,
        tools=stable.tools,
        chosen=(*stable.chosen, *(c for _, c in examples), *(c for _, c in notes)),
    )


_Choice = tuple[int, Chosen]  # position in the library, and why


def _choose_examples(
    spec: AgentSpec, task: Task, library: Library, query: Vector
) -> tuple[tuple[_Choice, ...], int]:
    """The examples for a task, the most trusted last, and the tokens they take.

    Never the same input twice, and never what `Library.barred` names.
    """
    limit, budget = spec.selection.examples, spec.selection.tokens
    chosen: list[_Choice] = []
    inputs: set[str] = set()
    spent = 0
    if not limit or not library.examples:
        return (), 0
    for index in library.neighbours.ranked(query, barred=library.barred(task)):
        item = library.examples[index]
        cost = _example_tokens(item)
        if library.inputs[index] in inputs or spent + cost > budget:
            continue
        similarity = library.neighbours.similarity(index, query)
        chosen.append((index, Chosen(item=item.id, similarity=similarity, tokens=cost)))
        inputs.add(library.inputs[index])
        spent += cost
        if len(chosen) == limit:
            break
    return tuple(reversed(chosen)), spent


def _example_tokens(item: Item) -> int:
    texts = [as_text(item.content["input"]), as_text(item.content["output"])]
    texts += [canonical(step) for step in _steps(item)]
    return sum(count_tokens(text) for text in texts)


def _demonstration(item: Item) -> Demonstration:
    return Demonstration(
        item=item.id,
        input=as_text(item.content["input"]),
        output=as_text(item.content["output"]),
        steps=_steps(item),
    )


def _steps(item: Item) -> tuple[JsonObject, ...]:
    return tuple(cast("Sequence[JsonObject]", item.content.get("steps", ())))


def _choose_notes(
    spec: AgentSpec,
    task: Task,
    library: Library,
    query: Vector,
    *,
    budget: int,
    now: float | None,
) -> tuple[_Choice, ...]:
    """The most relevant memories and heuristics within what is left of the budget."""
    chosen: list[_Choice] = []
    if not spec.selection.memories:
        return ()
    for index, similarity in library.noted.ranked(query, task=task):
        item = library.notes[index]
        cost = count_tokens(item.text)
        if cost > budget or _expired(item, now):
            continue
        chosen.append((index, Chosen(item=item.id, similarity=similarity, tokens=cost)))
        budget -= cost
        if len(chosen) == spec.selection.memories:
            break
    return tuple(chosen)


def _expired(item: Item, now: float | None) -> bool:
    expires = item.content.get("expires")
    return now is not None and isinstance(expires, int | float) and expires < now


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stable:
    """What every task of a spec sees: the items behind the instructions, their text, the tools."""

    text: str
    tools: tuple[Item, ...]
    chosen: tuple[Chosen, ...]


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
    tools = tuple(item for item in spec.of_kind(Kind.TOOL) if not is_table(item))
    costs = [
        *((item, count_tokens(item.text)) for item in (*clauses, *heuristics, *pinned)),
        *((tool, count_tokens(canonical(_offered(tool)))) for tool in tools),
    ]
    return _Stable(
        text="\n\n".join(part for part in parts if part),
        tools=tools,
        chosen=tuple(Chosen(item=i.id, similarity=None, tokens=cost) for i, cost in costs),
    )


def _offered(tool: Item) -> dict[str, Json]:
    """What a model sees of a tool."""
    return {name: tool.content[name] for name in ("name", "description", "parameters")}


def _bullets(items: Sequence[Item]) -> str:
    return "\n".join(f"- {item.text}" for item in items)
