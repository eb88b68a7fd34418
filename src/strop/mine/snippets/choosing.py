"""Which candidates become tools: those that save text, are not the same again, and fail no more.

The saving is that of a minimum description length (Rissanen 1978): what the statements and their
imports take as text, less the calls that would stand in their place, less the tool itself. One
occurrence per task is counted, as with support. Candidates are taken best first; one whose
occurrences are mostly taken already, or that calls what a taken one calls, is dropped; one around
taken ones stays if it saves more than they do (a greedy cover, as in Bowers et al., "Top-Down
Synthesis for Library Learning", POPL 2023).

Next file: `mine/snippets/needs.py`.
"""

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from strop.jsonvalue import Json
from strop.mine.snippets.unify import unified
from strop.mine.snippets.windows import Window
from strop.mine.snippets.writing import Tool, write_tool

__all__ = ["Candidate", "Place", "candidate_of", "candidates_of", "chosen"]

_MOST_PARAMS = 10
_CLOSED = 2
"""Distinct tasks in which all arguments must be known: a tool nobody can try is none."""
_ALIKE = 0.75
_PART = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A tool with what speaks for it.

    Attributes:
        tool: The tool.
        gram: Number of the gram that its windows are of.
        pattern: Their pattern.
        places: Where each of its windows is, in their order.
        more: How many times as many tasks its gram is in as windows were looked at.
    """

    tool: Tool
    gram: int
    pattern: tuple[object, ...]
    places: tuple["Place", ...] = field(hash=False)
    more: float = 1.0

    @property
    def tasks(self) -> frozenset[int]:
        """Distinct tasks, as numbers."""
        return frozenset(place.task for place in self.places)

    @property
    def saving(self) -> int:
        """Characters saved over one occurrence per task, less the tool itself."""
        return _total(self.places) - _cost(self.tool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one window is, and what a call in its place saves.

    Attributes:
        task: Its task.
        block: Its block.
        first: First line.
        last: Last line.
        saved: Characters.
    """

    task: int
    block: int
    first: int
    last: int
    saved: int


def _cost(tool: Tool) -> int:
    """What a tool takes, once: its code, without the description of it."""
    return len(tool.source) - len(tool.description)


def _total(places: Iterable[Place]) -> int:
    """What one place per task saves, the first of each."""
    first: dict[int, int] = {}
    for place in places:
        first.setdefault(place.task, place.saved)
    return sum(first.values())


def candidates_of(
    windows: Sequence[Window], *, gram: int, threshold: int, tasks: int = 0
) -> list[Candidate]:
    """The candidates among the windows of one gram: one for each pattern that recurs.

    Args:
        windows: Windows of one shape.
        gram: Number of their gram.
        threshold: Distinct tasks that a candidate must be in.
        tasks: Distinct tasks that the gram is in, where `windows` are only some of them.
    """
    more = max(1.0, tasks / max(1, len({w.task for w in windows})))
    groups: dict[tuple[object, ...], list[Window]] = {}
    for window in windows:
        groups.setdefault(window.pattern, []).append(window)
    found = []
    for group in groups.values():
        sound = [w for w in group if not w.opaque]
        # Where a value that no tool can return is mostly needed afterwards, the rest is chance.
        if len(sound) * 5 < len(group) * 4:
            continue
        if len({w.task for w in sound}) >= threshold:
            candidate = candidate_of(sound, gram=gram)
            if candidate is not None:
                found.append(replace(candidate, more=more))
    return found


def candidate_of(windows: Sequence[Window], *, gram: int) -> Candidate | None:
    """The candidate of windows of one pattern; `None` where it is not worth a tool."""
    template = unified(windows)
    if len(template.holes) > _MOST_PARAMS:
        return None
    tool = write_tool(template)
    if tool is None or not any(_is_work(call) for call in tool.calls):
        return None
    closed = {w.task for w, args in zip(windows, tool.args, strict=True) if args is not None}
    if len(closed) < _CLOSED:
        return None
    places = _places(tool, windows)
    made = Candidate(tool=tool, gram=gram, pattern=windows[0].pattern, places=places)
    return made if made.saving > 0 else None


