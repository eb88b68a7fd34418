"""The judge against people: what disagreements teach, and whether changed criteria agree better.

Criteria decide what counts as good, so they are the one lever that the agent's own score may not
judge. Half of the runs that people scored teach, by task; the others decide. Asks the judge's
model; releases nothing.

Next file: `evidence.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import anyio

from strop.gate import Verdict, grades_of, judge_criteria, split_human
from strop.jsonvalue import Json, digest
from strop.run import Score, ScoredRun, ScoreFailure
from strop.score import Judge, Scorer, by_person, score
from strop.spec import AgentSpec, Kind
from strop.store import Store
from strop.task import Split, Task

__all__ = ["Disputes", "agreed", "by_own_criteria", "disputes", "held_out_grades"]

_AT_ONCE = 4
_NEWEST = 500  # runs with a person's score that are graded again


@dataclass(frozen=True, slots=True, kw_only=True)
class Disputes:
    """Runs that both people and the judge graded, of tasks that may teach.

    Attributes:
        runs: The runs with the judge's scores.
        human: The scores that people gave them, by run id.
    """

    runs: tuple[ScoredRun, ...] = ()
    human: Mapping[str, Score] = field(default_factory=dict, hash=False)


def by_own_criteria(scorer: Scorer, spec: AgentSpec) -> Scorer:
    """A judge that grades by the spec's criteria; any other scorer as it is."""
    criteria = spec.of_kind(Kind.CRITERION)
    return replace(scorer, criteria=criteria) if isinstance(scorer, Judge) and criteria else scorer


async def disputes(
    store: Store, tasks: Mapping[str, Task], *, judge: Judge, seed: int, seconds: float
) -> Disputes:
    """What people and the judge said of the same runs, where that may teach.

    Args:
        store: Where the runs are.
        tasks: The tasks that may teach, by id.
        judge: Grades the runs that people scored.
        seed: Of the deal between what teaches and what decides.
        seconds: For each grade.
    """
    teach, _ = _dealt(store, tasks, seed)
    known = [scored for scored in teach if scored.run.task in tasks]
    grades = await _graded(store, judge, known, tasks, seconds)
    return Disputes(
        runs=tuple(ScoredRun(run=s.run, score=grades.get(s.run.id)) for s in known),
        human={s.run.id: s.score for s in known if isinstance(s.score, Score)},
    )


def held_out_grades(
    store: Store, tasks: Mapping[str, Task], *, seed: int
) -> tuple[tuple[ScoredRun, ...], str]:
    """The runs with a person's score that decide on criteria, and which set of them this is."""
    _, held_out = _dealt(store, tasks, seed)
    known = tuple(scored for scored in held_out if scored.run.task in tasks)
    return known, digest(sorted(scored.run.id for scored in known))[:16]


async def agreed(
    store: Store,
    judge: Judge,
    candidate: AgentSpec,
    held_out: Sequence[ScoredRun],
    tasks: Mapping[str, Task],
    *,
    looks: int,
    seconds: float,
) -> Verdict:
    """Whether the judge agrees better with people by the candidate's criteria.

    Args:
        store: Where grades are kept: none is asked for twice.
        judge: Grades by the criteria in force.
        candidate: Has the changed criteria.
        held_out: Runs with a person's score that taught nothing.
        tasks: All tasks of those runs, by id.
        looks: How many changes these runs have judged, this one included.
        seconds: For each grade.
    """
    changed = replace(judge, criteria=candidate.of_kind(Kind.CRITERION))
    before = grades_of(held_out, await _graded(store, judge, held_out, tasks, seconds))
    after = grades_of(held_out, await _graded(store, changed, held_out, tasks, seconds))
    return judge_criteria(before, after, looks=looks)


def _dealt(
    store: Store, tasks: Mapping[str, Task], seed: int
) -> tuple[tuple[ScoredRun, ...], tuple[ScoredRun, ...]]:
    runs: list[ScoredRun] = []
    for split in (Split.TRAIN, Split.PRODUCTION, Split.VALIDATION):
        runs += [s for s in store.runs(split=split) if by_person(s.score)][-_NEWEST:]
    return split_human(runs, seed, tasks=tasks)


async def _graded(
    store: Store,
    judge: Judge,
    runs: Iterable[ScoredRun],
    tasks: Mapping[str, Task],
    seconds: float,
) -> dict[str, Score | ScoreFailure]:
    """The judge's grades by run id; those that are kept are not asked for again."""
    grades: dict[str, Score | ScoreFailure] = {}
    queue = iter(runs)

    async def work() -> None:
        for scored in queue:
            run = scored.run
            kept = _kept(store, judge, run.id)
            grades[run.id] = kept or await score(judge, tasks[run.task], run, seconds=seconds)
            grade = grades[run.id]
            if kept is None and isinstance(grade, Score):
                body: dict[str, Json] = {"value": grade.value, "reason": grade.reason}
                store.put_document(_GRADE, _key(judge, run.id), body)

    async with anyio.create_task_group() as group:
        for _ in range(_AT_ONCE):
            group.start_soon(work)
    return grades


_GRADE = "grade"


def _key(judge: Judge, run: str) -> str:
    return digest([run, judge.version])


def _kept(store: Store, judge: Judge, run: str) -> Score | None:
    body = store.find_document(_GRADE, _key(judge, run))
    if body is None:
        return None
    return Score(
        name=judge.name,
        value=cast("float", body["value"]),
        reason=str(body["reason"]),
        scorer=judge.version,
    )
