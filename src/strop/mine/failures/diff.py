"""What changed between a call that failed and one that succeeded, as small, comparable edits.

An `Edit` says one thing that changed in several degrees of generality: the very values, the values'
shapes, where the new value came from. Which degree recurs over tasks is decided in `repairs.py`.

Next file: `mine/failures/next_steps.py`.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import islice
from typing import NamedTuple, cast

from strop.jsonvalue import Json, is_object
from strop.mine.calls import Call
from strop.mine.failures.trust import Sources, leaves, structured

__all__ = ["COMMANDS", "LOOSE", "Edit", "Flat", "args_of", "edits", "related", "shape", "words_of"]

_LEAVES = 400
_TOKENS = 500  # of a text argument
_MIDDLE = 120  # tokens between the first and last that differ: difflib can take cubic time in them
_REGIONS, _WIDE = 6, 6  # replaced stretches of a text, and tokens in one
_TEXT = 3  # words from which an argument is a text and not a value
_TOKEN = re.compile(r"\w+|[^\w\s]")
_NUMBER = re.compile(r"(?<![\w.-])\d+(?:\.\d+)?")
COMMANDS = ("command", "cmd", "bash", "script", "query", "sql", "statement", "code", "source")
"""Arguments that hold a command, a query or code."""
LOOSE = frozenset({"swapped", "inserted", "dropped"})
"""Kinds of edits of a text that the error does not speak of: they are often incidental."""
_TEXTS = {"", *COMMANDS}
_ALIKE = 0.5
_CENT = 0.005

Flat = dict[str, list[Json]]


class Edit(NamedTuple):
    """One thing that changed.

    Attributes:
        kind: ``renamed``, ``added``, ``removed`` and ``retyped`` are about an argument;
            ``changed`` (one value for another), ``set`` (to one value), ``shape`` and ``unlike``
            (the value's looks), ``longer`` and ``shorter`` (a list), ``sum`` (numbers add up to
            one that the error names) are about its values; ``from`` and ``other`` (a field of one
            tool's results, where the old value was not from, or was), ``field`` and ``another``
            (the same, of any tool's), ``further`` (values put beside the old ones) say where a
            value came from; ``token`` (words that the error names), ``swapped`` (other words),
            ``inserted`` and ``dropped`` are about a text. ``differs`` only says where.
        path: The argument, list indices as ``[]``.
        old: What it was, or what was gone; by kind.
        new: What it became, or where it came from; by kind.
    """

    kind: str
    path: str
    old: str = ""
    new: str = ""

    @property
    def root(self) -> str:
        """The top-level argument."""
        return re.split(r"[.\[]", self.path, maxsplit=1)[0]


def args_of(call: Call) -> Flat:
    """A call's arguments as values by path; text that holds a JSON object is read as one."""
    args = call.args
    if isinstance(args, str):
        read = structured(args)
        args = read if is_object(read) else {"": args}
    flat: Flat = {}
    for path, value in islice(leaves(args), _LEAVES):
        flat.setdefault(path, []).append(value)
    return flat


def words_of(flat: Flat) -> Counter[str]:
    """What `related` compares of a call: arguments with their values, a text's words."""
    return Counter(_atoms(flat))


def related(old: Flat, new: Flat, before: Counter[str], after: Counter[str]) -> bool:
    """Whether two calls try the same thing: half of the arguments, or of a text's words, agree.

    Args:
        old: Arguments of the first call.
        new: Arguments of the second.
        before: `words_of` the first.
        after: `words_of` the second.
    """
    larger = max(before.total(), after.total())
    text = any(path in _TEXTS for path in old)
    if larger <= _TEXT and not text:
        return bool(old.keys() & new.keys() or before.keys() & after.keys()) or not old
    shared = sum(min(count, after[word]) for word, count in before.items() if word in after)
    return shared / larger >= _ALIKE


def _atoms(flat: Flat) -> Iterator[str]:
    for path, values in flat.items():
        for value in values:
            if path in _TEXTS or _is_text(value):
                yield from islice((m.group() for m in _TOKEN.finditer(str(value))), _TOKENS)
            else:
                yield f"{path}={value}"


def edits(
    old: Flat, new: Flat, *, error: str = "", sources: Sources | None = None, before: int = 0
) -> dict[Edit, tuple[str, ...]]:
    """What changed, each with the words that it brought in (to be checked for taint).

    Args:
        old: Arguments of the call that failed.
        new: Arguments of the call that succeeded.
        error: What the first said; only its numbers are used.
        sources: The run, to find where new values came from.
        before: Position of the second call.
    """
    found: dict[Edit, tuple[str, ...]] = {}
    gone = sorted(old.keys() - new.keys())
    came = sorted(new.keys() - old.keys())
    for path in list(gone):
        same = next((p for p in came if _exact(old[path]) == _exact(new[p])), None)
        if same is not None:
            found[Edit("renamed", path, path, same)] = (_last(same),)
            gone.remove(path)
            came.remove(same)
    for path in gone:
        found[Edit("removed", path)] = ()
    for path in came:
        words = tuple(str(value) for value in new[path])
        found[Edit("added", path)] = (_last(path),)
        if len(words) == 1 and not _is_text(new[path][0]):
            found[Edit("added", path, "", _exact(new[path][0]))] = (_last(path), *words)
    for path in sorted(old.keys() & new.keys()):
        if _exact(old[path]) != _exact(new[path]):
            found |= _changed(path, old[path], new[path], _Scene(error, sources, before))
    return found


class _Scene(NamedTuple):
    """What surrounds a change: the error, the run, the position of the second call."""

    error: str
    sources: Sources | None
    before: int


def _changed(
    path: str, old: list[Json], new: list[Json], scene: _Scene
) -> dict[Edit, tuple[str, ...]]:
    """The edits of one argument that both calls have."""
    found: dict[Edit, tuple[str, ...]] = {Edit("differs", path): ()}
    if len(old) == len(new) == 1 and (path in _TEXTS or _is_text(old[0]) or _is_text(new[0])):
        return found | _token_edits(path, str(old[0]), str(new[0]), scene.error)
    lost, won = _minus(old, new), _minus(new, old)
    words = tuple(str(value) for value in won)
    if len(old) != len(new):
        found[Edit("longer" if len(new) > len(old) else "shorter", path)] = words
    total = _total_at(new, scene.error)
    if total is not None and _total_at(old, scene.error) != total:
        found[Edit("sum", path, "", str(total))] = words
    if [str(v) for v in lost] == [str(v) for v in won]:
        kinds = (type(lost[0]).__name__, type(won[0]).__name__) if lost else ("", "")
        if kinds[0] != kinds[1]:
            found[Edit("retyped", path, *kinds)] = ()
        return found
    if len(won) == 1:
        found |= dict.fromkeys(_values(path, lost, won[0]), words)
    if scene.sources is not None and won:
        found |= _origins(path, lost, won, scene.sources, scene.before)
    return found


def _values(path: str, lost: list[Json], won: Json) -> Iterator[Edit]:
    """One new value as edits: the value, the pair of old and new, and what they look like."""
    yield Edit("set", path, "", _exact(won))
    if len(lost) != 1:
        return
    yield Edit("changed", path, _exact(lost[0]), _exact(won))
    old, new = shape(lost[0]), shape(won)
    if old != new and "#" in old and "#" in new:
        yield Edit("shape", path, old, new)
        yield Edit("unlike", path, old)


def _origins(
    path: str, lost: list[Json], won: list[Json], sources: Sources, before: int
) -> dict[Edit, tuple[str, ...]]:
    """Fields of earlier structured results that hold all of the new values.

    ``from`` where the old values are in none of that tool's results, ``other`` where they are, and
    ``further`` where no old value went; and the same by the field's name alone, whichever tool
    gave it.
    """
    if not all(_informative(value) for value in won):
        return {}
    wanted, unwanted = {str(v) for v in won}, {str(v) for v in lost}
    held: dict[str, set[str]] = {}
    known: set[str] = set()
    for source, value, _ in sources.fields(before):
        text = str(value)
        name = source.rpartition(": ")[2].rpartition(".")[2]
        if text in wanted:
            held.setdefault(source, set()).add(text)
            held.setdefault(f": {name}", set()).add(text)
        elif text in unwanted:
            known |= {source.partition(":")[0], f": {name}"}
    found: dict[Edit, tuple[str, ...]] = {}
    for source, values in sorted(held.items()):
        if values == wanted:
            if not lost and source.startswith(": "):
                continue
            if not lost:
                kind = "further"
            elif source.startswith(": "):
                kind = "another" if source in known else "field"
            else:
                kind = "other" if source.partition(":")[0] in known else "from"
            found[Edit(kind, path, "", source)] = ()
    return found


def _informative(value: Json) -> bool:
    """Whether a value equal to another is hardly so by chance."""
    if isinstance(value, bool) or value is None:
        return False
    return len(str(value)) >= 3


def _total_at(values: Sequence[Json], error: str) -> int | None:
    """Which number that the error names, from 0, the values of a list add up to; `None`: none."""
    if not values or not all(isinstance(v, int | float) and v is not True for v in values):
        return None
    total = sum(float(cast("float", v)) for v in values)
    named = islice((float(m.group()) for m in _NUMBER.finditer(error[:2000])), _REGIONS)
    return next((k for k, number in enumerate(named) if abs(total - number) < _CENT), None)


def _token_edits(path: str, old: str, new: str, error: str) -> dict[Edit, tuple[str, ...]]:
    """Stretches of a text that were replaced, put in or taken out."""
    before = list(islice(_TOKEN.finditer(old), _TOKENS))
    after = list(islice(_TOKEN.finditer(new), _TOKENS))
    a, b = [m.group() for m in before], [m.group() for m in after]
    # What both begin and end with needs no comparing; it is most of them.
    shorter = min(len(a), len(b))
    head = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    tail = next((i for i in range(shorter - head) if a[-1 - i] != b[-1 - i]), shorter - head)
    before, after = before[head : len(a) - tail], after[head : len(b) - tail]
    a, b = a[head : len(a) - tail], b[head : len(b) - tail]
    if max(len(a), len(b)) > _MIDDLE:
        return {}
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    regions = [op for op in matcher.get_opcodes() if op[0] != "equal"]
    found: dict[Edit, tuple[str, ...]] = {}
    if not 0 < len(regions) <= _REGIONS:
        return found
    for _, i1, i2, j1, j2 in regions:
        if i2 - i1 > _WIDE or j2 - j1 > _WIDE:
            continue
        gone = old[before[i1].start() : before[i2 - 1].end()] if i2 > i1 else ""
        came = new[after[j1].start() : after[j2 - 1].end()] if j2 > j1 else ""
        words = tuple(m.group() for m in after[j1:j2] if m.group()[0].isalnum())
        if gone and came:
            blamed = re.search(rf"(?<!\w){re.escape(gone)}(?!\w)", error) is not None
            found[Edit("token" if blamed else "swapped", path, gone, came)] = words
        elif came:
            found[Edit("inserted", path, "", came)] = words
        else:
            found[Edit("dropped", path, gone)] = ()
    return found


def _exact(value: Json) -> str:
    """A value as text, so that equal texts are equal values; never raises."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def shape(value: Json) -> str:
    """A value with its digits masked: ``credit_card_7334`` is of the shape ``credit_card_#``."""
    return re.sub(r"\d+", "#", str(value)[:200])


def _minus(some: list[Json], other: list[Json]) -> list[Json]:
    """Values of `some` that are not in `other`, as often as they are not."""
    left = Counter(_exact(v) for v in other)
    out = []
    for value in some:
        text = _exact(value)
        if left[text]:
            left[text] -= 1
        else:
            out.append(value)
    return out


def _is_text(value: Json) -> bool:
    return isinstance(value, str) and len(value.split(None, _TEXT)) >= _TEXT


def _last(path: str) -> str:
    return path.rpartition(".")[2]
