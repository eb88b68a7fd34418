"""What another agent learned, brought here as proposals: nobody here vouches for it.

Lessons, facts, preferences, examples, heuristics, tools and criteria of another spec arrive with
the trust ``untrusted`` and under ids of their own. No production task is shown any of it before the
gate took it. Clauses stay where they are: instructions are for a person to copy. It says what may
be proposed; proposing it is `bundles.py`.

Next file: `memories.py`.
"""

import ast
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from strop.bootstrap.seed import shown, unfit
from strop.errors import BadInput
from strop.heldout import HeldOut
from strop.jsonvalue import Json, JsonObject, digest, is_object
from strop.resolution import TABLE, Table
from strop.spec import AgentSpec, Item, Kind, Provenance, Trust
from strop.tools import native_function, native_item, tools_by_name
from strop.tools.chains import unfit as unfit_chain
from strop.tools.identity import body_kind
from strop.tools.ready import read_tool

__all__ = [
    "LEVERS",
    "Arrived",
    "Left",
    "Setting",
    "arrive",
    "lever_of",
    "refuse_unknown",
]

LEVERS = (
    *("lessons", "facts", "preferences", "heuristics", "examples", "tools", "resolutions"),
    "criteria",
)
"""In the order in which they are proposed."""

_RUNS = 20  # runs behind an item that are named
_MEMORIES = {"fact": "facts", "preference": "preferences"}
_KINDS = {
    Kind.HEURISTIC: "heuristics",
    Kind.EXAMPLE: "examples",
    Kind.CRITERION: "criteria",
}


