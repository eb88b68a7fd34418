"""Queries over runs, their scores, and the cache of evaluations.

A run is stored once and never changed; scores only ever gather. Which score counts is decided here,
when a run is read: the newest by a person, else the newest.

Next file: `store/ledger.py`.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Select, func

from strop.errors import BadInput
from strop.jsonvalue import Json, canonical
from strop.run import Run, Score, ScoredRun, ScoreFailure
from strop.store.scope import Scope, chunks
from strop.store.tables import evaluations, runs, scores
from strop.task import Split

__all__ = [
    "EvaluationKey",
    "add_score",
    "cached",
    "count",
    "get",
    "newest_from",
    "page",
    "put",
    "put_many",
    "row",
]

_HUMAN = "human"

Row: TypeAlias = dict[str, str | None]
"""A run as it is stored: ``id``, ``split``, ``spec``, ``body``, and ``score`` (JSON or `None`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationKey:
    """What decides the result of an evaluation, so that it need not be paid for twice.

    Attributes:
        spec: The spec's id.
        task: The task's digest (not its id: a corrected task is another one).
        trial: 0, 1, ... for repeated attempts.
        model: The frozen model's name, with whatever pins its version.
        scorer: Name and version of the scorer.
    """

    spec: str
    task: str
    trial: int
    model: str
    scorer: str


def row(scored: ScoredRun) -> Row:
    """`scored` as it is stored.

    Raises:
        BadInput: The run holds something that JSON cannot; the message names the run and the spot.
    """
    run = scored.run
    return {
        "id": run.id,
        "split": run.split.value,
        "spec": run.spec,
        "body": canonical(run.to_json()),
        "score": None if scored.score is None else canonical(_score_to_json(scored.score)),
    }


def put(scope: Scope, stored: Row, *, key: EvaluationKey | None, at: float) -> None:
    """One run, its score, and (with `key`) its place in the cache."""
    score = stored["score"]
    scope.add(runs, {name: stored[name] for name in ("id", "split", "spec", "body")})
    if score is not None:
        scope.add(scores, {"run": stored["id"], "at": at, "body": score})
    if key is not None:
        scope.add_new(evaluations, {**_columns(key), "run": stored["id"]})


def put_many(scope: Scope, rows: Sequence[Row], *, at: float) -> int:
    """Many runs with their scores; how many.

    Raises:
        BadInput: An id stands twice among `rows`, or is in the store already.
    """
    ids: set[str | None] = set()
    for each in rows:
        if each["id"] in ids:
            raise BadInput(f"run id {each['id']!r} is used twice; nothing was imported")
        ids.add(each["id"])
    query = scope.select(runs, runs.c.id).where(runs.c.id.in_(ids)).limit(1)
    there = scope.connection.scalar(query)
    if there is not None:
        raise BadInput(f"run id {there!r} is in the store already; nothing was imported")
    scope.add(runs, *({n: each[n] for n in ("id", "split", "spec", "body")} for each in rows))
    scored = [each for each in rows if each["score"] is not None]
    scope.add(scores, *({"run": s["id"], "at": at, "body": s["score"]} for s in scored))
    return len(rows)


def add_score(scope: Scope, run_id: str, score: Score, *, at: float) -> None:
    whole = scope.find(runs, run_id, what="run")
    scope.add(scores, {"run": whole, "at": at, "body": canonical(_score_to_json(score))})


def get(scope: Scope, run_id: str) -> ScoredRun:
    whole = scope.find(runs, run_id, what="run")
    query = scope.select(runs, runs.c.id, runs.c.body).where(runs.c.id == whole)
    return _scored(scope, dict(scope.connection.execute(query).all()))[whole]


def newest_from(scope: Scope, *, split: Split, spec: str | None, limit: int) -> int:
    """Number of the first of the newest `limit` runs; 0 when there are fewer."""
    query = _selected(scope, runs.c.n, split=split, spec=spec)
    return scope.connection.scalar(query.order_by(runs.c.n.desc()).offset(limit - 1).limit(1)) or 0


def page(
    scope: Scope, *, split: Split, spec: str | None, start: int, size: int
) -> tuple[list[ScoredRun], int | None]:
    """At most `size` runs from number `start` on, and where the next page starts, if any is."""
    columns = (runs.c.n, runs.c.id, runs.c.body)
    query = _selected(scope, *columns, split=split, spec=spec).where(runs.c.n >= start)
    rows = scope.connection.execute(query.order_by(runs.c.n).limit(size)).all()
    found = _scored(scope, {run_id: body for _, run_id, body in rows})
    return list(found.values()), rows[-1][0] + 1 if len(rows) == size else None


def count(scope: Scope) -> dict[Split, int]:
    query = scope.select(runs, runs.c.split, func.count()).group_by(runs.c.split)
    counts: dict[str, int] = dict(scope.connection.execute(query).all())
    return {split: counts.get(split.value, 0) for split in Split}


def cached(scope: Scope, keys: Iterable[EvaluationKey]) -> dict[EvaluationKey, ScoredRun]:
    """The evaluations among `keys` that are known: a query per spec and 500 tasks."""
    wanted = dict.fromkeys(keys)
    groups: defaultdict[tuple[str, str, str], dict[str, None]] = defaultdict(dict)
    for key in wanted:
        groups[key.spec, key.model, key.scorer][key.task] = None
    run_of: dict[EvaluationKey, str] = {}
    bodies: dict[str, str] = {}
    for (spec, model, scorer), tasks in groups.items():
        for some in chunks(list(tasks)):
            query = _evaluated(scope, spec, model, scorer, some)
            for task, trial, run_id, body in scope.connection.execute(query):
                key = EvaluationKey(spec=spec, task=task, trial=trial, model=model, scorer=scorer)
                if key in wanted:
                    run_of[key], bodies[run_id] = run_id, body
    scored = _scored(scope, bodies)
    return {key: scored[run_of[key]] for key in wanted if key in run_of}


def _evaluated(
    scope: Scope, spec: str, model: str, scorer: str, tasks: Sequence[str]
) -> Select[Any]:
    """All trials of some tasks: task, trial, run id and run."""
    table = evaluations.c
    same_run = (runs.c.agent == table.agent) & (runs.c.id == table.run)
    return (
        scope.select(evaluations, table.task, table.trial, runs.c.id, runs.c.body)
        .join_from(evaluations, runs, same_run)
        .where(table.spec == spec, table.model == model, table.scorer == scorer)
        .where(table.task.in_(tasks))
    )


def _selected(
    scope: Scope, *columns: ColumnElement[Any], split: Split, spec: str | None
) -> Select[Any]:
    query = scope.select(runs, *columns).where(runs.c.split == split.value)
    return query if spec is None else query.where(runs.c.spec == spec)


def _scored(scope: Scope, bodies: Mapping[str, str]) -> dict[str, ScoredRun]:
    """Runs by id, in the order of `bodies`, each with the score that counts."""
    counts: dict[str, Score | ScoreFailure] = {}
    for some in chunks(list(bodies)):
        query = scope.select(scores, scores.c.run, scores.c.body).where(scores.c.run.in_(some))
        for run_id, body in scope.connection.execute(query.order_by(scores.c.n)):
            score = _score_from_json(json.loads(body))
            if _by_person(score) or not _by_person(counts.get(run_id)):
                counts[run_id] = score
    return {
        run_id: ScoredRun(run=Run.from_plain(json.loads(body)), score=counts.get(run_id))
        for run_id, body in bodies.items()
    }


def _by_person(score: Score | ScoreFailure | None) -> bool:
    return isinstance(score, Score) and score.name == _HUMAN


def _columns(key: EvaluationKey) -> dict[str, str | int]:
    return {
        "spec": key.spec,
        "task": key.task,
        "trial": key.trial,
        "model": key.model,
        "scorer": key.scorer,
    }


def _score_to_json(score: Score | ScoreFailure) -> dict[str, Json]:
    common: dict[str, Json] = {"name": score.name, "scorer": score.scorer}
    if isinstance(score, ScoreFailure):
        return {**common, "error": score.error}
    return {**common, "value": score.value, "reason": score.reason}


def _score_from_json(value: dict[str, Any]) -> Score | ScoreFailure:
    return ScoreFailure(**value) if "error" in value else Score(**value)
