"""Anchors: the ways in which calls are tied to the calls of a chain before them.

Next file: `mine/chains/following.py`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from strop.mine.chains.leaves import Path
from strop.mine.chains.links import MASK, SHIFT, Names
from strop.mine.chains.mapping import Instance
from strop.mine.chains.records import Called, Leaf
from strop.mine.chains.steps import Fan, Occurrence, Ref, items

__all__ = ["Anchor", "anchored", "later", "plainness", "shares"]


class Anchor(NamedTuple):
    """How a call is tied to an earlier step: its argument, and where that comes from."""

    tool: int
    argument: Path
    source: Ref
    fan: Fan | None
    rest: Path


def shares(sample: Sequence[Occurrence], names: Names) -> dict[Anchor, float]:
    """Anchors with the share of occurrences that have one; each task counts as one."""
    tasks = Counter(occurrence.record.task for occurrence in sample)
    out: defaultdict[Anchor, float] = defaultdict(float)
    known: dict[tuple[int, int, int, int, bool], tuple[Anchor, ...]] = {}
    for occurrence in sample:
        found: set[Anchor] = set()
        steps = occurrence.singles
        for call, _ in later(occurrence):
            for leaf in call.leaves:
                for link in leaf.links or _in_pieces(leaf):
                    step = steps.get(link >> SHIFT)
                    if step is None:
                        continue
                    key = (call.tool, leaf.path, step, link & MASK, leaf.template is None)
                    anchors = known.get(key)
                    if anchors is None:
                        anchors = known[key] = tuple(_anchors(key, names))
                    found.update(anchors)
        weight = 1 / tasks[occurrence.record.task] / len(tasks)
        for anchor in found:
            out[anchor] += weight
    return out


def _in_pieces(leaf: Leaf) -> Iterator[int]:
    if leaf.template is not None:
        for piece in leaf.template.pieces:
            yield from piece


def _anchors(key: tuple[int, int, int, int, bool], names: Names) -> Iterator[Anchor]:
    """What a link can mean: this place, or any item of a list that it is in.

    The key is a tool, the path of its argument, the step that it may come from and the path there,
    and whether it is the value as a whole.
    """
    tool, argument, step, path, whole = key
    own = names.paths[argument][1]
    yield Anchor(tool, own, Ref(step, path), None, ())
    for list_path, _, rest in names.stars(path) if whole else ():
        yield Anchor(tool, own, Ref(step, list_path), Fan(step, list_path), rest)


def anchored(occurrence: Occurrence, anchor: Anchor, names: Names) -> Iterator[Instance]:
    """Calls tied to an occurrence as an anchor says: the first, or one per item of its list."""
    link = occurrence.calls[anchor.source.step][0] << SHIFT | anchor.source.path
    done: set[int] = set()
    for call, _ in later(occurrence):
        if call.tool != anchor.tool or not call.ok:
            continue
        for leaf in call.leaves:
            if names.paths[leaf.path][1] != anchor.argument:
                continue
            if anchor.fan is not None:
                for at, rest in items(leaf, anchor.fan, occurrence, names):
                    if rest == anchor.rest and at not in done:
                        done.add(at)
                        yield Instance(occurrence, call, at)
            elif link in leaf.links or (
                leaf.template is not None and any(link in piece for piece in leaf.template.pieces)
            ):
                yield Instance(occurrence, call)
                return


def plainness(anchor: Anchor, names: Names) -> tuple[int, int, int]:
    """Small for an anchor that reads well."""
    of_args, path = names.paths[anchor.source.path]
    named = not path or path[-1] != anchor.argument[-1]
    return int(of_args), int(named), len(path)


def later(occurrence: Occurrence) -> Iterator[tuple[Called, int]]:
    """Calls after the last step's first one that the chain does not hold yet."""
    begin = occurrence.calls[-1][0] + 1
    own = {at for calls in occurrence.calls for at in calls} if occurrence.fans else ()
    for at, call in enumerate(occurrence.record.calls[begin:], start=begin):
        if at not in own:
            yield call, at
