"""`compare`: both specs on the same held-out tasks, in a seeded random order.

The gate is handed an `evaluate` callable and knows nothing of models or stores. Held-out means
`validation`: comparing on `train` or on the sealed `test` split is refused.

Next file: `gate/policy.py`.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from strop.errors import BadInput
from strop.gate.comparison import Comparison, Pair
from strop.run import ScoredRun, Usage
from strop.spec import AgentSpec
from strop.task import Split, Task

__all__ = ["Evaluate", "compare"]

Evaluate: TypeAlias = Callable[[AgentSpec, Sequence[Task], int], Awaitable[Sequence[ScoredRun]]]
"""``(spec, tasks, trials)`` -> scored runs, ``trials`` per task, in any order."""


async def compare(
    baseline: AgentSpec,
    candidate: AgentSpec,
    tasks: Sequence[Task],
    *,
    split: Split,
    evaluate: Evaluate,
    looks: int,
    trials: int = 1,
    seed: int = 0,
) -> Comparison:
    """Score both specs on the same held-out tasks.

    Args:
        baseline: The spec released now.
        candidate: The spec that would replace it.
        tasks: The held-out tasks; all of `split`.
        split: Must be `Split.VALIDATION`.
        evaluate: Runs and scores (and caches) one spec on tasks.
        looks: How many candidates these tasks have judged so far, this one included.
        trials: Runs per task and spec.
        seed: Decides the order of the tasks.

    Raises:
        BadInput: Another split than validation, a task of another split or twice, or no tasks.
    """
    if split is not Split.VALIDATION:
        raise BadInput(f"a gate compares on validation tasks, not on {split.value!r}")
    if not tasks:
        raise BadInput("no validation tasks: nothing can be shown to be better without them")
    strays = [task.id for task in tasks if task.split is not split]
    if strays:
        raise BadInput(f"task {strays[0]!r} is not a validation task")
    if len({task.id for task in tasks}) < len(tasks):
        raise BadInput("a task stands twice among the validation tasks; it would count twice")
    order = list(tasks)
    random.Random(seed).shuffle(order)
    before = _by_task(await evaluate(baseline, order, trials))
    after = _by_task(await evaluate(candidate, order, trials))
    pairs = tuple(
        Pair(
            task=task.id,
            category=task.category,
            critical=task.critical,
            baseline=_values(before.get(task.id, ())),
            candidate=_values(after.get(task.id, ())),
        )
        for task in order
    )
    return Comparison(
        baseline=baseline.id,
        candidate=candidate.id,
        split=split,
        pairs=pairs,
        looks=looks,
        trials=trials,
        baseline_usage=_usage(before),
        candidate_usage=_usage(after),
    )


def _by_task(runs: Sequence[ScoredRun]) -> dict[str, list[ScoredRun]]:
    out: dict[str, list[ScoredRun]] = {}
    for scored in runs:
        out.setdefault(scored.run.task, []).append(scored)
    return out


def _values(runs: Sequence[ScoredRun]) -> tuple[float, ...]:
    return tuple(scored.value for scored in runs if scored.value is not None)


def _usage(runs: dict[str, list[ScoredRun]]) -> Usage:
    total = Usage()
    for of_task in runs.values():
        for scored in of_task:
            total += scored.run.usage
    return total
