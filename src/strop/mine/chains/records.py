"""A run as chains see it: its calls, and for every leaf of their arguments where it may come from.

A leaf may come from the result of an earlier call, from the arguments of one, or be a text with
pieces of results in it. All places are kept: which is meant shows only over many runs. Paths and
tools are numbers, values that are long are not kept, so that a run takes a few hundred bytes.

Next file: `mine/chains/steps.py`.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from strop.jsonvalue import Json, is_object
from strop.mine.calls import CODE, Call
from strop.mine.chains.leaves import Path, leaves
from strop.mine.chains.links import SHIFT, Allowed, Found, Names, earlier
from strop.resolution import TABLE

__all__ = ["LONG", "Called", "Leaf", "Record", "Recorder", "Template"]

_SAME = 200_000  # tuples of links that are kept as one
_CALLS = 200  # calls of one run that are looked at
_LINKS = 48  # of one leaf
_KEPT = 200  # characters of a value that are kept

LONG = "\0long\0"
"""What stands before the hash of a value that is too long to keep."""


class Template(NamedTuple):
    """A text with pieces of earlier results: the texts between, and links for each piece."""

    texts: tuple[str, ...]
    pieces: tuple[tuple[int, ...], ...]


class Leaf(NamedTuple):
    """A scalar of a call's arguments, or an object or list in them as a whole.

    `links` are numbers: the call it may come from, shifted by 20 bits, and the number of the path.
    """

    path: int
    value: Json
    links: tuple[int, ...]
    template: Template | None


class Called(NamedTuple):
    """A call: `key` is equal for calls with the same arguments. Leaves only where it has links."""

    tool: int
    ok: bool
    position: int
    key: int
    leaves: tuple[Leaf, ...]


class Record(NamedTuple):
    """A run: `lengths` gives the number of items of lists (by link) that values stand in."""

    run: str
    task: str
    outcome: int
    calls: tuple[Called, ...]
    lengths: dict[int, int]


class Recorder:
    """Makes records; equal tuples of links are one tuple."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._same: dict[tuple[int, ...], tuple[int, ...]] = {}

    def record(
        self,
        run: str,
        task: str,
        outcome: int,
        calls: Iterable[Call],
        allowed: Allowed | None = None,
    ) -> Record:
        """A run's calls with their links; between the pairs of tools only that are `allowed`."""
        taken = [c for c in calls if c.tool not in _APART][:_CALLS]
        before = earlier([call.tool for call in taken], allowed)
        looked = set[int]().union(*before, (at for at, its in enumerate(before) if its))
        flat = [
            list(leaves(call.args)) if at in looked and is_object(call.args) else []
            for at, call in enumerate(taken)
        ]
        found = Found(taken, flat, self.names, before)
        linked = [
            self._linked(at, its, found) if before[at] else _NONE for at, its in enumerate(flat)
        ]
        tied = [{link >> SHIFT for ends in its for link in _all(ends)} for its in linked]
        needed = set[int]().union(*tied)
        made = []
        for at, call in enumerate(taken):
            keep = bool(tied[at]) or at in needed
            made.append(
                Called(
                    self.names.tool(call.tool),
                    call.error is None and call.result is not None,
                    call.position,
                    hash(repr(call.args)),
                    self._leaves(flat[at], linked[at]) if keep else (),
                )
            )
        return Record(run, task, outcome, tuple(made), found.lengths)

    def _linked(
        self, at: int, flat: Sequence[tuple[Path, Json]], found: Found
    ) -> list[tuple[tuple[int, ...], Template | None]]:
        """The links of each leaf, or the template that it is made by."""
        out = []
        for path, value in flat:
            links = self._one(found.links(at, path, value))
            template = None
            if not links and type(value) is str:
                template = self._template(at, value, found)
            out.append((links, template))
        return out

    def _leaves(
        self,
        flat: Sequence[tuple[Path, Json]],
        linked: Sequence[tuple[tuple[int, ...], Template | None]],
    ) -> tuple[Leaf, ...]:
        out = []
        for (path, value), (links, template) in zip(
            flat, linked or _UNLINKED * len(flat), strict=True
        ):
            number = self.names.path(path, of_args=True)
            if number is not None:
                out.append(Leaf(number, _kept(value), links, template))
        return tuple(out)

    def _one(self, links: list[int]) -> tuple[int, ...]:
        """Equal links as one tuple: most runs have them in the same places."""
        if not links:
            return ()
        made = tuple(links[:_LINKS])
        return self._same.setdefault(made, made) if len(self._same) < _SAME else made

    def _template(self, at: int, text: str, found: Found) -> Template | None:
        texts, pieces, end = [], [], 0
        for start, stop in found.cut(text):
            links = self._one(found.of_piece(at, text[start:stop]))
            if links:
                texts.append(text[end:start])
                pieces.append(links)
                end = stop
        return Template((*texts, text[end:]), tuple(pieces)) if pieces else None


_APART = frozenset((CODE, TABLE))


_NONE: list[tuple[tuple[int, ...], Template | None]] = []
_UNLINKED: tuple[tuple[tuple[int, ...], None], ...] = (((), None),)


def _all(ends: tuple[tuple[int, ...], Template | None]) -> Iterable[int]:
    """All links of a leaf."""
    links, template = ends
    return links if template is None else (k for piece in template.pieces for k in piece)


def _kept(value: Json) -> Json:
    """A value as it is kept: long ones as a hash."""
    if isinstance(value, str):
        return value if len(value) <= _KEPT else f"{LONG}{hash(value)}"
    if isinstance(value, dict | list):
        text = repr(value)
        return value if len(text) <= _KEPT * 5 else f"{LONG}{hash(text)}"
    return value
