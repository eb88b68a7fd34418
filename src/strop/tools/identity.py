"""What a tool item is: the digest of its behaviour, the permissions it needs, its program.

A grant is bound to the digest, so it holds for exactly the code that was looked at. Reading only:
nothing is run or checked here.

Next file: `tools/chains.py`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from strop.chain import Chain
from strop.errors import BadInput
from strop.jsonvalue import Json, JsonObject, digest, is_object
from strop.permission import Level, Permissions
from strop.sandbox.base import Program
from strop.spec import Item, Kind
from strop.tools.schemas import plain_schema

__all__ = [
    "body_kind",
    "code_digest",
    "kept_per_item",
    "needs_of",
    "program_of",
    "tools_by_name",
]

_KEPT = 1024
_ANNOTATIONS = {"title", "description", "examples", "$comment"}
# Under these stand names and values of the user's, not words of JSON schema.
_NAMES = {"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"}
_VALUES = {"const", "enum", "default", "required", "dependentRequired"}

T = TypeVar("T")


def kept_per_item(make: Callable[[Item], T]) -> Callable[[Item], T]:
    """`make`, asked once per item object.

    By identity, not by equality: Python holds 1, 1.0 and True to be equal, and JSON does not.
    """
    kept: dict[int, tuple[Item, T]] = {}

    def get(item: Item) -> T:
        found = kept.get(id(item))
        if found is not None and found[0] is item:
            return found[1]
        made = make(item)
        if len(kept) >= _KEPT:
            kept.clear()
        kept[id(item)] = (item, made)  # the item itself is held, so that its id is not given anew
        return made

    return get


def body_kind(item: Item) -> str:
    """``native``, ``code``, ``chain`` or ``table``; or whatever the item says."""
    body = item.content["body"]
    return str(body.get("kind")) if is_object(body) else ""


def tools_by_name(items: Iterable[Item]) -> dict[str, Item]:
    """The tool items by name; of two with one name a protected one wins, else the first."""
    found: dict[str, Item] = {}
    for item in items:
        if item.kind is not Kind.TOOL:
            continue
        name = str(item.content["name"])
        held = found.get(name)
        if held is None or (item.protected and not held.protected):
            found[name] = item
    return found


@kept_per_item
def code_digest(item: Item) -> str:
    """SHA-256, in hex, of what decides a tool's behaviour: body, parameters and needs.

    Another name, another description (also of a parameter) or other wording of the schema's notes
    keeps it, so that a tool whose description is improved keeps what it was granted. Of the schema
    counts what is enforced (`plain_schema`): its references may point anywhere, also at what
    looks like a note.
    """
    try:
        declared: Json = _declared(item).to_json()
    except BadInput:
        declared = item.content["needs"]
    return digest(
        {
            "body": item.content["body"],
            "parameters": _enforced(item.content["parameters"]),
            "needs": declared,
        }
    )


def _enforced(schema: Json) -> Json:
    """A parameter schema as arguments are held to it; one that none can be held to, as it is."""
    try:
        return _bare(plain_schema(schema))
    except BadInput:
        return {"unusable": schema}  # kept apart from all that can be used


def _bare(schema: Json) -> Json:
    """A JSON schema whose references are written out, without its notes for readers."""
    if isinstance(schema, list):
        return [_bare(part) for part in schema]
    if not is_object(schema):
        return schema
    bare: dict[str, Json] = {}
    for key, value in schema.items():
        if key in _ANNOTATIONS:
            continue
        if key in _VALUES:
            bare[key] = value
        elif key in _NAMES and is_object(value):
            bare[key] = {name: _bare(part) for name, part in value.items()}
        else:
            bare[key] = _bare(value)
    parts = bare.get("allOf")
    # What is left of a reference with a note beside it: the same as without the note.
    return parts[0] if len(bare) == 1 and isinstance(parts, list) and len(parts) == 1 else bare


def needs_of(item: Item, tools: Mapping[str, Item] | None = None) -> Permissions:
    """The permissions that a tool needs.

    Code says so itself; a chain needs what its steps' tools need together, as far as they are
    there; native tools and tables run in this process by the user's word and need none.

    Args:
        item: A tool item.
        tools: The tools beside it, by name; only a chain needs them.

    Raises:
        BadInput: The declaration is no `Permissions`, or the chain is no chain.
    """
    return _together(_needs(item, tools or {}, frozenset()))


def _needs(item: Item, tools: Mapping[str, Item], inside: frozenset[str]) -> list[Permissions]:
    if body_kind(item) == "code":
        return [_declared(item)]
    name = str(item.content["name"])
    if body_kind(item) != "chain" or name in inside:
        return []
    steps = [tools[tool] for tool in Chain.from_json(item.content["body"]).tools if tool in tools]
    return [need for step in steps for need in _needs(step, tools, inside | {name})]


def _declared(item: Item) -> Permissions:
    """What an item says that its code needs.

    Raises:
        BadInput: It is no `Permissions`.
    """
    needs = item.content.get("needs", {})
    if not is_object(needs) or not isinstance(needs.get("level", ""), str):
        raise BadInput("'level' must be the name of one", where="permissions")
    return Permissions.from_json(needs)


def _together(needs: Iterable[Permissions]) -> Permissions:
    """What covers them all; where one needs any host, so do all together."""
    needs = list(needs)
    full = [need for need in needs if need.level is Level.FULL]
    anywhere = any(not need.hosts for need in full)
    return Permissions(
        level=max((need.level for need in needs), key=lambda at: at.rank, default=Level.SANDBOX),
        read=tuple(path for need in needs for path in need.read),
        write=tuple(path for need in needs for path in need.write),
        hosts=() if anywhere else tuple(host for need in full for host in need.hosts),
    )


def program_of(item: Item) -> Program:
    """The program of a code tool.

    Raises:
        BadInput: The body is no code.
    """
    body = item.content["body"]
    where = f"tool {item.id!r}"
    if not is_object(body) or body.get("kind") != "code":
        raise BadInput("its body is no code", where=where)
    source, function = body.get("source"), body.get("function")
    if not isinstance(source, str) or not isinstance(function, str):
        raise BadInput("code needs 'source' and 'function' as texts", where=where)
    return Program(source=source, function=function, imports=_imports(body, where))


def _imports(body: JsonObject, where: str) -> tuple[str, ...]:
    found = body.get("imports", [])
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise BadInput("'imports' must be a list of module names", where=where)
    return tuple(sorted({str(name) for name in found}))