def lever_of(item: Item) -> str | None:
    """The lever that an item belongs to; `None` for clauses."""
    if item.kind is Kind.MEMORY:
        return _MEMORIES.get(str(item.content.get("type")), "lessons")
    if item.kind is Kind.TOOL:
        return "resolutions" if _body(item).get("kind") == "table" else "tools"
    return _KINDS.get(item.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """An item that was not taken along, and why."""

    item: str
    lever: str
    reason: str

    def to_json(self) -> dict[str, Json]:
        return {"item": self.item, "lever": self.lever, "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """What may be proposed of another agent's spec.

    Attributes:
        agent: The other agent's name.
        spec: Id of its spec.
        items: By lever, as they would stand in this agent's spec.
        left: What was not taken along.
    """

    agent: str
    spec: str
    items: Mapping[str, tuple[Item, ...]] = field(hash=False)
    left: tuple[Left, ...] = ()

    def to_json(self) -> dict[str, Json]:
        return {
            "agent": self.agent,
            "spec": self.spec,
            "items": {lever: [i.to_json() for i in items] for lever, items in self.items.items()},
            "left": [each.to_json() for each in self.left],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What decides whether another agent's item fits here.

    Attributes:
        spec: This agent's spec.
        held_out: Its held-out tasks.
        categories: Its tasks' categories.
        folder: Where its own code lies: native tools come from there or not at all.
        now: Seconds since the epoch.
    """

    spec: AgentSpec
    held_out: HeldOut
    categories: Collection[str]
    folder: Path
    now: float


def arrive(source: AgentSpec, here: Setting, *, levers: Collection[str] = LEVERS) -> Arrived:
    """The items of `source` that may be proposed here, and why the others may not.

    Args:
        source: Another agent's spec.
        here: This agent.
        levers: Only these.

    Raises:
        BadInput: There is no such lever.
    """
    refuse_unknown(levers)
    held = {_same(item) for item in here.spec.items}
    tools = tools_by_name(here.spec.of_kind(Kind.TOOL))
    taken: dict[str, list[Item]] = {}
    left: list[Left] = []
    reason: str | None
    for item in source.items:
        lever = lever_of(item)
        if lever is None or lever not in levers:
            continue
        reason = _unwelcome(item, lever, source, here, tools)
        new = None if reason is not None else _adapted(item, lever, source, here)
        if new is not None and _same(new) in held:
            reason = "the agent has it already"
        if reason is not None:
            left.append(Left(item=item.id, lever=lever, reason=reason))
        elif new is not None:
            held.add(_same(new))
            taken.setdefault(lever, []).append(new)
            if lever == "tools":
                tools[str(new.content["name"])] = new  # a chain that comes later may call it
    items = {lever: tuple(taken[lever]) for lever in LEVERS if lever in taken}
    return Arrived(agent=source.name, spec=source.id, items=items, left=tuple(left))


def refuse_unknown(levers: Collection[str]) -> None:
    """Raises `BadInput` where a name is no lever that can be transferred."""
    for name in sorted(set(levers) - set(LEVERS)):
        known = ", ".join(LEVERS)
        raise BadInput(f"there is no lever {name!r} to transfer; they are {known}", where="levers")


def _same(item: Item) -> tuple[str, ...]:
    """What an item says, under whatever id and on whosever word; of an example, what it shows."""
    if item.kind is Kind.EXAMPLE:
        return item.kind.value, *shown(item)
    return item.kind.value, digest(item.content)


def _body(item: Item) -> JsonObject:
    body = item.content.get("body")
    return body if is_object(body) else {}


def _unwelcome(
    item: Item, lever: str, source: AgentSpec, here: Setting, tools: Mapping[str, Item]
) -> str | None:
    """Why an item does not fit here, or `None`."""
    if lever == "resolutions":
        return _unusable_table(item, source, here)
    if here.held_out.is_told_by([item.content, *_texts_in_code(item)]):
        return "it tells of a held-out task"
    if lever == "tools":
        return _unusable_tool(item, here, tools)
    if lever == "examples":
        problem = unfit(item.content["output"], here.spec.output)
        return f"the agent may not answer that: {problem}" if problem else None
    expires = item.content.get("expires")
    if isinstance(expires, int | float) and expires <= here.now:
        return "it has expired"
    wanted = cast("Sequence[str]", item.content.get("categories") or ())
    if wanted and here.categories and not set(wanted) & set(here.categories):
        return f"no task here is of the category {wanted[0]!r}"
    return None


def _texts_in_code(item: Item) -> list[str]:
    """The texts that a code tool's source holds: an answer may stand in it beside its question."""
    source = _body(item).get("source")
    try:
        tree = ast.parse(source) if isinstance(source, str) else ast.Module([], [])
    except (SyntaxError, ValueError, RecursionError):
        return []  # it is refused for that
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def _unusable_tool(item: Item, here: Setting, tools: Mapping[str, Item]) -> str | None:
    if item.content["name"] in tools:
        return "the agent has a tool of this name"
    if body_kind(item) != "native":
        # What it was granted there says nothing here: it starts on the lowest rung.
        ready = read_tool(item)
        if ready.problem is not None or ready.chain is None:
            return ready.problem
        return unfit_chain(ready.chain, ready.parameters, tools)
    target = str(_body(item).get("target"))
    if not _lies_in(target.partition(":")[0], here.folder):
        return (
            f"{target} is no function in {here.folder.name or 'this folder'}; "
            "to use it all the same, name it under `tools:` in the configuration"
        )
    try:
        native_function(item, {})
        native_item(target)
    except BadInput as error:
        return error.problem
    return None


def _lies_in(module: str, folder: Path) -> bool:
    """Whether a module is a file of the project, found without running any of it.

    A spec from elsewhere may name any function of any installed module, `os:system` among them;
    which of those an agent may call is for a person to say.
    """
    top = module.partition(".")[0]
    if not top or top in sys.builtin_module_names:
        return False
    try:
        found = find_spec(top)
    except (ImportError, ValueError):
        return False
    if found is None:
        return False
    places = [found.origin] if found.has_location else list(found.submodule_search_locations or ())
    inside = folder.resolve()
    return bool(places) and all(
        place is not None and inside in Path(place).resolve().parents for place in places
    )


def _unusable_table(item: Item, source: AgentSpec, here: Setting) -> str | None:
    if any(_body(tool).get("kind") == "table" for tool in here.spec.of_kind(Kind.TOOL)):
        return "the agent has a table of its own"
    embedder = here.spec.selection.embedder
    if source.selection.embedder != embedder or _body(item).get("embedder") != embedder:
        return f"its vectors are of another embedder than {embedder}"
    try:
        table = Table.from_item(item)
    except BadInput as error:
        return f"it is damaged: {error}"
    for entry in table.entries:
        problem = unfit(entry.output, here.spec.output)
        if problem is not None:
            return f"the agent may not answer as it does: {problem}"
        if here.held_out.is_told_by(entry.output):
            return "it tells of a held-out task"
    return None


def _can_take(steps: Json, spec: AgentSpec) -> bool:
    """Whether the agent has every tool that an example's steps call."""
    names = {tool.content["name"] for tool in spec.of_kind(Kind.TOOL)}
    calls = steps if isinstance(steps, Sequence) else ()
    return all(is_object(call) and call.get("tool") in names for call in calls)


def _adapted(item: Item, lever: str, source: AgentSpec, here: Setting) -> Item:
    """The item as it would stand here: unprotected, untrusted, and no longer of a task there."""
    content = dict(item.content)
    if lever == "examples":
        # Another agent's tasks: an id or a group that is also one of ours would be a coincidence.
        content.pop("task", None)
        content.pop("group", None)
        if not _can_take(content.get("steps"), here.spec):
            del content["steps"]  # the answer may still help; a call of no tool here would not
    elif lever == "tools" and body_kind(item) == "native":
        # As the function is here: a description from elsewhere need not be true of it.
        content = dict(native_item(str(_body(item)["target"])).content)
    elif not here.categories:
        content.pop("categories", None)  # nothing would ever be of them
    new = TABLE if lever == "resolutions" else f"{item.kind.value}-{digest(content)[:12]}"
    provenance = Provenance(
        by=f"transfer:{source.name}",
        runs=tuple(f"{source.name}:{run}" for run in item.provenance.runs[-_RUNS:]),
        trust=Trust.UNTRUSTED,
        corrected=item.provenance.corrected,
    )
    return replace(item, id=new, content=content, provenance=provenance, protected=False)
