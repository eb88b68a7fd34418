"""Examples that stopped helping, taken out: their tasks fail too often for it to be chance.

An example is judged by the tasks for which it was the most trusted one shown. No model is asked.
What was taken out is named with the answer it gave, so that it stays out until that answer changes.

Next file: `propose/confusions.py`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from strop.mine.calibration import at_least
from strop.propose.brief import Brief
from strop.propose.examples import RETIRED, answer_mark
from strop.propose.proposal import Aim, Proposal
from strop.run import ScoredRun
from strop.spec import AgentSpec, Kind, Remove

__all__ = ["RetiredExamples", "retired_examples"]

_LEVEL = 0.05
_LEAST = 5  # distinct tasks; fewer cannot tell an example that fails from bad luck


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredExamples:
    """The proposer that takes out examples."""

    name: str = RETIRED

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
    open_ones = {item.id: item for item in spec.of_kind(Kind.EXAMPLE) if not item.protected}
    failed = _failures(runs, open_ones.keys(), poor)
    everyone = [bad for tasks in failed.values() for bad in tasks.values()]
    if not everyone or all(everyone):  # where all fail, no example stands out
        return None
    rate = sum(everyone) / len(everyone)
    chances = {
        item: at_least(sum(tasks.values()), of=len(tasks), rate=rate)
        for item, tasks in failed.items()
        if len(tasks) >= _LEAST
    }
    retired = _holm(chances)
    if not retired:
        return None
    named = ", ".join(f"{item} ({answer_mark(open_ones[item])})" for item in retired)
    return Proposal(
        parent=spec.id,
        changes=tuple(Remove(item_id=item) for item in retired),
        findings=(),
        proposer=RETIRED,
        summary=f"{len(retired)} examples retired, whose tasks failed: {named}",
        aim=Aim.LEANER,
    )


def _failures(
    runs: Iterable[ScoredRun], open_ones: Collection[str], poor: float
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


def _holm(chances: Mapping[str, float]) -> list[str]:
    retired: list[str] = []
    for rank, (item, chance) in enumerate(sorted(chances.items(), key=lambda pair: pair[::-1])):
        if chance > _LEVEL / (len(chances) - rank):
            break
        retired.append(item)
    return sorted(retired)