_IDLE = frozenset(
    ("print", "len", "str", "repr", "type", "range", "enumerate", ".append", ".items")
)


# What lasts no longer than the process that a tool runs in.
_PASSING = ("sys.path.", "os.getcwd", "os.environ", "os.chdir", "warnings.", "django.setup")


def _is_work(call: str) -> bool:
    return call not in _IDLE and not call.startswith(_PASSING)


def _places(tool: Tool, windows: Sequence[Window]) -> tuple[Place, ...]:
    properties = tool.parameters["properties"]
    schemas = properties if isinstance(properties, Mapping) else {}
    defaults = {
        n: s["default"] for n, s in schemas.items() if isinstance(s, Mapping) and "default" in s
    }
    header = sum(len(line) + 1 for line in tool.header)
    return tuple(
        Place(
            task=window.task,
            block=window.block,
            first=window.lines[0],
            last=window.lines[1],
            saved=header + _length(window) - _call_length(tool.name, args, defaults),
        )
        for window, args in zip(windows, tool.args, strict=True)
    )


def _length(window: Window) -> int:
    try:
        return sum(len(ast.unparse(stmt)) + 1 for stmt in window.stmts)
    except (ValueError, RecursionError):
        return 0


def _call_length(name: str, args: Mapping[str, Json] | None, defaults: Mapping[str, Json]) -> int:
    """What a call takes: values by position, those of optional parameters by name."""
    if args is None:  # names from outside, in place of values: about a word each
        return len(name) + 30
    size = len(name) + 2
    for param, value in args.items():
        if param not in defaults:
            size += len(repr(value)) + 2
        elif defaults[param] != value:
            size += len(param) + len(repr(value)) + 3
    return size


def chosen(
    candidates: Sequence[Candidate],
    *,
    weight: Callable[[Candidate], float],
    most: int,
    threshold: int,
) -> list[Candidate]:
    """The candidates to keep, best first.

    Args:
        candidates: In any order that is always the same.
        weight: How well the runs went that a candidate is from, from 0 (drop it) to 1.
        most: How many to keep at most.
        threshold: Distinct tasks that one must gain in.
    """
    waiting = [(weight(c), c) for c in candidates]
    waiting = [(share, c) for share, c in waiting if share > 0]
    taken: dict[int, list[Place]] = {}
    kept: list[Candidate] = []
    while waiting and len(kept) < most:
        ranked = [(_left(c, taken, threshold) * share, share, c) for share, c in waiting]
        ranked = [row for row in ranked if row[0] > 0]
        if not ranked:
            break
        _, _, best = min(ranked, key=lambda row: (-row[0], -len(row[2].tasks), row[2].tool.source))
        kept.append(best)
        for place in best.places:
            taken.setdefault(place.block, []).append(place)
        waiting = [(share, c) for _, share, c in ranked if c is not best and not _alike(c, best)]
    return kept


def _left(candidate: Candidate, taken: Mapping[int, list[Place]], threshold: int) -> int:
    """What a candidate saves beyond what is taken; 0 where too few tasks would gain.

    Inside a taken place, or across the end of one, nothing is left; around taken places, what they
    save already is not saved again.
    """
    left: list[Place] = []
    for place in candidate.places:
        saved = place.saved
        for other in taken.get(place.block, ()):
            if (
                place.first <= other.first
                and other.last <= place.last
                and ((place.first, place.last) != (other.first, other.last))
            ):
                saved -= other.saved
            elif place.first <= other.last and other.first <= place.last:
                saved = 0
        if saved > 0:
            left.append(replace(place, saved=saved))
    if len({place.task for place in left}) < threshold:
        return 0
    return int(_total(left) * candidate.more) - _cost(candidate.tool)


def _alike(one: Candidate, two: Candidate) -> bool:
    """Whether one tool calls nearly the same as another, or only a good part of it."""
    a, b = Counter(one.tool.calls), Counter(two.tool.calls)
    shared = (a & b).total()
    return shared >= (_PART if a <= b else _ALIKE) * (a | b).total()
