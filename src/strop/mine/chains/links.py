"""Links: where the leaves of one run's arguments stand in its earlier results and arguments.

A link is one number: the call that a value may come from, shifted by 20 bits, and the number of the
path there (`Names`). Results are searched as text, and read only where something is found.

Next file: `mine/chains/records.py`.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeAlias

from strop.jsonvalue import Json
from strop.mine.calls import Call
from strop.mine.chains.leaves import (
    Path,
    is_telling,
    length,
    places,
    quoted,
    searchable,
    tokens,
)

__all__ = ["MASK", "SHIFT", "Allowed", "Found", "Names", "earlier"]

SHIFT = 20
MASK = (1 << SHIFT) - 1
_WINDOW = 30  # calls before one that its arguments are looked for in
_PIECES = 200  # characters of a text that pieces are looked for in
_PATHS = 200_000  # different paths in all

Allowed: TypeAlias = Mapping[str, AbstractSet[str]]
"""By a tool, those whose results and arguments its own arguments may come from."""
Earlier: TypeAlias = Collection[int]
_Value: TypeAlias = str | int | float


class Names:
    """Numbers for tools and paths, and back. A path is of a result or of arguments."""

    def __init__(self) -> None:
        self.tools: list[str] = []
        self.paths: list[tuple[bool, Path]] = []
        self._tools: dict[str, int] = {}
        self._paths: dict[tuple[bool, Path], int] = {}
        self._stars: dict[int, tuple[tuple[int, int, Path], ...]] = {}

    def tool(self, name: str) -> int:
        at = self._tools.get(name)
        if at is None:
            at = self._tools[name] = len(self.tools)
            self.tools.append(name)
        return at

    def path(self, path: Path, *, of_args: bool = False) -> int | None:
        """The number of a path; `None` once there are too many."""
        at = self._paths.get((of_args, path))
        if at is None and len(self.paths) < _PATHS:
            at = self._paths[of_args, path] = len(self.paths)
            self.paths.append((of_args, path))
        return at

    def stars(self, path: int) -> tuple[tuple[int, int, Path], ...]:
        """Ways to see a path as one through a list: the list's path, the item, what is in it."""
        known = self._stars.get(path)
        if known is None:
            of_args, whole = self.paths[path]
            known = ()
            if not of_args:
                ways = [(self.path(whole[:at]), at) for at, p in enumerate(whole) if type(p) is int]
                known = tuple(
                    (n, int(whole[at]), whole[at + 1 :]) for n, at in ways if n is not None
                )
            self._stars[path] = known
        return known


def earlier(tools: Sequence[str], allowed: Allowed | None) -> list[Earlier]:
    """For each call of a run, by its tool: the calls that its values may come from."""
    if allowed is None:
        return [range(max(0, at - _WINDOW), at) for at in range(len(tools))]
    out: list[Earlier] = []
    for at, tool in enumerate(tools):
        of = allowed.get(tool)
        near = range(max(0, at - _WINDOW), at)
        out.append(frozenset(s for s in near if tools[s] in of) if of else ())
    return out


