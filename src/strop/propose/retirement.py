"""Examples that stopped helping, taken out: their tasks fail too often for it to be chance.

An example is judged by the tasks for which it was the most trusted one shown. No model is asked.

Next file: `propose/confusions.py`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from strop.propose.brief import Brief
from strop.propose.proposal import Aim, Proposal
from strop.run import ScoredRun
from strop.spec import AgentSpec, Kind, Remove

__all__ = ["RetiredExamples", "retired_examples"]

_LEVEL = 0.05
_LEAST = 5  # distinct tasks; fewer cannot tell an example that fails from bad luck


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredExamples:
    """The proposer that takes out examples."""

    name: str = "retired:examples"

    async def __call__(self, brief: Brief) -> Proposal | None:
        return retired_examples(brief.spec, brief.runs, poor=brief.poor)


def retired_examples(spec: AgentSpec, runs: Iterable[ScoredRun], *, poor: float) -> Proposal | None:
    """Remove the examples whose tasks fail credibly more often than tasks with examples do.

    For each example, the exact one-sided binomial test of its failures against the failure rate of
    all; over all examples tested, Holm's step-down procedure at 5 % (S. Holm, "A simple
    sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979).

    Args:
        spec: The parent.
        runs: Scored runs; of several of one task with one example, the newest counts.
        poor: Score under which a run counts as a failure.
    """
    open_ones = {item.id for item in spec.of_kind(Kind.EXAMPLE) if not item.protected}
    failed = _failures(runs, open_ones, poor)
    everyone = [bad for tasks in failed.values() for bad in tasks.values()]
    if not everyone:
        return None
    rate = sum(everyone) / len(everyone)
    chances = {
        item: _at_least(sum(tasks.values()), len(tasks), rate)
        for item, tasks in failed.items()
        if len(tasks) >= _LEAST
    }
    retired = _holm(chances)
    if not retired:
        return None
    return Proposal(
        parent=spec.id,
        changes=tuple(Remove(item_id=item) for item in retired),
        findings=(),
        proposer="retired:examples",
        summary=f"{len(retired)} examples retired: the tasks they were shown to failed",
        aim=Aim.LEANER,
    )


def _failures(
    runs: Iterable[ScoredRun], open_ones: set[str], poor: float
) -> dict[str, dict[str, bool]]:
    """By example, the tasks for which it was the most trusted one, and whether they failed."""
    failed: dict[str, dict[str, bool]] = {}
    for scored in runs:
        if scored.value is None:
            continue
        shown = [item for item in scored.run.shown if item in open_ones]
        if shown:
            failed.setdefault(shown[-1], {})[scored.run.task] = scored.value < poor
    return failed


def _at_least(count: int, of: int, rate: float) -> float:
    """The chance of `count` or more failures in `of` tasks at this rate."""
    return math.fsum(
        math.comb(of, k) * rate**k * (1 - rate) ** (of - k) for k in range(count, of + 1)
    )


def _holm(chances: Mapping[str, float]) -> list[str]:
    retired: list[str] = []
    for rank, (item, chance) in enumerate(sorted(chances.items(), key=lambda pair: pair[::-1])):
        if chance > _LEVEL / (len(chances) - rank):
            break
        retired.append(item)
    return sorted(retired)
