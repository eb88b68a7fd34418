"""A tool as Python that people can read, for review and export: chains as straight code.

A rendered chain is for reading: it calls functions by the names of its tools, and a parameter
that is not given is `None` in it, where the real one leaves the argument out.

Next file: `tools/ladder.py`.
"""

import json
import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from strop.chain import Chain, ChainStep
from strop.errors import BadInput
from strop.expression import Expression
from strop.jsonvalue import Json, JsonObject, is_object
from strop.permission import Level
from strop.spec import Item
from strop.tools.identity import body_kind, needs_of, program_of

__all__ = ["render_tool"]

_WIDTH = 88
_TYPES = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
    "array": "list",
    "object": "dict",
}


def render_tool(item: Item, tools: Mapping[str, Item] | None = None) -> str:
    """A tool as Python text, ending in a newline.

    Args:
        item: A tool item; one that is damaged is rendered as its JSON with the reason.
        tools: The tools beside it by name, for what a chain needs through them.
    """
    try:
        head = _head(item, tools or {})
        match body_kind(item):
            case "code":
                return f"{head}{_code(item)}\n"
            case "chain":
                return f"{head}{_chain(item, Chain.from_json(item.content['body']))}\n"
            case "native":
                target = cast("JsonObject", item.content["body"]).get("target")
                return f"{head}{_signature(item)}\n    return ...  # {target}\n"
    except BadInput as error:
        head = f"# cannot be used: {error}\n"
    else:
        head = f"# {item.content['name']}: {item.content['description']}\n"
    body = json.dumps(item.content["body"], indent=2, ensure_ascii=False, sort_keys=True)
    return head + "\n".join(f"# {line}" for line in body.split("\n")) + "\n"


def _head(item: Item, tools: Mapping[str, Item]) -> str:
    """What it needs, as a comment; nothing where that is nothing."""
    needs = needs_of(item, tools)
    parts = [f"level {needs.level.value!r}"] if needs.level is not Level.SANDBOX else []
    for label, names in (("reads", needs.read), ("writes", needs.write), ("hosts", needs.hosts)):
        if names:
            parts.append(f"{label} {', '.join(names)}")
    return f"# needs {'; '.join(parts)}\n" if parts else ""


def _code(item: Item) -> str:
    """Source as it is; where the tool has another name than its function, that is said."""
    program = program_of(item)
    name = str(item.content["name"])
    called = "" if name == program.function else f"# tool {name!r} calls {program.function!r}\n"
    return called + program.source.strip("\n")


def _signature(item: Item) -> str:
    """``def name(...):`` with the description as its docstring."""
    schema = item.content["parameters"]
    properties = schema.get("properties", {}) if is_object(schema) else {}
    required = schema.get("required") if is_object(schema) else None
    required = required if isinstance(required, list) else []
    properties = properties if is_object(properties) else {}
    # Those with a default come last, as Python wants it.
    order = sorted(properties, key=lambda name: name not in required)
    parts = [_parameter(name, properties[name], name in required) for name in order]
    opened = f"def {_name(str(item.content['name']))}("
    text = f"{opened}{', '.join(parts)}):"
    if len(text) > _WIDTH:
        text = "\n".join([opened, *(f"    {part}," for part in parts), "):"])
    description = str(item.content["description"]).strip().replace("\\", "\\\\")
    quoted = description.replace('"""', "'''").replace("\n", "\n    ")
    return f'{text}\n    """{quoted}{" " if quoted.endswith(chr(34)) else ""}"""'


def _parameter(name: str, schema: Json, required: bool) -> str:  # noqa: FBT001 - one of two forms
    kind = schema.get("type") if is_object(schema) else None
    hint = _TYPES.get(kind, "object") if isinstance(kind, str) else "object"
    name = _name(name)
    if required:
        return f"{name}: {hint}"
    default = schema.get("default") if is_object(schema) else None
    hint = hint if default is not None else f"{hint} | None"
    return f"{name}: {hint} = {_literal(default)}"


