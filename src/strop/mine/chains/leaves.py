"""Where values stand: the leaves of arguments, and the places of given values in a result.

Only values that say something are looked for (`is_telling`): ids, names, dates; a 2 or a "no" is
found everywhere. A result is searched as text first, which costs a hundredth of walking it.

Next file: `mine/chains/links.py`.
"""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeAlias

from strop.expression import read_json
from strop.jsonvalue import Json, JsonObject

__all__ = [
    "Path",
    "Places",
    "is_telling",
    "leaves",
    "length",
    "places",
    "quoted",
    "searchable",
    "tokens",
]

Path: TypeAlias = tuple[str | int, ...]
Places: TypeAlias = dict[str | int | float, list[Path]]

_LEAVES = 80  # of one call's arguments
_DEEP = 6
_NODES = 20_000  # objects and lists of one result that are walked
_TEXT = 200_000  # characters of a result that is looked into
_LONG = 20_000  # characters of an argument that is looked for
_EACH = 8  # places of one value in one result that are kept, the plainest first
_TOKEN = re.compile(r"[^\W_][\w.\-]*[^\W_]")
_TOKENS = 6
_TEMPLATE = 200  # characters of an argument that is taken apart
_DATA_KEY = re.compile(r"\d{3}")


def is_telling(value: Json) -> bool:
    """Whether a value that stands in two places is likely to come from one to the other."""
    kind = type(value)
    if kind is str:
        return 3 <= len(value) <= _LONG  # type: ignore[arg-type]
    return kind is float or (kind is int and abs(value) >= 100)  # type: ignore[arg-type]


def leaves(args: JsonObject) -> Iterator[tuple[Path, Json]]:
    """The scalars in a call's arguments, and their objects and lists as a whole, with paths."""
    left = _LEAVES
    stack: list[tuple[Path, Json]] = [((name,), value) for name, value in reversed([*args.items()])]
    while stack and left:
        path, value = stack.pop()
        yield path, value
        left -= 1
        if len(path) >= _DEEP:
            continue
        if isinstance(value, dict):
            stack += [((*path, name), part) for name, part in reversed(value.items())]
        elif isinstance(value, list):
            stack += [((*path, at), part) for at, part in reversed([*enumerate(value)])]


def searchable(result: Json) -> str | None:
    """A result as text to look for values in; `None` where there is nothing to find."""
    if result is None or isinstance(result, bool):
        return None
    try:
        text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return None
    if not text or len(text) > _TEXT:
        return None
    # JSON inside of JSON, as wrappers of tools return it, has its quotes escaped.
    return text + text.replace('\\"', '"') if '\\"' in text else text


def quoted(value: str | float) -> tuple[str, ...]:
    """How a value reads in JSON text; more than one way for what may be escaped."""
    if not isinstance(value, str):
        return (repr(value),)
    if value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return ('"' + value + '"',)
    return (json.dumps(value), json.dumps(value, ensure_ascii=False))


def tokens(text: str) -> list[tuple[int, int]]:
    """Where the words with digits in a short text begin and end: what ids look like."""
    if len(text) > _TEMPLATE:
        return []
    found = []
    for match in _TOKEN.finditer(text):
        word = match.group()
        if len(word) >= 3 and any(map(str.isdigit, word)):
            found.append(match.span())
    return found[:_TOKENS]


def places(
    result: Json, wanted: Collection[str | int | float], boxes: Sequence[Json] = ()
) -> tuple[Json, Places, dict[int, list[Path]]]:
    """Where values stand in a result, the plainest paths first.

    Args:
        result: A value, or the text of one.
        wanted: Texts and numbers.
        boxes: Objects and lists that are looked for as a whole.

    Returns:
        The result as read; paths by value, and paths by the position of a box; at most 8 each.
        Paths through keys that are data (ids) are left out: they never recur.
    """
    root = read_json(result)
    found: Places = {}
    whole: dict[int, list[Path]] = {}
    if not isinstance(root, dict | list):
        if type(root) in _SCALARS and root in wanted:
            found[root] = [()]  # type: ignore[index]
        return root, found, whole
    # Breadth first and in order: what is found first has the plainest path.
    queue: list[tuple[Any, Path]] = [(root, ())]
    for node, path in queue:
        _note_boxes(whole, boxes, node, path)
        parts = node.items() if isinstance(node, dict) else enumerate(node)
        for key, part in parts:
            kind = type(part)
            if kind in _SCALARS:
                if part in wanted and not _is_data(key, part):
                    _note(found, part, (*path, key))
                if kind is not str or part[:1] not in _OPENING:
                    continue
            inner = _container(part)
            if inner is not None and len(queue) < _NODES and not _is_data(key, None):
                queue.append((inner, (*path, key)))
    return root, found, whole


def _note_boxes(
    whole: dict[int, list[Path]], boxes: Sequence[Json], node: object, path: Path
) -> None:
    for number, box in enumerate(boxes):
        if type(node) is type(box) and node == box:
            _note(whole, number, path)


def _note(found: dict[Any, list[Path]], value: object, path: Path) -> None:
    at = found.get(value)
    if at is None:
        found[value] = [path]
    elif len(at) < _EACH:
        at.append(path)


def _container(part: Json) -> Json:
    """An object or list, also one that is written as text; `None` for anything else."""
    inner = read_json(part)
    return inner if isinstance(inner, dict | list) else None


def length(root: Json, path: Path) -> int:
    """The number of items of the list at a path in a result that was read."""
    value = root
    for step in path:
        value = read_json(value[step])  # type: ignore[index]
    value = read_json(value)
    return len(value) if isinstance(value, list) else 0


_SCALARS = frozenset((str, int, float))
_OPENING = frozenset("{[")


def _is_data(key: str | int, part: Json) -> bool:
    return type(key) is str and (key == part or _DATA_KEY.search(key) is not None)
