"""`Template`: what windows have in common, with a `Hole` for each parameter to be.

The records that `unify.py` fills, what a hole is called by where it stands, and when objects are so
alike that only their differing values become parameters.

Next file: `mine/snippets/unify.py`.
"""

import ast
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from strop.jsonvalue import Json, JsonObject, canonical, is_object
from strop.mine.snippets.names import Imported
from strop.mine.snippets.values import Missing
from strop.mine.snippets.windows import Window

__all__ = [
    "ABSENT",
    "OWN",
    "PARAM",
    "Absent",
    "Hole",
    "Template",
    "alike",
    "differing",
    "place_of",
]

PARAM, OWN = "param_", "own_"
"""What the names of holes and of own names begin with until they are named."""


class Absent:
    """A keyword argument that a window does not give."""


ABSENT = Absent()


@dataclass(slots=True, kw_only=True)
class Hole:
    """A parameter to be.

    Attributes:
        values: Its value in each window; `MISSING` where that is only known when it runs.
        hints: What agents called it, and how often; then where it stands.
        optional: Whether some windows leave it out (`ABSENT`).
        rest: Whether it holds all rarer keywords of a call.
    """

    values: list[Json | Missing | Absent]
    hints: Counter[str] = field(default_factory=Counter)
    place: str = "value"
    optional: bool = False
    rest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What windows have in common.

    Attributes:
        body: Statements in which holes are names ``param_0``, own names ``own_0``.
        holes: The parameters, numbered as in `body`.
        own: What the windows called each own name.
        imports: What the body needs, with the names that it uses for them.
        windows: The windows, in the order of each hole's values.
    """

    body: list[ast.stmt]
    holes: list[Hole]
    own: list[Counter[str]]
    imports: dict[str, Imported]
    windows: tuple[Window, ...]


def place_of(parent: ast.AST, name: str, index: int | None) -> str:
    """What a value is called by where it stands, for example ``replace 1``."""
    match parent:
        case ast.Call() if name == "args":
            func = parent.func
            called = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
            return f"{called} {index}"
        case ast.keyword():
            return parent.arg or "options"
        case ast.Slice():
            return {"lower": "start", "upper": "stop"}.get(name, name)
        case ast.Subscript() if name == "slice":
            return "index"
        case ast.Compare() if name == "left":
            return "wanted"
        case ast.Assign() if name == "value":
            target = parent.targets[0]
            return "new" if not isinstance(target, ast.Name) else target.id
        case _:
            return "value"


def alike(objects: Sequence[JsonObject]) -> bool:
    """Whether objects have the same keys in the same order, and so have objects in them."""
    order = list(objects[0])
    if not order or any(list(held) != order for held in objects):
        return False
    for key in order:
        inner = [value for held in objects if is_object(value := held[key])]
        if inner and (len(inner) < len(objects) or (any(inner) and not alike(inner))):
            return False
    return True


def differing(objects: Sequence[JsonObject]) -> int:
    """How many values in objects that are alike are not always the same."""
    count = 0
    for key in objects[0]:
        column = [held[key] for held in objects]
        inner = [value for value in column if is_object(value)]
        if len(inner) == len(column):
            count += differing(inner)
        else:
            count += len(set(map(canonical, column))) > 1
    return count
