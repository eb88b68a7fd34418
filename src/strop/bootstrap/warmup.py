"""A warm-up: a batch of train tasks, run by the agent as it is, and scored by whoever can.

Where the scorer cannot tell, a person can: their scores are read from a file here, or given one by
one by the command. A run that waits for a person's score is not run again, so an interrupted
warm-up goes on where it stopped. It proposes nothing: `loops.hear_once` takes over from here.

Next file: `bootstrap/bundles.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from strop.errors import BadInput, UserMistake
from strop.evaluation import Budget, Progress, silent
from strop.jsonvalue import json_lines
from strop.parts import Parts
from strop.run import Score, ScoredRun
from strop.score import human_score, score
from strop.settle import settle
from strop.spec import AgentSpec
from strop.store import Store
from strop.task import Split, Task, in_split

__all__ = ["Given", "Warmed", "batch", "give_scores", "read_scores", "warm_up"]

_TEACHING = (Split.TRAIN, Split.PRODUCTION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmed:
    """What a warm-up ran.

    Attributes:
        spec: The agent as it was.
        runs: A run of each task of the batch, with its score where there is one.
        fresh: How many of them were run now.
        stopped: The bound of the budget that kept some from being run, or `None`.
    """

    spec: AgentSpec
    runs: tuple[ScoredRun, ...]
    fresh: int
    stopped: str | None = None

    @property
    def waiting(self) -> tuple[ScoredRun, ...]:
        """Answers that nobody has scored."""
        return tuple(r for r in self.runs if r.value is None and r.run.error is None)

    def with_scores(self, store: Store) -> "Warmed":
        """The same with the scores that the store has by now."""
        return replace(self, runs=tuple(store.run(scored.run.id) for scored in self.runs))


def batch(tasks: Sequence[Task], limit: int | None) -> tuple[Task, ...]:
    """The first `limit` tasks, taken from the categories in turn, each in file order."""
    by_category: dict[str, list[Task]] = {}
    for task in tasks:
        by_category.setdefault(task.category or "", []).append(task)
    turns = zip_longest(*by_category.values())
    dealt = [task for turn in turns for task in turn if task is not None]
    return tuple(dealt[:limit])


async def warm_up(
    parts: Parts,
    *,
    limit: int | None = None,
    budget: Budget | None = None,
    progress: Progress = silent,
) -> Warmed:
    """Run a batch of train tasks with the released spec, and score what can be scored.

    An answer of this spec to the same task that the scorer could not score counts as run: it is
    scored again, not run again. (Unlike what is cached, it is not run again either when the code
    of the agent's tools changed meanwhile.)

    Raises:
        BadInput: There are no train tasks.
    """
    spec = settle(parts.base, parts.store)
    parts.store.put_tasks(parts.tasks)
    tasks = batch(in_split(parts.tasks, split=Split.TRAIN), limit)
    answered = await _answered(parts, spec, tasks)
    todo = [task for task in tasks if task.id not in answered]
    evaluator = parts.evaluator(budget or Budget(), progress)
    missing = evaluator.missing(spec, todo, trials=1)
    ran = await evaluator.evaluate(spec, todo, split=Split.TRAIN, trials=1)
    found = {**answered, **{scored.run.task: scored for scored in ran}}
    stopped = evaluator.budget.spent_by
    return Warmed(
        spec=spec,
        runs=tuple(found[task.id] for task in tasks if task.id in found),
        fresh=missing - (len(todo) - len(ran)),
        stopped=stopped,
    )


async def _answered(parts: Parts, spec: AgentSpec, tasks: Sequence[Task]) -> dict[str, ScoredRun]:
    """By task id, answers that are stored but not cached: those without a score of the scorer's."""
    digests = {task.digest: task for task in tasks}
    found: dict[str, ScoredRun] = {}
    for scored in parts.store.runs(split=Split.TRAIN, spec=spec.id):
        task = digests.get(scored.run.task_digest or "")
        held = found.get(scored.run.task)
        by_person = isinstance(scored.score, Score) and scored.score.name == "human"
        if task is None or scored.run.error is not None or not (scored.value is None or by_person):
            continue
        if by_person or held is None or held.value is None:
            found[task.id] = scored
    for task_id, scored in found.items():
        if scored.value is None:
            found[task_id] = await _scored_again(parts, digests, scored)
    return found


async def _scored_again(parts: Parts, digests: Mapping[str, Task], scored: ScoredRun) -> ScoredRun:
    """The run with the score that the scorer gives it now, if it does."""
    task = digests[scored.run.task_digest or ""]
    result = await score(parts.scorer, task, scored.run, seconds=parts.limits.seconds)
    if not isinstance(result, Score):
        return scored
    parts.store.add_score(scored.run.id, result)
    return replace(scored, score=result)


# --- scores by people --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A person's score, as a file gives it.

    Attributes:
        run: (The beginning of) the run's id; or
        task: the id of the task whose newest run is meant.
        score: What the person gave.
        where: File and line.
    """

    run: str | None
    task: str | None
    score: Score
    where: str


def read_scores(path: Path, *, by: str | None = None) -> tuple[Given, ...]:
    """The scores of a JSON-lines file: ``run`` or ``task``, ``score``, ``by`` and ``reason``.

    Args:
        path: The file.
        by: Who gave them, where a line does not say.

    Raises:
        BadInput: No such file, or a line that does not hold what it should.
    """
    return tuple(_given(value, where, by) for where, value in json_lines(path, what="scores"))


_TEXTS = ("run", "task", "by", "reason")


def _given(value: object, where: str, by: str | None) -> Given:
    if not isinstance(value, Mapping):
        raise BadInput("expected an object such as {run, score, by}", where=where)
    unknown = sorted(str(name) for name in value if name not in (*_TEXTS, "score"))
    if unknown:
        known = "run, task, score, by, reason"
        raise BadInput(f"unknown field {unknown[0]!r}; the fields are {known}", where=where)
    for name in _TEXTS:
        if value.get(name) is not None and not isinstance(value[name], str):
            raise BadInput(f"field {name!r} must be text", where=where)
    run, task, number = value.get("run"), value.get("task"), value.get("score")
    if bool(run) == bool(task):
        raise BadInput("give either 'run' or 'task', by its id", where=where)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise BadInput("field 'score' must be a number from 0 to 1", where=where)
    who = value.get("by") or by
    if not who:
        raise BadInput("say who gave the score: a field 'by', or --by NAME", where=where)
    try:
        given = human_score(number, by=who, reason=value.get("reason") or "")
    except BadInput as error:
        raise BadInput(error.problem, where=where) from None
    return Given(run=run, task=task, score=given, where=where)


def give_scores(store: Store, given: Sequence[Given]) -> int:
    """Store people's scores, all of them or none; how many were new.

    Raises:
        BadInput: A run or a task that is not there, or a run of a held-out task.
    """
    newest = _newest(store, {each.task for each in given if each.task})
    ready: list[tuple[str, Score]] = []
    for each in given:
        scored = _run_of(store, each, newest)
        if scored.run.split not in _TEACHING:
            problem = f"run {scored.run.id[:10]} is of a {scored.run.split.value} task"
            raise BadInput(f"{problem}; a warm-up scores train tasks", where=each.where)
        if scored.score != each.score:  # the same file twice says nothing new
            ready.append((scored.run.id, each.score))
    for run_id, score_given in ready:
        store.add_score(run_id, score_given)
    return len(ready)


def _run_of(store: Store, given: Given, newest: Mapping[str, ScoredRun]) -> ScoredRun:
    if given.run is not None:
        try:
            return store.run(given.run)
        except UserMistake as error:
            raise BadInput(str(error), where=given.where) from None
    found = newest.get(str(given.task))
    if found is None:
        raise BadInput(
            f"task {given.task!r} has no train run yet; `strop warmup` makes them",
            where=given.where,
        )
    return found


def _newest(store: Store, tasks: set[str]) -> dict[str, ScoredRun]:
    """The newest train run of each task, by task id."""
    runs: Iterator[ScoredRun] = store.runs(split=Split.TRAIN) if tasks else iter(())
    return {scored.run.task: scored for scored in runs if scored.run.task in tasks}
