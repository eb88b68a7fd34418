"""Which occurrences of a chain go on with one more step, and what the others do.

Next file: `mine/chains/growth.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from strop.mine.chains.anchors import later
from strop.mine.chains.links import SHIFT, Names
from strop.mine.chains.records import Called, Record
from strop.mine.chains.steps import Fan, Holds, Occurrence, Step

__all__ = ["Followed", "followed"]


@dataclass(slots=True)
class Followed:
    """What came of each occurrence of a chain, seen as the beginning of a longer one."""

    right: list[Occurrence] = field(default_factory=list)
    other: list[Occurrence] = field(default_factory=list)
    none: int = 0
    failed: int = 0
    called: int = 0
    listed: int = 0
    longest: int = 0

    def add(self, occurrence: Occurrence, calls: tuple[int, ...], fan: Fan | None) -> None:
        """One that goes on."""
        number = len(occurrence.calls)
        fans = occurrence.fans if fan is None else (*occurrence.fans, number)
        self.right.append(Occurrence(occurrence.record, (*occurrence.calls, calls), fans))
        if fan is not None:
            length = occurrence.record.lengths[occurrence.calls[fan.step][0] << SHIFT | fan.path]
            self.called += len(calls)
            self.listed += length
            self.longest = max(self.longest, length)

    def share(self, tasks: set[str] | None) -> float:
        """Share of those that went on with this tool which did it as the step says."""
        right = sum(1 for o in self.right if tasks is None or o.record.task in tasks)
        other = sum(1 for o in self.other if tasks is None or o.record.task in tasks)
        return right / (right + other) if right + other else 1.0


def followed(occurrences: Sequence[Occurrence], step: Step, names: Names) -> Followed:
    """Which occurrences go on as a step says. A call goes on from the latest that it fits."""
    out = Followed()
    holds = Holds(step, names)
    claimed: set[int] = set()
    last: Record | None = None
    for occurrence in reversed(occurrences):  # within a run the latest first
        if occurrence.record is not last:
            claimed, last = set(), occurrence.record
        calls, failed, other = _going_on(occurrence, holds, claimed)
        if calls:
            claimed.update(calls.values())
            out.add(occurrence, tuple(calls.values()), step.fan)
        else:
            out.failed += failed
            if other:
                out.other.append(occurrence)
            else:
                out.none += 1
    out.right.reverse()
    return out


def _going_on(
    occurrence: Occurrence, holds: Holds, claimed: set[int]
) -> tuple[dict[int, int], bool, bool]:
    """The calls that are a step of an occurrence, by item; whether one failed, or was another."""
    step = holds.step
    calls: dict[int, int] = {}
    failed = other = False
    for call, at in later(occurrence):
        if call.tool != step.tool or at in claimed:
            continue
        index = holds.index(call, occurrence)
        if holds(occurrence, call, index) and (step.fan is None or index is not None):
            if not call.ok:
                failed = True
            elif step.fan is not None or not calls:
                calls.setdefault(-1 if index is None else index, at)
        elif call.ok and _is_tied(call, occurrence):
            other = True
    return calls, failed, other


def _is_tied(call: Called, occurrence: Occurrence) -> bool:
    """Whether any argument of a call may come from the chain's calls."""
    own = {at for calls in occurrence.calls for at in calls}
    return any(link >> SHIFT in own for leaf in call.leaves for link in leaf.links)
