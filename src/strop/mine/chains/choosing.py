"""Which chains are worth a tool: those that save calls, do not lose, and are not in one another.

The saving is counted as in minimum description length (Rissanen 1978): calls that a chain stands
for less those it is made of, and a price for each that agents would not have made. Chains are taken
one by one, the greatest saving first, each counted on the calls that no chain before it took.

Next file: `mine/chains/wording.py`.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from strop.mine.chains.growth import Grown
from strop.mine.chains.rules import ChainRules
from strop.mine.chains.steps import Occurrence

__all__ = ["Chosen", "Outcomes", "chosen", "outcomes", "saving"]

_LESS = 2 / 3  # of the share of successes among all runs, that a chain's may be at its best
_LOST = 3  # scored tasks without a success from which a chain is one that fails


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """How runs with a chain ended; a run between success and failure is neither.

    Attributes:
        successes: Runs with a good score.
        failures: Runs with a poor one.
        tasks: Tasks with a run that is either.
        rate: Share of successes; the mean over tasks; `None` where nothing is scored.
    """

    successes: int
    failures: int
    tasks: int
    rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A chain that is worth a tool, and the calls that it saves beyond those chosen before it."""

    grown: Grown
    outcomes: Outcomes
    saves: int


def chosen(grown: Iterable[Grown], rules: ChainRules, base: float | None) -> list[Chosen]:
    """The chains to be told, best first.

    Args:
        grown: All that hold.
        rules: When a chain counts.
        base: Share of successes among all runs, as `Outcomes.rate`; `None` where none is scored.
    """
    left = [(g, outcomes(g.occurrences)) for g in grown]
    left = [(g, o) for g, o in left if not _loses(o, base)]
    taken: set[tuple[str, int]] = set()
    out: list[Chosen] = []
    while left and len(out) < rules.most:
        worth = [(saving(g, rules, taken), g, o) for g, o in left]
        # One that is saved nothing by now will be saved nothing later.
        worth = [w for w in worth if w[0][0] > 0 and w[0][2] >= rules.min_tasks]
        if not worth:
            break
        (_, saved, _), best, ended = max(worth, key=lambda w: _rank(w[0], w[1]))
        out.append(Chosen(grown=best, outcomes=ended, saves=saved))
        for occurrence in best.occurrences:
            taken.update(_calls(occurrence))
        left = [(g, o) for _, g, o in worth if g is not best]
    return out


def saving(
    grown: Grown, rules: ChainRules, taken: Iterable[tuple[str, int]] = ()
) -> tuple[float, int, int]:
    """What a chain is worth, the calls it saves, and the tasks that it saves some in.

    Args:
        grown: The chain.
        rules: What a call costs that nobody asked for.
        taken: Calls, by run and position, that other chains stand for.
    """
    saved, tasks = 0, set()
    gone = taken if isinstance(taken, set) else set(taken)
    for occurrence in grown.occurrences:
        own = sum(1 for call in _calls(occurrence) if call not in gone)
        if own > 1:
            saved += own - 1
            tasks.add(occurrence.record.task)
    called, listed = grown.lists
    ended, begun = len(grown.occurrences), sum(grown.started.values())
    single = sum(1 for step in grown.steps[1:] if step.fan is None)
    # What is called for nothing: items that nobody asked for, and all of it where nobody went on.
    idle = (listed - called) + (begun - ended) * (single + (listed / ended if ended else 0))
    return saved - rules.waste * idle, saved, len(tasks)


def outcomes(occurrences: Sequence[Occurrence]) -> Outcomes:
    """How the runs of some occurrences ended; each run counts once."""
    runs = {o.record.run: o.record for o in occurrences}
    by_task: defaultdict[str, list[int]] = defaultdict(list)
    for record in runs.values():
        if record.outcome:
            by_task[record.task].append(record.outcome)
    ended = [outcome for its in by_task.values() for outcome in its]
    return Outcomes(
        successes=sum(outcome > 0 for outcome in ended),
        failures=sum(outcome < 0 for outcome in ended),
        tasks=len(by_task),
        rate=rate(by_task),
    )


def rate(by_task: Mapping[str, Sequence[int]]) -> float | None:
    """Share of successes, the mean over tasks; `None` for no task."""
    if not by_task:
        return None
    return sum(sum(o > 0 for o in its) / len(its) for its in by_task.values()) / len(by_task)


def _loses(ended: Outcomes, base: float | None) -> bool:
    """Whether runs with a chain never succeed, or surely far less often than runs do.

    Far less, because chains have tasks of their own: looking up nothing is done where it is easy.
    """
    if ended.rate is None or base is None:
        return False
    if not ended.successes and ended.tasks >= _LOST:
        return True
    return upper(ended.rate, ended.tasks) < _LESS * base


def upper(share: float, n: int, z: float = 1.96) -> float:
    """The upper end of Wilson's interval (1927, JASA 22) for a share of `n`."""
    middle = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (middle + spread) / (1 + z * z / n)


def _calls(occurrence: Occurrence) -> set[tuple[str, int]]:
    """An occurrence's calls, by run and position."""
    return {(occurrence.record.run, at) for calls in occurrence.calls for at in calls}


def _rank(worth: tuple[float, int, int], grown: Grown) -> tuple[object, ...]:
    """Worth times tasks; of equals the shorter, then by what they call."""
    value, _, tasks = worth
    return value * tasks, -len(grown.steps), [-step.tool for step in grown.steps]