class Found:
    """The links of one run; `lengths` has the number of items of lists that values stand in.

    Values of a call are looked for in those that `before` names for it (`earlier`) only.
    """

    def __init__(
        self,
        calls: Sequence[Call],
        flat: Sequence[Sequence[tuple[Path, Json]]],
        names: Names,
        before: Sequence[Earlier],
    ) -> None:
        self.lengths: dict[int, int] = {}
        self._names = names
        self._before = before
        read = set[int]().union(*before)
        self._texts = [
            (at, text)
            for at in sorted(read)
            if calls[at].error is None and (text := searchable(calls[at].result)) is not None
        ]
        self._hits: dict[_Value, list[int]] = {}
        self._cuts: dict[str, list[tuple[int, int]]] = {}
        self._wanted: defaultdict[int, set[_Value]] = defaultdict(set)
        self._boxes: defaultdict[int, list[Json]] = defaultdict(list)
        self._args: dict[object, list[tuple[int, Path]]] = {}
        for at, its in enumerate(flat):
            if before[at]:
                self._look(at, its)
            if at in read and calls[at].error is None:
                for path, value in its:
                    self._args.setdefault(_key(value), []).append((at, path))
        # By value, and by the identity of an object or list: links, the latest call first.
        self._in_results: dict[object, list[int]] = {}
        for source in sorted(self._wanted, reverse=True):
            self._read(source, calls[source].result)

    def links(self, at: int, path: Path, value: Json) -> list[int]:
        """Where a leaf of a call may come from: results, then arguments, the latest first."""
        if value is None or value is True or value is False:
            return []
        box = isinstance(value, dict | list)
        held = self._in_results.get(id(value) if box else value, ())
        out = [link for link in held if link >> SHIFT in self._before[at]]
        shared = self._args.get(_key(value), ())
        if len(shared) == 1 and shared[0][0] == at:
            return out
        # A small value in another call's arguments says little; under the same name it may.
        telling = bool(value) if box else is_telling(value)
        for source, other in reversed(shared):
            if source in self._before[at] and (telling or other == path):
                number = self._names.path(other, of_args=True)
                if number is not None:
                    out.append(source << SHIFT | number)
        return out

    def of_piece(self, at: int, word: str) -> list[int]:
        """Where a word of a text stands in earlier results, as a text or as a number."""
        values, before = _as_values(word), self._before[at]
        return [k for v in values for k in self._in_results.get(v, ()) if k >> SHIFT in before]

    def cut(self, text: str) -> list[tuple[int, int]]:
        """The words of a text that were looked for."""
        return self._cuts.get(text, [])

    def _look(self, at: int, its: Sequence[tuple[Path, Json]]) -> None:
        """Note which results hold a leaf of a call; its other leaves are looked for there, too."""
        linked: set[int] = set()
        for _, value in its:
            if is_telling(value):
                holding = self._holding(at, value)  # type: ignore[arg-type]
                for source in holding:
                    self._wanted[source].add(value)  # type: ignore[arg-type]
                linked.update(holding)
                if not holding and type(value) is str and len(value) <= _PIECES:
                    self._look_inside(at, value)
        for source in linked:
            for _, value in its:
                if isinstance(value, str | int | float):
                    if not isinstance(value, bool):
                        self._wanted[source].add(value)
                elif value:
                    self._boxes[source].append(value)

    def _look_inside(self, at: int, text: str) -> None:
        """Note which results hold words of a text that is in none as a whole."""
        cuts = self._cuts[text] = tokens(text)
        for start, stop in cuts:
            for value in _as_values(text[start:stop]):
                for source in self._holding(at, value):
                    self._wanted[source].add(value)

    def _holding(self, at: int, value: _Value) -> list[int]:
        """Earlier calls within the window whose results hold a value."""
        hits = self._hits.get(value)
        if hits is None:
            first, *more = quoted(value)
            hits = [s for s, text in self._texts if first in text or value == text]
            for way in more:
                hits += [s for s, text in self._texts if way in text and s not in hits]
            self._hits[value] = hits
        return [s for s in hits if s in self._before[at]] if hits else hits

    def _read(self, source: int, result: Json) -> None:
        """The links to one result."""
        boxes = self._boxes.get(source, [])
        root, by_value, by_box = places(result, self._wanted[source], boxes)
        for value, paths in by_value.items():
            self._in_results.setdefault(value, []).extend(self._numbers(source, paths, root))
        for number, paths in by_box.items():
            links = self._numbers(source, paths, root)
            self._in_results.setdefault(id(boxes[number]), []).extend(links)

    def _numbers(self, source: int, paths: Sequence[Path], root: Json) -> list[int]:
        links = []
        for path in paths:
            number = self._names.path(path)
            if number is not None:
                links.append(source << SHIFT | number)
                for list_path, _, _ in self._names.stars(number):
                    key = source << SHIFT | list_path
                    if key not in self.lengths:
                        self.lengths[key] = length(root, self._names.paths[list_path][1])
        return links


def _as_values(word: str) -> tuple[_Value, ...]:
    if word.isdecimal() and word.isascii() and len(word) < 16 and str(int(word)) == word:
        return word, int(word)
    return (word,)


def _key(value: Json) -> object:
    """What equal values have in common; `True` is not 1."""
    if isinstance(value, dict | list):
        return repr(value)
    return (value, 0) if isinstance(value, bool) else value
