"""Edits as sentences: what an agent can act on, in plain words.

Whatever a sentence quotes is a short name or value, or a masked template on one line, in backticks;
`tellable` says whether an edit can be told so. Counts are `repair_claims.py`'s business.

Next file: `mine/failures/claims.py`.
"""

import json
import re

from strop.mine.calls import CODE
from strop.mine.failures.diff import Edit
from strop.mine.failures.trust import quotable, safe_text

__all__ = ["error_of_template", "listed", "names_of", "said", "tellable", "tool_name"]

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


def tellable(edit: Edit) -> bool:
    """Whether all that a lesson would quote of an edit is a short name or value."""
    if edit.path and quotable(edit.path) is None:
        return False
    match edit.kind:
        case "token" | "swapped" | "inserted" | "dropped":
            # Where both are words; a changed comma or number teaches nothing.
            sides = [side for side in (edit.old, edit.new) if side]
            return all(quotable(s) and re.search(r"[^\W\d]{2}", s) for s in sides)
        case "changed":
            return _value(edit.old) is not None and _value(edit.new) is not None
        case "set":
            return _value(edit.new) is not None
        case "added":
            return not edit.new or _value(edit.new) is not None
        case "renamed" | "shape" | "retyped":
            return quotable(edit.old) is not None and quotable(edit.new) is not None
        case "unlike":
            return quotable(edit.old) is not None
        case "from" | "other" | "further" | "field" | "another":
            tool, _, path = edit.new.partition(": ")
            return (not tool or quotable(tool) is not None) and (
                not path or quotable(path) is not None
            )
        case _:
            return True


def said(  # noqa: PLR0912, C901 - a sentence per kind
    tool: str, edit: Edit, error: str, instances: tuple[str, ...]
) -> str:
    """The lesson of an edit, one sentence."""
    fails = f"otherwise it fails with {error}" if error else "otherwise it fails"
    when = f"When `{tool}` fails with {error}" if error else f"When `{tool}` fails"
    path = edit.path
    match edit.kind:
        case "renamed":
            return f"`{tool}` takes `{edit.new}`, not `{edit.old}`: {fails}."
        case "token":
            which = f"which fails with {error}" if error else "which fails"
            return f"In `{tool}`, write `{edit.new}`, not `{edit.old}`, {which}."
        case "swapped":
            return f"In `{tool}`, write `{edit.new}`, not `{edit.old}`: {fails}."
        case "inserted":
            return f"{when}, put in `{edit.new}`."
        case "dropped":
            return f"{when}, leave out `{edit.old}`."
        case "changed":
            old, new = _value(edit.old), _value(edit.new)
            return f"Give `{tool}` `{path}` {new}, not {old}: {fails}."
        case "set":
            return f"{when}, set `{path}` to {_value(edit.new)}."
        case "sum":
            which = _ORDINALS[int(edit.new)]
            return (
                f"The `{path}` of `{tool}` must add up to the total that the tool reckons with, "
                f"the {which} number in {error or 'its error'}; after this error, correct the "
                "amounts so that they sum to it and call again."
            )
        case "retyped":
            return f"Give `{tool}` `{path}` as {_type(edit.new)}, not {_type(edit.old)}: {fails}."
        case "shape":
            return f"{when}, give a `{path}` like `{edit.new}` in place of one like `{edit.old}`."
        case "unlike":
            such = f", such as {listed(instances)}" if instances else ""
            return f"Give `{tool}` no `{path}` like `{edit.old}` but another kind{such}: {fails}."
        case "field" | "another":
            which = "another" if edit.kind == "another" else "a"
            where = f" (of {listed(instances)})" if instances else ""
            name = edit.new[2:]
            return f"{when}, give {which} `{path}` that earlier results{where} name as `{name}`."
        case "from":
            return (
                f"Take the `{path}` of `{tool}` from {_source(edit.new)}; a value from elsewhere "
                f"fails with {error or 'an error'}."
            )
        case "further":
            return f"{when}, add one more `{path}`, from {_source(edit.new)}."
        case "other":
            return f"{when}, try another `{path}` from {_source(edit.new)}."
        case "added":
            value = f" ({_value(edit.new)})" if edit.new else ""
            return f"Give `{tool}` also `{path}`{value}: {fails}."
        case "removed":
            return f"Call `{tool}` without `{path}`: {fails}."
        case "longer":
            return f"{when}, give more values of `{path}`."
        case _:
            return f"{when}, give fewer values of `{path}`."


def error_of_template(template: str, name: str = "") -> str:
    """A failure as it is quoted: its template in backticks, with the name where that is known."""
    text = safe_text(template)
    if name:
        text = text.replace("<name>", name, 1)
    return f"`{text}`" if text else ""


def tool_name(tool: str) -> str:
    return "code" if tool == CODE else quotable(tool) or "the tool"


def names_of(edit: Edit) -> list[str]:
    out = [edit.path.rpartition(".")[2].strip("[]")]
    if edit.kind in {"renamed", "token", "swapped"}:
        out += [edit.old, edit.new]
    if edit.kind in {"from", "other", "further"}:
        out.append(edit.new.partition(":")[0])
    return [name for name in out if name]


def _value(text: str) -> str | None:
    """A value, given as JSON, as it is quoted."""
    try:
        value = quotable(json.loads(text))
    except ValueError:
        return None
    return None if value is None else f"`{value}`"


def _source(source: str) -> str:
    tool, _, path = source.partition(": ")
    if not tool:
        return f"the `{path}` of earlier results"
    return f"`{path}` in a result of `{tool}`" if path else f"a result of `{tool}`"


def _type(name: str) -> str:
    return {
        "str": "text",
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "NoneType": "null",
    }.get(name, name)


def listed(names: tuple[str, ...]) -> str:
    return " or ".join(f"`{name}`" for name in names)
