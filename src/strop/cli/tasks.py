"""`strop tasks check` and `strop tasks split`: is a task file fit to measure on, and its splits.

Next file: `cli/demo.py`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import RenderableType

from strop.cli.output import block, note, show, table, text
from strop.errors import BadInput
from strop.jsonvalue import Json
from strop.task import Split, Task, assign_splits, find_problems, load_tasks, save_tasks

__all__ = ["check", "split"]


def check(file: Path, *, as_json: bool) -> int:
    """What would spoil a measurement; 1 when something would."""
    tasks = load_tasks(file)
    problems = ("the file holds no tasks",) if not tasks else find_problems(tasks)
    value: dict[str, Json] = {
        "schema": "strop.check/1",
        "file": str(file),
        "tasks": len(tasks),
        "splits": _counts(tasks),
        "problems": list(problems),
    }
    blocks: list[RenderableType] = [_overview(tasks)]
    if problems:
        blocks.append(block(text(f"{len(problems)} problems", "bold red"), left=0, top=1))
        blocks += [block(text(f"- {problem}")) for problem in problems]
    else:
        blocks.append(block(text("no problems", "green"), left=0, top=1))
    show(value, *blocks, as_json=as_json)
    return 1 if problems else 0


def split(
    file: Path, *, shares: Mapping[Split, float], seed: int, write: bool, as_json: bool
) -> int:
    """Give tasks without a split one; written only when asked to."""
    for name, share in shares.items():
        if not share >= 0:
            raise BadInput("must be a number from 0", where=f"--{name.value}")
    tasks = load_tasks(file)
    positive = {name: share for name, share in shares.items() if share > 0}
    done = assign_splits(tasks, shares=positive, seed=seed)
    assigned = sum(1 for task in tasks if task.split is None)
    if write and assigned:
        save_tasks(done, file)
    value: dict[str, Json] = {
        "schema": "strop.split/1",
        "file": str(file),
        "tasks": len(done),
        "assigned": assigned,
        "splits": _counts(done),
        "written": write and assigned > 0,
    }
    show(value, _overview(done), as_json=as_json)
    if not assigned:
        note("every task has a split already; nothing to do")
    elif write:
        note(f"{assigned} tasks were given a split, in {file}")
    else:
        note(f"{assigned} tasks would be given a split; --write puts it in {file}")
    return 0


def _counts(tasks: Sequence[Task]) -> dict[str, Json]:
    counts = Counter("none" if task.split is None else task.split.value for task in tasks)
    return {name: counts[name] for name in (*Split, "none") if counts[name]}


def _overview(tasks: Sequence[Task]) -> RenderableType:
    """Tasks by category and split."""
    names = list(_counts(tasks))
    rows = []
    for category in [*sorted({t.category or "" for t in tasks}), None]:
        of = [t for t in tasks if category is None or (t.category or "") == category]
        counts = _counts(of)
        label = "all" if category is None else category or "(no category)"
        rows.append([label, *(str(counts.get(name, 0)) for name in names), str(len(of))])
    if len(rows) == 2 and rows[0][0] == "(no category)":
        rows = rows[1:]
    columns = ("category", *names, "tasks")
    return table(columns, rows, right=columns[1:])
