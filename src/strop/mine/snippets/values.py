r"""Literal values in a syntax tree: which nodes hold one, and what it is as JSON.

A literal here is also what follows from literals alone without running anything: sums, f-strings,
``"...".splitlines()``, ``[line + "\n" for line in [...]]``. Agents write the same text in all of
these ways. Only what survives a trip through JSON counts, since a tool's argument has to: a tuple,
a set, bytes or a dictionary with other keys than texts is no literal, and stays in the code.

Next file: `mine/snippets/names.py`.
"""

import ast
import math
from collections.abc import Callable, Mapping
from typing import cast

from strop.jsonvalue import Json

__all__ = ["MISSING", "Missing", "kind_of", "literal", "node_of"]

_LONGEST = 200_000  # characters of a text, or items of a list, that a sum may make
_DEEPEST = 12
_FIXED = {"strip", "lstrip", "rstrip", "splitlines", "split", "lower", "upper", "replace", "join"}


class Missing:
    """What stands for the value of a node that holds none."""


MISSING = Missing()
_Env = Mapping[str, Json]
_NOTHING: _Env = {}


def kind_of(node: ast.AST) -> str | None:
    """What sort of literal a node is: ``s`` text, ``n`` number, ``b`` bool, ``z`` null, ``l`` list,
    ``d`` object; `None` where it is none.
    """
    if node.__class__ is ast.Constant:  # most are
        plain = _constant(node.value)
        return None if isinstance(plain, Missing) else _KINDS[plain.__class__]
    if node.__class__ not in _CASES:
        return None
    value = literal(node)
    return None if isinstance(value, Missing) else _KINDS[value.__class__]


_KINDS: dict[type, str] = {
    str: "s",
    int: "n",
    float: "n",
    bool: "b",
    type(None): "z",
    list: "l",
    dict: "d",
}


def literal(node: ast.AST, env: _Env = _NOTHING, depth: int = _DEEPEST) -> Json | Missing:
    """The value of a node, or `MISSING`.

    Args:
        node: An expression.
        env: Values of names, inside a comprehension.
        depth: Levels to go down at most, so that going up a deep sum does not take square time.
    """
    case = _CASES.get(node.__class__)
    if case is None or depth <= 0:
        return MISSING
    try:
        return case(node, env, depth - 1)
    except (TypeError, ValueError, OverflowError):  # 1 + "a": it would have failed
        return MISSING


def node_of(value: Json) -> ast.expr:
    """The literal that writes a JSON value."""
    if isinstance(value, list | tuple):
        return ast.List(elts=[node_of(item) for item in value], ctx=ast.Load())
    if isinstance(value, Mapping):
        return ast.Dict(
            keys=[ast.Constant(value=key) for key in value],
            values=[node_of(item) for item in value.values()],
        )
    return ast.Constant(value=cast("str | int | float | None", value))


def _constant(value: object) -> Json | Missing:
    cls = value.__class__
    if cls is str or cls is bool or value is None:
        return cast("Json", value)
    if cls is int:
        return cast("int", value) if cast("int", value).bit_length() < 1_000 else MISSING
    return cast("float", value) if cls is float and math.isfinite(cast("float", value)) else MISSING


def _of_constant(node: ast.Constant, _env: _Env, _depth: int) -> Json | Missing:
    return _constant(node.value)


def _of_name(node: ast.Name, env: _Env, _depth: int) -> Json | Missing:
    return env.get(node.id, MISSING) if env else MISSING


def _of_list(node: ast.List, env: _Env, depth: int) -> Json | Missing:
    items: list[Json] = []
    for item in node.elts:
        value = literal(item, env, depth)
        if isinstance(value, Missing):
            return MISSING
        items.append(value)
    return items


def _of_dict(node: ast.Dict, env: _Env, depth: int) -> Json | Missing:
    pairs: dict[str, Json] = {}
    for key, item in zip(node.keys, node.values, strict=True):
        name = MISSING if key is None else literal(key, env, depth)
        value = literal(item, env, depth) if isinstance(name, str) else MISSING
        if isinstance(value, Missing) or not isinstance(name, str):
            return MISSING
        pairs[name] = value
    return pairs


def _of_negative(node: ast.UnaryOp, env: _Env, depth: int) -> Json | Missing:
    value = literal(node.operand, env, depth) if isinstance(node.op, ast.USub) else MISSING
    if isinstance(value, bool) or not isinstance(value, int | float):
        return MISSING
    return -value


def _of_sum(node: ast.BinOp, env: _Env, depth: int) -> Json | Missing:
    if not isinstance(node.op, ast.Add | ast.Sub | ast.Mult):
        return MISSING
    one = literal(node.left, env, depth)
    two = MISSING if isinstance(one, Missing) else literal(node.right, env, depth)
    if isinstance(one, bool | Missing) or isinstance(two, bool | Missing):
        return MISSING
    if isinstance(node.op, ast.Add):
        if isinstance(one, str | list) and len(one) + len(cast("str", two)) > _LONGEST:
            return MISSING
        return _constant_or_list(one + two)  # type: ignore[operator]
    if isinstance(node.op, ast.Sub):
        return _constant_or_list(one - two)  # type: ignore[operator]
    if isinstance(one, str) and isinstance(two, int) and len(one) * two <= 10_000:
        return one * two
    return MISSING


def _constant_or_list(value: object) -> Json | Missing:
    return cast("Json", value) if isinstance(value, list) else _constant(value)


def _of_format(node: ast.JoinedStr, env: _Env, depth: int) -> Json | Missing:
    texts = []
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            if part.conversion != -1 or part.format_spec is not None:
                return MISSING
            part = part.value  # noqa: PLW2901 - what stands in the braces
        value = literal(part, env, depth)
        if isinstance(value, bool) or not isinstance(value, str | int):
            return MISSING
        texts.append(str(value))
    return "".join(texts)


def _of_call(node: ast.Call, env: _Env, depth: int) -> Json | Missing:
    """A method of a text, of those that depend on nothing else."""
    func = node.func
    if not isinstance(func, ast.Attribute) or func.attr not in _FIXED:
        return MISSING
    owner = literal(func.value, env, depth)
    if not isinstance(owner, str):
        return MISSING
    args = [literal(arg, env, depth) for arg in node.args]
    named = {str(k.arg): literal(k.value, env, depth) for k in node.keywords}
    if any(isinstance(value, Missing) for value in (*args, *named.values())) or None in named:
        return MISSING
    if func.attr == "replace" and len(owner) * max((len(str(a)) for a in args), default=0) > 10**7:
        return MISSING
    return cast("Json", getattr(owner, func.attr)(*args, **named))


def _of_each(node: ast.ListComp, env: _Env, depth: int) -> Json | Missing:
    loop = node.generators[0]
    if len(node.generators) != 1 or loop.ifs or not isinstance(loop.target, ast.Name):
        return MISSING
    items = literal(loop.iter, env, depth)
    if not isinstance(items, list) or len(items) > _LONGEST // 10:
        return MISSING
    made: list[Json] = []
    for item in items:
        value = literal(node.elt, {**env, loop.target.id: item}, depth)
        if isinstance(value, Missing):
            return MISSING
        made.append(value)
    return made


_CASES: dict[type[ast.AST], Callable[..., Json | Missing]] = {
    ast.Constant: _of_constant,
    ast.Name: _of_name,
    ast.List: _of_list,
    ast.Dict: _of_dict,
    ast.UnaryOp: _of_negative,
    ast.BinOp: _of_sum,
    ast.JoinedStr: _of_format,
    ast.Call: _of_call,
    ast.ListComp: _of_each,
}
