"""`AgentSpec`: the immutable agent, made of items; and `Change`, the only way to another one.

The six levers are six kinds of `Item` in one structure, so versions, diffs and bounds are written
once. A spec's id is the SHA-256 of the canonical JSON of what decides its behaviour; provenance is
carried along but is not part of the id (see docs/decisions/spec-identity.md). This file does not
decide which items a task sees: that is `context.py`.

Next file: `permission.py`.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import TypeAlias, cast

from strop.errors import BadInput, ChangeRefused
from strop.jsonvalue import Json, JsonObject, canonical, checked, checked_text, digest, is_object

__all__ = [
    "Add",
    "AgentSpec",
    "Change",
    "Item",
    "Kind",
    "Provenance",
    "Remove",
    "Revise",
    "Selection",
    "Trust",
    "apply",
    "change_from_json",
    "diff",
]


class Kind(StrEnum):
    """The six levers of the improvement surface."""

    CLAUSE = "clause"
    TOOL = "tool"
    EXAMPLE = "example"
    HEURISTIC = "heuristic"
    MEMORY = "memory"
    CRITERION = "criterion"


class Trust(StrEnum):
    """Who vouches for an item: a person, this agent's own scored runs, or nobody yet."""

    PERSON = "person"
    EVIDENCE = "evidence"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where an item came from.

    Attributes:
        by: Who proposed it: ``person``, or a proposer such as ``mined:examples``.
        runs: The runs it was made from.
        trust: On whose word it stands.
        corrected: An example whose answer is the known right one, put in the place of the one
            the run gave.
    """

    by: str = "person"
    runs: tuple[str, ...] = ()
    trust: Trust = Trust.PERSON
    corrected: bool = False

    def to_json(self) -> dict[str, Json]:
        return {
            "by": self.by,
            "runs": list(self.runs),
            "trust": self.trust.value,
            "corrected": self.corrected,
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> "Provenance":
        return cls(
            by=str(value["by"]),
            runs=tuple(cast("Sequence[str]", value["runs"])),
            trust=Trust(str(value["trust"])),
            corrected=bool(value.get("corrected", False)),
        )


# What the content of each kind must hold, and may hold, with the JSON type of each field.
_CONTENT: dict[Kind, tuple[dict[str, type | None], dict[str, type | None]]] = {
    Kind.CLAUSE: ({"text": str}, {}),
    Kind.TOOL: (
        {"name": str, "description": str, "parameters": dict, "body": dict},
        {"needs": dict, "returns": dict, "instead_of": list},
    ),
    Kind.EXAMPLE: ({"input": None, "output": None}, {"task": str, "group": str, "steps": list}),
    Kind.HEURISTIC: ({"text": str}, {"when": None, "categories": list}),
    Kind.MEMORY: (
        {"text": str},
        {
            "about": None,
            "categories": list,
            "expires": float,
            "pinned": bool,
            "touches": list,
            "type": str,
        },
    ),
    Kind.CRITERION: ({"text": str}, {"weight": float}),
}
_TEXTS = {"about", "categories", "touches", "when"}


def _is_texts(value: Json) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and bool(value) and all(isinstance(text, str) for text in value)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One clause, tool, example, heuristic, memory or criterion.

    Attributes:
        id: Stable within an agent; a revision keeps it.
        kind: Which lever it belongs to; a revision keeps it.
        content: JSON object; fields by kind: clause ``text``; tool ``name, description,
            parameters, body`` (and ``needs``, the permissions that its code declares; ``returns``,
            the JSON schema of its result; ``instead_of``, names of tools that are not offered while
            it is, though it may call them); example ``input, output`` (and the ``task``
            and ``group`` it is from, and the ``steps`` between); heuristic ``text`` (and ``when,
            categories``); memory ``text`` (and ``type``, which is lesson, fact or preference;
            ``about``, the texts it is found by; ``categories`` it is for; ``touches``, the names it
            speaks of; ``expires``, seconds since the epoch; ``pinned``); criterion ``text`` (and
            ``weight``).
        provenance: Where it came from; not part of the spec's id.
        protected: Improvement may neither revise nor remove it; a protected tool it may describe
            in other words (see `apply`).
    """

    id: str
    kind: Kind
    content: JsonObject = field(hash=False)
    provenance: Provenance = Provenance()
    protected: bool = False

    def __post_init__(self) -> None:
        where = f"{self.kind} {self.id!r}"
        if not isinstance(self.id, str) or not self.id:
            raise BadInput("an item needs a non-empty id", where=str(self.kind))
        checked_text(self.id, where=f"{self.kind} {self.id!r}")
        content = checked(self.content, where=where)
        if not isinstance(content, dict):
            raise BadInput("an item's content is a JSON object", where=where)
        needed, optional = _CONTENT[self.kind]
        for name, kind in (needed | optional).items():
            if name not in content:
                if name in needed:
                    raise BadInput(f"content needs {name!r}", where=where)
                continue
            kinds = (int, float) if kind is float else kind
            if kinds is not None and not isinstance(content[name], kinds):
                raise BadInput(f"{name!r} has the wrong type", where=where)
        for name in _TEXTS & content.keys():
            if not _is_texts(content[name]):
                raise BadInput(f"{name!r} must be text or a list of texts", where=where)
        unknown = sorted(content.keys() - needed.keys() - optional.keys())
        if unknown:
            raise BadInput(f"content does not take {unknown[0]!r}", where=where)
        object.__setattr__(self, "content", content)

    @property
    def text(self) -> str:
        """The text of a clause, heuristic, memory or criterion."""
        return str(self.content["text"])

    def to_json(self) -> dict[str, Json]:
        return {**self.behaviour(), "provenance": self.provenance.to_json()}

    @property
    def digest(self) -> str:
        """SHA-256 of the item without its provenance: the same item from elsewhere is the same."""
        return digest(self.behaviour())

    def behaviour(self) -> dict[str, Json]:
        """The item as JSON without its provenance: what decides what an agent does."""
        return {
            "id": self.id,
            "kind": self.kind.value,
            "content": self.content,
            "protected": self.protected,
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> "Item":
        return cls(
            id=str(value["id"]),
            kind=Kind(str(value["kind"])),
            content=cast("JsonObject", value["content"]),
            provenance=Provenance.from_json(cast("JsonObject", value["provenance"])),
            protected=bool(value["protected"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """How much of a spec one task gets to see (`context.select` reads it).

    Attributes:
        embedder: Name of the embedder whose vectors decide what is similar.
        examples: At most this many examples per task.
        memories: At most this many retrieved memories and heuristics per task.
        tokens: Estimated tokens that everything chosen per task may take together.
    """

    embedder: str = "static"
    examples: int = 4
    memories: int = 8
    tokens: int = 1500

    def __post_init__(self) -> None:
        for name in ("examples", "memories", "tokens"):
            if getattr(self, name) < 0:
                raise BadInput("must be 0 or more", where=f"selection.{name}")

    def to_json(self) -> dict[str, Json]:
        return {
            "embedder": self.embedder,
            "examples": self.examples,
            "memories": self.memories,
            "tokens": self.tokens,
        }


@dataclass(frozen=True, kw_only=True)
class AgentSpec:
    """An agent, whole and immutable: a frozen model and the items around it.

    Attributes:
        name: The agent's name.
        model: The frozen model's name (`strop.models.resolve`); improvement never touches it.
        settings: Model settings such as ``temperature`` and ``max_tokens``.
        output: JSON schema of the output, or `None` for free text.
        selection: How much of the spec one task sees.
        items: The six levers, in rendering order; ids are unique.
    """

    name: str
    model: str
    settings: JsonObject = field(default_factory=dict, hash=False)
    output: JsonObject | None = field(default=None, hash=False)
    selection: Selection = Selection()
    items: tuple[Item, ...] = ()

    def __post_init__(self) -> None:
        for name in ("name", "model"):
            if not getattr(self, name):
                raise BadInput("must not be empty", where=f"spec.{name}")
            checked_text(getattr(self, name), where=f"spec.{name}")
        object.__setattr__(self, "settings", checked(self.settings, where="spec.settings"))
        object.__setattr__(self, "output", checked(self.output, where="spec.output"))
        object.__setattr__(self, "items", tuple(self.items))
        seen: set[str] = set()
        for item in self.items:
            if item.id in seen:
                raise BadInput(f"item id {item.id!r} is used twice", where=f"spec {self.name!r}")
            seen.add(item.id)

    def __hash__(self) -> int:
        return hash(self.id)  # of the digest, which is kept; not of thousands of items each time

    @cached_property
    def id(self) -> str:
        """SHA-256, in hex, of the canonical JSON of everything but provenance."""
        items: list[Json] = [item.behaviour() for item in self.items]
        return digest({**self._frame(), "items": items})

    @property
    def short_id(self) -> str:
        """The first ten digits of the id: what people read and type."""
        return self.id[:10]

    def of_kind(self, kind: Kind) -> tuple[Item, ...]:
        """The items of one kind, in order."""
        return tuple(item for item in self.items if item.kind is kind)

    def _frame(self) -> dict[str, Json]:
        return {
            "schema": "strop.spec/1",
            "name": self.name,
            "model": self.model,
            "settings": self.settings,
            "output": self.output,
            "selection": self.selection.to_json(),
        }

    def to_json(self) -> dict[str, Json]:
        """The spec as one JSON object; `from_json` is its inverse."""
        return {**self._frame(), "items": [item.to_json() for item in self.items]}

    @classmethod
    def from_json(cls, value: JsonObject) -> "AgentSpec":
        selection = cast("Mapping[str, int]", value["selection"])
        return cls(
            name=str(value["name"]),
            model=str(value["model"]),
            settings=cast("JsonObject", value["settings"]),
            output=cast("JsonObject | None", value["output"]),
            selection=Selection(**selection),  # type: ignore[arg-type]
            items=tuple(Item.from_json(i) for i in cast("Sequence[JsonObject]", value["items"])),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """Put a new item in front of the item that `before` names, or at the end."""

    item: Item
    before: str | None = None

    @property
    def item_id(self) -> str:
        return self.item.id

    def to_json(self) -> dict[str, Json]:
        return {"change": "add", "item": self.item.to_json(), "before": self.before}


@dataclass(frozen=True, slots=True, kw_only=True)
class Revise:
    """Put `item` in the place of the item with the same id and kind."""

    item_id: str
    item: Item

    def to_json(self) -> dict[str, Json]:
        return {"change": "revise", "item_id": self.item_id, "item": self.item.to_json()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Take an item out."""

    item_id: str

    def to_json(self) -> dict[str, Json]:
        return {"change": "remove", "item_id": self.item_id}


Change: TypeAlias = Add | Revise | Remove


def change_from_json(value: JsonObject) -> Change:
    """The inverse of a change's `to_json`."""
    match value["change"]:
        case "add":
            before = value["before"]
            return Add(
                item=Item.from_json(cast("JsonObject", value["item"])),
                before=None if before is None else str(before),
            )
        case "revise":
            return Revise(
                item_id=str(value["item_id"]),
                item=Item.from_json(cast("JsonObject", value["item"])),
            )
        case "remove":
            return Remove(item_id=str(value["item_id"]))
        case other:
            raise BadInput(f"there is no change {other!r}", where="change")


def apply(spec: AgentSpec, changes: Iterable[Change], *, by_person: bool = False) -> AgentSpec:
    """The spec that `changes`, taken in order, make of `spec`.

    Args:
        spec: The parent; left as it is.
        changes: What to do to it.
        by_person: Allows protected items to be revised and removed (a person edited the
            configuration); improvement never passes it. Of a protected tool it may revise how the
            tool and its parameters are described, and give examples or an ``enum``, ``pattern`` or
            ``format`` where there was none: what is read, never what is done.

    Raises:
        ChangeRefused: An id that is not there, or is there already; a revision that changes id or
            kind; a protected item.
    """
    items: dict[str, Item] = {item.id: item for item in spec.items}
    order = _Order(items)
    for change in changes:
        if isinstance(change, Add):
            if change.item_id in items:
                raise ChangeRefused(f"add {change.item_id!r}: the spec already has this item")
            if change.before is not None and change.before not in items:
                raise ChangeRefused(f"add before {change.before!r}: the spec has no such item")
            items[change.item_id] = change.item
            order.insert(change.item_id, before=change.before)
            continue
        old = items.get(change.item_id)
        if old is None:
            raise ChangeRefused(f"change {change.item_id!r}: the spec has no such item")
        if old.protected and not by_person and not _only_describes(change, old):
            raise ChangeRefused(
                f"{old.kind} {old.id!r} is protected; edit the configuration instead"
            )
        if isinstance(change, Remove):
            del items[change.item_id]
            order.remove(change.item_id)
        elif (change.item.id, change.item.kind) != (old.id, old.kind):
            raise ChangeRefused(f"revise {old.id!r}: a revision keeps the item's id and kind")
        else:
            items[change.item_id] = change.item
    return replace(spec, items=tuple(items[item_id] for item_id in order))


def _only_describes(change: Change, old: Item) -> bool:
    """Whether a change leaves a tool as it was but for the words that a model reads."""
    if not isinstance(change, Revise) or old.kind is not Kind.TOOL:
        return False
    new = change.item
    rest = [{**i.behaviour(), "content": {**i.content, **_READ}} for i in (old, new)]
    return canonical(rest[0]) == canonical(rest[1]) and _same_but_for_hints(
        old.content["parameters"], new.content["parameters"]
    )


_READ: dict[str, Json] = {"description": "", "parameters": {}}


def _same_but_for_hints(old: Json, new: Json, *, names: bool = False) -> bool:
    """Whether two JSON schemas take the same but for hints; `names`: the keys are parameters."""
    if not is_object(old) or not is_object(new):
        return canonical(old) == canonical(new)
    hints = {"description", "examples"} | ({"enum", "pattern", "format"} - old.keys())
    kept = old.keys() | new.keys() if names else (old.keys() | new.keys()) - hints
    return kept <= old.keys() & new.keys() and all(
        _same_but_for_hints(old[key], new[key], names=key in ("properties", "$defs"))
        for key in kept
    )


class _Order:
    """Ids in order, as a ring through `None`: a change is one step, however many there are."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._next: dict[str | None, str | None] = {None: None}
        self._previous: dict[str | None, str | None] = {None: None}
        for item_id in ids:
            self.insert(item_id, before=None)

    def insert(self, item_id: str, *, before: str | None) -> None:
        previous = self._previous[before]
        self._next[previous] = self._previous[before] = item_id
        self._next[item_id], self._previous[item_id] = before, previous

    def remove(self, item_id: str) -> None:
        following, previous = self._next.pop(item_id), self._previous.pop(item_id)
        self._next[previous], self._previous[following] = following, previous

    def __iter__(self) -> Iterator[str]:
        item_id = self._next[None]
        while item_id is not None:
            yield item_id
            item_id = self._next[item_id]


def diff(old: AgentSpec, new: AgentSpec) -> tuple[Change, ...]:
    """The changes that turn `old`'s items into `new`'s.

    ``apply(old, diff(old, new), by_person=True).items == new.items`` for any two specs.

    Items that keep their relative order are kept or revised; one that moved is removed and added.
    The rest of the spec (model, settings) is not the business of changes and is not compared.
    """
    before = {item.id: item for item in old.items}
    blocks = difflib.SequenceMatcher(
        a=[(i.id, i.kind) for i in old.items],
        b=[(i.id, i.kind) for i in new.items],
        autojunk=False,
    ).get_matching_blocks()
    kept = {new.items[block.b + i].id for block in blocks for i in range(block.size)}
    changes: list[Change] = [Remove(item_id=i.id) for i in old.items if i.id not in kept]
    changes += [
        Revise(item_id=i.id, item=i)
        for i in new.items
        if i.id in kept and canonical(i.to_json()) != canonical(before[i.id].to_json())
    ]
    return (*changes, *_additions(new.items, kept))


def _additions(items: Sequence[Item], kept: set[str]) -> list[Change]:
    """An `Add` for each item that is not kept, in front of the next kept one."""
    additions: list[Change] = []
    following: str | None = None
    for item in reversed(items):
        if item.id in kept:
            following = item.id
        else:
            additions.append(Add(item=item, before=following))
    additions.reverse()
    return additions
