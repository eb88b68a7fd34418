"""Expressions: where one argument of a chain's call comes from, as data.

An expression is a JSON object of one of these forms:

    {"const": value}                    the value itself
    {"param": name, "path": [...]}      a parameter of the chain, or what is in it at the path
    {"step": number, "path": [...]}     the result of an earlier step, numbered from 0
    {"item": [...]}                     in a step with `each`: the item of the list, at the path
    {"text": ["Order ", expr, ...]}     texts and values joined into one text
    {"object": {name: expr, ...}}       an object of expressions
    {"list": [expr, ...]}               a list of expressions

A path is a list of keys and positions (-1 is the last). A result that is the text of a JSON object
or list, as tools often return, is read before a path goes into it. Evaluation only: it calls
nothing.

Next file: `chain.py`.
"""

import json
from collections.abc import Iterator, Sequence
from typing import TypeAlias, cast

from strop.errors import BadInput
from strop.jsonvalue import Json, JsonObject, as_text, checked, is_object

__all__ = ["Expression", "PathMissing", "check", "evaluate", "params_of", "read_json"]

Expression: TypeAlias = JsonObject

_FORMS = ("const", "param", "step", "item", "text", "object", "list")


class PathMissing(LookupError):
    """A path leads nowhere in the value that it was meant for; the message says where it ended."""


def evaluate(
    expression: Expression, params: JsonObject, results: Sequence[Json], *, item: Json = None
) -> Json:
    """The value of an expression.

    Args:
        expression: Of one of the forms in this module's description.
        params: The chain's arguments.
        results: Results of the steps before.
        item: The item of the list, in a step with `each`.

    Raises:
        PathMissing: A path leads nowhere, or a parameter was not given.
    """
    match expression:
        case {"const": value}:
            return value
        case {"param": str(name)}:
            if name not in params:
                raise PathMissing(f"parameter {name!r} was not given")
            return _at(params[name], expression.get("path"), where=name)
        case {"step": int(number)}:
            if number >= len(results):
                raise PathMissing(f"step {number} has no result")
            return _at(results[number], expression.get("path"), where=f"step {number}")
        case {"item": list(path)}:
            return _at(item, path, where="item")
        case {"text": list(parts)}:
            return "".join(
                part
                if isinstance(part, str)
                else as_text(evaluate(cast("Expression", part), params, results, item=item))
                for part in parts
            )
        case {"object": dict(fields)}:
            return {n: evaluate(e, params, results, item=item) for n, e in fields.items()}
        case {"list": list(values)}:
            return [evaluate(e, params, results, item=item) for e in values]
    raise PathMissing(f"an expression is one of {', '.join(_FORMS)}")


def read_json(value: Json) -> Json:
    """A result that is the text of a JSON object or list, read; anything else as it is."""
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return cast("Json", json.loads(value))
    except (ValueError, RecursionError):
        return value


def _at(value: Json, path: Json, *, where: str) -> Json:
    """What stands in a value at a path.

    Raises:
        PathMissing: Nothing does.
    """
    for step in cast("Sequence[Json]", path or ()):
        value = read_json(value)
        if is_object(value) and isinstance(step, str) and step in value:
            value = value[step]
            continue
        if not isinstance(value, list) or not isinstance(step, int):
            raise PathMissing(f"{where} has no {step!r}: it is {kind_of(value)} there")
        if not -len(value) <= step < len(value):
            raise PathMissing(f"{where} has no {step!r}: it is {kind_of(value)} there")
        value = value[step]
    return value


def kind_of(value: Json) -> str:
    """What a value is, in words for a message."""
    if is_object(value):
        return "an object without it" if value else "an empty object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "nothing" if value is None else f"a {type(value).__name__}"


def check(  # noqa: C901 - a case per form
    expression: object, *, before: int, item: bool, where: str
) -> None:
    """Refuse what is no expression, or reads what is not there yet.

    Args:
        expression: The expression.
        before: Number of the step it stands in: it may read those before.
        item: Whether the step goes through a list.
        where: What messages begin with.

    Raises:
        BadInput: It is none, or reads what it cannot.
    """
    if not is_object(expression) or sum(form in expression for form in _FORMS) != 1:
        raise BadInput(f"an expression is one of {', '.join(_FORMS)}", where=where)
    path = expression.get("item", expression.get("path", []))
    if not isinstance(path, list) or any(
        isinstance(p, bool) or not isinstance(p, str | int) for p in path
    ):
        raise BadInput("a path is a list of keys and positions", where=where)
    match expression:
        case {"const": value}:
            checked(value, where=where)
        case {"param": str()}:
            return
        case {"step": int(number)} if not isinstance(number, bool):
            if not 0 <= number < before:
                raise BadInput(f"step {number} is not before this one", where=where)
        case {"item": list()}:
            if not item:
                raise BadInput("'item' needs a step with 'each'", where=where)
        case {"text": list()} | {"list": list()} | {"object": dict()}:
            for part in _parts(expression):
                check(part, before=before, item=item, where=where)
        case _:
            raise BadInput("the expression does not hold what its form needs", where=where)


def params_of(expression: Expression) -> Iterator[str]:
    """The parameters that an expression reads, in order; some perhaps more than once."""
    if isinstance(expression.get("param"), str):
        yield str(expression["param"])
    for part in _parts(expression):
        if is_object(part):
            yield from params_of(part)


def _parts(expression: Expression) -> Iterator[object]:
    """The expressions in an expression; in a text, the texts between them are left out."""
    match expression:
        case {"text": list(parts)}:
            yield from (part for part in parts if not isinstance(part, str))
        case {"list": list(parts)}:
            yield from parts
        case {"object": dict(fields)}:
            yield from fields.values()
