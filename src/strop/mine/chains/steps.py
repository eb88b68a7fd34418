"""The steps of a chain in the making, and where each leaf of a step's arguments comes from.

A `Source` says it for one leaf; `holds` says whether it does in one recorded call. Values are not
computed here: a record holds all places that a leaf may come from, so a source holds if it is one.

Next file: `mine/chains/mapping.py`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from strop.jsonvalue import Json
from strop.mine.chains.leaves import Path
from strop.mine.chains.links import MASK, SHIFT, Names
from strop.mine.chains.records import Called, Leaf, Record

__all__ = [
    "Const",
    "Fan",
    "Given",
    "Holds",
    "Item",
    "Occurrence",
    "Ref",
    "Source",
    "Step",
    "Text",
    "items",
    "shape",
]


class Ref(NamedTuple):
    """From an earlier step: the number of a path in its result, or in its arguments."""

    step: int
    path: int


class Item(NamedTuple):
    """From the item of the list that a step goes through."""

    rest: Path


class Const(NamedTuple):
    """The same value every time; `key` makes 1 and true different."""

    value: Json
    key: str


class Text(NamedTuple):
    """Texts with values of earlier steps between them."""

    texts: tuple[str, ...]
    pieces: tuple[Ref, ...]


class Given(NamedTuple):
    """From a parameter of the chain: nothing explains it."""

    optional: bool = False
    default: Json = None


Source: TypeAlias = Ref | Item | Const | Text | Given


class Fan(NamedTuple):
    """A list in an earlier step's result; the step is done once per item."""

    step: int
    path: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: sources by the paths of leaves; that of a whole value stands for what is in it."""

    tool: int
    sources: Mapping[Path, Source] = field(hash=False)
    fan: Fan | None = None

    @property
    def given(self) -> tuple[Path, ...]:
        return tuple(path for path, source in self.sources.items() if isinstance(source, Given))


class Occurrence(NamedTuple):
    """A chain's calls in a run: for each step the positions, in the record, of its calls.

    `fans` are the numbers of the steps that go through a list, whose results are lists, too.
    """

    record: Record
    calls: tuple[tuple[int, ...], ...]
    fans: tuple[int, ...] = ()

    @property
    def singles(self) -> dict[int, int]:
        """Steps by the position of their one call."""
        return {its[0]: n for n, its in enumerate(self.calls) if n not in self.fans}


class Holds:
    """Whether what a step says of its arguments is true of a call."""

    def __init__(self, step: Step, names: Names) -> None:
        self.step = step
        self._names = names
        self._needed = sum(1 for source in step.sources.values() if not _optional(source))
        # By the number of an argument's path: its source; `None` for what no source speaks of, and
        # `_COVERED` for what another's speaks of, above it or below.
        self._rests = {path: s.rest for path, s in step.sources.items() if isinstance(s, Item)}
        self._by_path: dict[int, Source | _Covered | None] = {}

    def __call__(self, occurrence: Occurrence, call: Called, index: int | None = None) -> bool:
        """Whether every leaf comes from where the step says, and there is none that it forgets."""
        missing = self._needed
        for leaf in call.leaves:
            source = self._by_path.get(leaf.path, _COVERED)
            if source is _COVERED:
                source = self._by_path[leaf.path] = self._find(leaf.path)
            if source is _ELSEWHERE:
                continue
            if source is None or not self._one(source, leaf, occurrence, index):  # type: ignore[arg-type]
                return False
            missing -= not _optional(source)  # type: ignore[arg-type]
        return missing <= 0

    def index(self, call: Called, occurrence: Occurrence) -> int | None:
        """Which item of the step's list a call is for; `None` where it goes through none."""
        fan = self.step.fan
        if fan is None:
            return None
        for leaf in call.leaves:
            rest = self._rests.get(self._names.paths[leaf.path][1])
            if rest is not None:
                for at, inner in items(leaf, fan, occurrence, self._names):
                    if inner == rest:
                        return at
        return None

    def _find(self, number: int) -> "Source | _Covered | None":
        path = self._names.paths[number][1]
        sources = self.step.sources
        if path in sources:
            return sources[path]
        above = any(path[:n] in sources for n in range(1, len(path)))
        below = any(p[: len(path)] == path for p in sources)
        return _ELSEWHERE if above or below else None

    def _one(self, source: Source, leaf: Leaf, occurrence: Occurrence, index: int | None) -> bool:
        match source:
            case Given():
                return True
            case Ref():
                return linked(source, occurrence) in leaf.links
            case Const(key=key):
                return key == repr(leaf.value)
            case Item(rest=rest):
                fan = self.step.fan
                return fan is not None and any(
                    at == index and inner == rest
                    for at, inner in items(leaf, fan, occurrence, self._names)
                )
            case Text(texts=texts, pieces=pieces):
                made = leaf.template
                return (
                    made is not None
                    and made.texts == texts
                    and all(
                        linked(piece, occurrence) in links
                        for piece, links in zip(pieces, made.pieces, strict=True)
                    )
                )


class _Covered(NamedTuple):
    """Says that no source is asked for."""

    where: str


_COVERED = _Covered("not looked up yet")
_ELSEWHERE = _Covered("above it or below")


def _optional(source: Source) -> bool:
    return isinstance(source, Given) and source.optional


def linked(ref: Ref, occurrence: Occurrence) -> int:
    """The link that a leaf has where it comes from `ref`."""
    return occurrence.calls[ref.step][0] << SHIFT | ref.path


def items(leaf: Leaf, fan: Fan, occurrence: Occurrence, names: Names) -> Iterator[tuple[int, Path]]:
    """Items of a list that a leaf may come from: which, and the path in it."""
    call = occurrence.calls[fan.step][0]
    for link in leaf.links:
        if link >> SHIFT == call:
            for list_path, at, rest in names.stars(link & MASK):
                if list_path == fan.path:
                    yield at, rest


def shape(call: Called, names: Names) -> frozenset[Path]:
    """The paths of all leaves of a call."""
    return frozenset(names.paths[leaf.path][1] for leaf in call.leaves)
