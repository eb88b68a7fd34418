"""Runs worth showing: successes as they are, and failures whose right answer is known.

Needs no model. Makes findings; turning them into examples is `propose/examples.py`.

Next file: `propose/__init__.py`.
"""

from collections.abc import Iterable, Mapping

from strop.jsonvalue import Json
from strop.mine.finding import Finding
from strop.run import ScoredRun

__all__ = ["mine_answers"]


def mine_answers(
    runs: Iterable[ScoredRun],
    *,
    known: Mapping[str, Json],
    threshold: float = 0.8,
) -> tuple[Finding, ...]:
    """Tasks with an answer worth showing again, from the runs that attempted them.

    Args:
        runs: Scored runs, oldest first; runs without a score are passed over.
        known: Right answers by task id, for tasks whose runs fell short.
        threshold: Score from which a run's own answer counts as good.

    Returns:
        At most two findings: ``successes`` (the agent's own good answers) and ``corrections``
        (failed tasks with the known answer in their place), each with ``answers``: by task id,
        the ``output`` and the ``run`` that shows it.
    """
    best: dict[str, ScoredRun] = {}
    for scored in runs:
        if scored.value is None:
            continue
        held = best.get(scored.run.task)
        if held is None or held.value is None or scored.value > held.value:
            best[scored.run.task] = scored
    good = {t: s for t, s in best.items() if s.value is not None and s.value >= threshold}
    mended = {t: s for t, s in best.items() if t not in good and t in known}
    findings = []
    if good:
        findings.append(
            Finding(
                kind="successes",
                claim=f"{len(good)} tasks were answered with a score of {threshold:g} or more",
                runs=tuple(scored.run.id for scored in good.values()),
                data={"answers": _answers(good, {t: s.run.output for t, s in good.items()})},
            )
        )
    if mended:
        findings.append(
            Finding(
                kind="corrections",
                claim=f"{len(mended)} tasks were answered wrongly, and the right answer is known",
                runs=tuple(scored.run.id for scored in mended.values()),
                data={"answers": _answers(mended, known)},
            )
        )
    return tuple(findings)


def _answers(runs: Mapping[str, ScoredRun], outputs: Mapping[str, Json]) -> dict[str, Json]:
    return {task: {"output": outputs[task], "run": scored.run.id} for task, scored in runs.items()}
