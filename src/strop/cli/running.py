"""`strop run`: one task, its answer, and what it took.

Next file: `cli/serving.py`.
"""

import sys
from pathlib import Path

import anyio

from strop.cli.assembling import opened_agent
from strop.cli.output import emit, note, points, results, text, took
from strop.cli.progress import waiting
from strop.errors import BadInput, UserMistake
from strop.jsonvalue import as_text, digest
from strop.loops import serve_once
from strop.parts import Parts
from strop.run import ScoredRun, ScoreFailure
from strop.task import Split, Task

__all__ = ["run"]


def run(config: Path, *, task: str | None, task_id: str | None, as_json: bool) -> int:
    """Do one task with the released spec."""
    if (task is None) == (task_id is None):
        raise UserMistake("give either a task (text, or - for standard input) or --task-id")
    with opened_agent(config) as parts:
        given = _given(task) if task is not None else _known(parts, str(task_id))
        split = given.split or Split.PRODUCTION
        with waiting("running"):
            scored = anyio.run(_serve, parts, given, split)
    if as_json:
        emit({"schema": "strop.run/1", **scored.to_json()})
    elif scored.output is not None:
        output = as_text(scored.output)
        results.print(text(output)) if results.is_terminal else results.file.write(output + "\n")
    if scored.run.error is not None:
        note(f"the run failed ({scored.run.error.type}): {scored.run.error.message}", "red")
    if not as_json:
        note(_about(scored))
    return 0 if scored.run.error is None else 1


async def _serve(parts: Parts, task: Task, split: Split) -> ScoredRun:
    return await serve_once(parts, task, split=split)


def _given(task: str) -> Task:
    """A task from text; its id comes from the text, so that the same text is the same task."""
    if task == "-":
        task = sys.stdin.read().rstrip("\n")
    if not task.strip():
        raise BadInput("the task is empty", where="TASK")
    return Task(id=f"task-{digest(task)[:16]}", input=task)


def _known(parts: Parts, task_id: str) -> Task:
    """A task of the task file; a sealed one stays sealed."""
    for task in parts.tasks:
        if task.id == task_id:
            if task.split is Split.TEST:
                raise UserMistake(
                    f"task {task_id!r} is in the sealed test split; "
                    "`strop eval --split test` opens it and records that"
                )
            return task
    raise UserMistake(f"no task has the id {task_id!r}; `strop tasks check FILE` reads the file")


def _about(scored: ScoredRun) -> str:
    """What a run took and where to find it, on one line."""
    usage = scored.run.usage
    figures = [f"run {scored.run.id[:10]}"]
    if scored.value is not None:
        figures.append(f"score {points(scored.value)}")
    elif isinstance(scored.score, ScoreFailure):
        figures.append("no score")
    figures.append(f"{len(scored.run.shown)} items shown")
    return ", ".join([*figures, took(usage.tokens, usage.cost, usage.seconds)])
