"""What a caller sees of a mined tool: its parameters' schemas and defaults, and its description.

From the values that agents gave; the code itself is written in `writing.py`.

Next file: `mine/snippets/writing.py`.
"""

import ast
from collections import Counter
from collections.abc import Sequence

from strop.jsonvalue import Json, canonical
from strop.mine.snippets.templates import Absent, Hole
from strop.mine.snippets.values import Missing

__all__ = ["args_of", "default_of", "description_of", "schema_of"]

_SAME = 0.95
"""Share of the values that must be equal for one to be the default."""
_EXAMPLE = 60  # characters of an example in a description
_TYPES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}


def default_of(hole: Hole) -> Json | Missing:
    """The value that nearly all agents gave; `Missing` where they did not."""
    if hole.optional:
        return None
    known = [v for v in hole.values if not isinstance(v, Missing | Absent)]
    texts = Counter(canonical(value) for value in known)
    text, count = max(texts.items(), key=lambda pair: (pair[1], pair[0]), default=("", 0))
    if count < _SAME * len(hole.values):
        return Missing()
    return next(value for value in known if canonical(value) == text)


def schema_of(hole: Hole, default: Json | Missing) -> dict[str, Json]:
    """The JSON schema of a parameter, with examples."""
    known = [v for v in hole.values if not isinstance(v, Missing | Absent)]
    types = sorted({_TYPES[value.__class__] for value in known})
    if hole.optional:
        types = sorted({*types, "null"})
    if "number" in types and "integer" in types:
        types.remove("integer")
    out: dict[str, Json] = {"type": types[0] if len(types) == 1 else list(types)} if types else {}
    items = sorted({_TYPES[i.__class__] for v in known if isinstance(v, list) for i in v})
    if len(items) == 1:
        out["items"] = {"type": items[0]}
    texts = Counter(canonical(value) for value in known)
    examples = sorted(texts, key=lambda text: (-texts[text], len(text), text))[:3]
    said = ", ".join(e if len(e) <= _EXAMPLE else e[:_EXAMPLE] + "..." for e in examples)
    out["description"] = (
        "Further keyword arguments; for example " if hole.rest else "For example "
    ) + said
    if not isinstance(default, Missing):
        out["default"] = default
    return out


def args_of(holes: Sequence[Hole], names: Sequence[str], row: int) -> dict[str, Json] | None:
    """The arguments of one window, by number; `None` where one is only known when it runs."""
    args: dict[str, Json] = {}
    for hole, name in zip(holes, names, strict=True):
        value = hole.values[row]
        if isinstance(value, Missing):
            return None
        if not isinstance(value, Absent):
            args[name] = value
    return args


def description_of(
    name: str,
    calls: Sequence[str],
    gives: Sequence[str],
    *,
    prints: bool,
    value: ast.expr | None,
) -> str:
    """What the tool does, for the model.

    Args:
        name: What it is called.
        calls: What it calls, in order.
        gives: Names of what it returns.
        prints: Whether it returns what it printed.
        value: The expression whose value that is, where it is not text.
    """
    words = name.replace("_", " ")
    steps = list(dict.fromkeys(call.replace(":", ".").lstrip(".") for call in calls))
    steps = [step.replace("slice_store", "lines[start:stop] = ...") for step in steps]
    if value is not None:
        steps.remove("print")
    text = f"{words[:1].upper()}{words[1:]}: {', '.join(steps[:8])}."
    if gives:
        return f"{text} Returns {', '.join(gives)}."
    said = "" if value is None else ast.unparse(ast.fix_missing_locations(value))
    if said and len(said) <= _EXAMPLE:
        return f"{text} Returns {said}."
    return f"{text} Returns what it printed." if prints else text