def _chain(item: Item, chain: Chain) -> str:
    """A chain as straight code."""
    names = _variables(item, chain)
    lines = [_signature(item)]
    for name, step in zip(names, chain.steps, strict=True):
        lines += _step(name, step, names)
    if chain.returns == "all":
        pairs = zip(chain.names, names, strict=True)
        given = [f"{_literal(key)}: {name}" for key, name in pairs]
        lines += _wrapped("    return {", given, "}")
    else:
        lines.append(f"    return {names[-1]}")
    return "\n".join(lines)


def _variables(item: Item, chain: Chain) -> list[str]:
    """A name for each step's result that is neither a tool's nor a parameter's."""
    others = (*chain.tools, *chain.params, str(item.content["name"]), "item", "str")
    taken = set(map(_name, others))
    names: list[str] = []
    for each in chain.names:
        name = f"{_name(each)}_result"
        while name in taken:
            name += "_"
        taken.add(name)
        names.append(name)
    return names


def _step(name: str, step: ChainStep, names: Sequence[str]) -> Iterator[str]:
    given = [_argument(key, value, names) for key, value in step.args.items()]
    if step.each is None:
        yield from _wrapped(f"    {name} = {_name(step.tool)}(", given, ")")
        return
    yield f"    {name} = []"
    yield f"    for item in {_expression(step.each, names)}:"
    yield from _wrapped(f"        {name}.append({_name(step.tool)}(", given, "))")


def _argument(key: str, value: Expression, names: Sequence[str]) -> str:
    text = _expression(value, names)
    return f"{key}={text}" if _name(key) == key else f"**{{{_literal(key)}: {text}}}"


def _wrapped(opened: str, parts: Sequence[str], closed: str) -> list[str]:
    """Parts in brackets: on one line where they fit, else one on each."""
    line = f"{opened}{', '.join(parts)}{closed}"
    if len(line) <= _WIDTH:
        return [line]
    indent = " " * (len(opened) - len(opened.lstrip()))
    return [opened, *(f"{indent}    {part}," for part in parts), f"{indent}{closed}"]


def _expression(expression: Expression, names: Sequence[str]) -> str:
    match expression:
        case {"const": value}:
            return _literal(value)
        case {"param": str(name)}:
            return _name(name) + _path(expression.get("path"))
        case {"step": int(number)}:
            return names[number] + _path(expression.get("path"))
        case {"item": list(path)}:
            return f"item{_path(path)}"
        case {"text": list(parts)}:
            return " + ".join(_part(part, names) for part in parts) or "''"
        case {"object": dict(fields)}:
            inner = (f"{_literal(k)}: {_expression(e, names)}" for k, e in fields.items())
            return "{" + ", ".join(inner) + "}"
        case {"list": list(values)}:
            return "[" + ", ".join(_expression(e, names) for e in values) + "]"
    raise BadInput("an expression of no known form", where="chain")  # `Chain` refuses them


def _part(part: Json, names: Sequence[str]) -> str:
    if isinstance(part, str):
        return _literal(part)
    return f"str({_expression(cast('Expression', part), names)})"


def _name(text: str) -> str:
    """A name as Python takes it: ``get-weather`` as ``get_weather``, ``class`` as ``class_``."""
    name = re.sub(r"\W", "_", text) or "_"
    if name[0].isdigit():
        name = f"_{name}"
    return f"{name}_" if keyword.iskeyword(name) else name


def _path(path: Json) -> str:
    steps = path if isinstance(path, list) else []
    return "".join(f"[{_literal(step)}]" for step in steps)


def _literal(value: Json) -> str:
    """A JSON value as Python writes it, with double quotes where that is as good."""
    if isinstance(value, str) and not set(value) & set("\"'\\") and value.isprintable():
        return f'"{value}"'
    return repr(value)
