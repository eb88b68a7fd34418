"""Runs worth showing: successes as they are, and failures whose right answer is known.

Needs no model. Makes findings; turning them into examples is `propose/examples.py`. A success that
called tools is shown with its calls, but what tools returned is not repeated to later tasks as it
was: somebody may have planted an instruction in it. Of a result, names, numbers and values of few
words are shown, prose is not; a call whose arguments say more than names and what the task asked is
shown by no one, with all the others of its run.

Next file: `mine/confusions.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from strop.jsonvalue import Json, JsonObject, as_text, is_object
from strop.mine.calls import CODE, calls_of
from strop.mine.failures.trust import quotable, structured
from strop.mine.finding import Finding
from strop.resolution import TABLE
from strop.run import Run, ScoredRun

__all__ = ["mine_answers", "shown_steps"]

_MOST_STEPS = 12  # a demonstration that goes on longer crowds out the task itself
_MOST_RESULT = 600  # characters of each result
_MOST_TEXT = 2000  # characters of one argument
_DEEPEST = 12
_NOTHING: Mapping[int, tuple[str, JsonObject]] = MappingProxyType({})
_PROSE = "..."  # what stands for words that are not shown


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
        the ``output``, the ``run`` that shows it, and for a success the ``steps`` to it where
        tools were called.
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
                data={"answers": {t: _success(scored) for t, scored in good.items()}},
            )
        )
    if mended:
        findings.append(
            Finding(
                kind="corrections",
                claim=f"{len(mended)} tasks were answered wrongly, and the right answer is known",
                runs=tuple(scored.run.id for scored in mended.values()),
                data={"answers": {t: _answer(s, known[t]) for t, s in mended.items()}},
            )
        )
    return tuple(findings)


def _success(scored: ScoredRun) -> dict[str, Json]:
    answer = _answer(scored, scored.run.output)
    steps = shown_steps(scored.run)
    return {**answer, "steps": steps} if steps else answer


def _answer(scored: ScoredRun, output: Json) -> dict[str, Json]:
    return {"output": output, "run": scored.run.id}


def shown_steps(
    run: Run, *, instead: Mapping[int, tuple[str, JsonObject]] = _NOTHING
) -> list[Json]:
    """The calls that led to a good answer, without those that failed, as a demonstration has them.

    Args:
        run: The run.
        instead: Calls to show as a call of another tool, by position in the run: its name and
            arguments. Code is shown no other way.

    Returns:
        Objects with ``tool``, ``args`` and ``result``; none where they are many, and where one of
        them is not to be shown.
    """
    calls = [
        replace(c, tool=instead[c.position][0], args=instead[c.position][1])
        if c.position in instead
        else c
        for c in calls_of(run)
        if c.error is None
    ]
    calls = [c for c in calls if c.tool not in (CODE, TABLE)]
    if len(calls) > _MOST_STEPS:
        return []
    asked = as_text(run.input)
    steps: list[Json] = []
    for call in calls:
        args = {} if call.args is None else call.args
        if not is_object(args) or not _is_own(args, asked):
            return []
        steps.append({"tool": call.tool, "args": args, "result": _cut(_screened(call.result))})
    return steps


def _is_own(value: Json, asked: str, depth: int = 0) -> bool:
    """Whether arguments hold names, numbers and what the task asked, and nothing else."""
    if depth > _DEEPEST:
        return False
    if is_object(value):
        return all(_is_own(part, asked, depth + 1) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple):
        return all(_is_own(part, asked, depth + 1) for part in value)
    if not isinstance(value, str):
        return True
    return len(value) <= _MOST_TEXT and (value in asked or quotable(value) is not None)


def _screened(result: Json) -> Json:
    """A result with dots for its prose. A text that is JSON or a literal is read: what it holds
    besides, such as a remark, is gone.
    """
    value = structured(result)
    return _without_prose(result if value is None else value)


def _without_prose(value: Json, depth: int = 0) -> Json:
    if depth > _DEEPEST:
        return _PROSE
    if is_object(value):
        return {
            str(_without_prose(name)): _without_prose(part, depth + 1)
            for name, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_prose(part, depth + 1) for part in value]
    if not isinstance(value, str) or not value or quotable(value) is not None:
        return value
    return _PROSE


def _cut(result: Json) -> Json:
    text = as_text(result)
    return result if len(text) <= _MOST_RESULT else text[:_MOST_RESULT] + "..."
