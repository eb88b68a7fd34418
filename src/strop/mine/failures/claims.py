"""Repairs as findings: a lesson an agent can act on, and a claim with its counts for people.

A lesson has no counts in it, so that more of the same evidence does not change its text.

Next file: `mine/failures/repairs.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from strop.jsonvalue import Json, salvaged
from strop.mine.failures.diff import Edit
from strop.mine.failures.next_steps import Step
from strop.mine.failures.trust import safe_text
from strop.mine.failures.words import error_of_template, listed, names_of, said, tool_name
from strop.mine.finding import Finding
from strop.task import Task

__all__ = ["Mended", "Stuck", "mended_finding", "stuck_finding"]

_MOST_TASKS = 50
_MOST_CATEGORIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """An edit that mended a failure.

    Attributes:
        tool: The tool.
        template: The failure's template.
        edit: What changed.
        instances: For a general edit, what it was in single cases: kinds of value, tools.
        runs: By task, a run that shows it.
        clean: In how many tasks no result had told the agent to.
        worked: How often the edited call succeeded.
        failed: How often it failed in the same way.
    """

    tool: str
    template: str
    edit: Edit
    instances: tuple[str, ...] = ()
    runs: Mapping[str, str]
    clean: int
    worked: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """A failure that no edit mends.

    Attributes:
        tool: The tool.
        template: The failure's template.
        name: What it is about, in the agent's own words; or ``""``.
        cause: The environment failure it is, or ``""``.
        runs: By task, a run that shows it.
        n_runs: How many runs.
        times: How often.
        steps: What runs did next.
        past: In how many tasks the run went on.
        worked: Other tasks in which a command of that name succeeded.
        categories: Those that the lesson is for, where it is not for all.
    """

    tool: str
    template: str
    name: str
    cause: str
    runs: Mapping[str, str]
    n_runs: int
    times: int
    steps: tuple[Step, ...] = ()
    past: int = 0
    worked: frozenset[str] = frozenset()
    categories: tuple[str, ...] = ()


def mended_finding(mended: Mended, tasks: Mapping[str, Task]) -> Finding:
    """The finding that an edit mends a failure."""
    edit, tool = mended.edit, tool_name(mended.tool)
    lesson = said(tool, edit, error_of_template(mended.template), mended.instances)
    failed = f", failed in the same way {_times(mended.failed)}" if mended.failed else ""
    claim = (
        f"{lesson.rstrip('.')} (it worked {_times(mended.worked)} in "
        f"{_many(len(mended.runs), 'task')}{failed})."
    )
    names = [tool, *names_of(edit)]
    return _finding(
        claim,
        lesson,
        names,
        mended.runs,
        tasks,
        {
            "form": "edit",
            "tool": mended.tool,
            "template": safe_text(mended.template),
            "edit": {"kind": edit.kind, "path": edit.path, "old": edit.old, "new": edit.new},
            "instances": list(mended.instances),
            "worked": mended.worked,
            "failed": mended.failed,
            "trust": {"clean": mended.clean, "tasks": len(mended.runs)},
        },
    )


def stuck_finding(stuck: Stuck, tasks: Mapping[str, Task]) -> Finding:
    """The finding that something fails again and again, and what runs did next."""
    error = error_of_template(stuck.template, stuck.name)
    what = f"`{stuck.name}`" if stuck.name else f"`{tool_name(stuck.tool)}`"
    worked = stuck.worked
    often = "sometimes " if worked else ""
    lesson = f"{_opening(stuck, what, often, error)}"
    if stuck.steps:
        lesson += (
            f"; runs that met it went on with {listed(tuple(step.deed for step in stuck.steps))}"
        )
    elif stuck.cause == "not configured":
        lesson += "; configure it before the call"
    elif stuck.cause == "missing module" and stuck.name:
        lesson += "; make it importable first, or do without it"
    elif stuck.cause and stuck.name:
        lesson += "; do without it"
    lesson += "."
    also = (
        f"; a command of that name worked in {_many(len(worked), 'other task')}" if worked else ""
    )
    nexts = "".join(
        f"; `{s.deed}` came next in {s.tasks} of {stuck.past} tasks, {s.lift:.0f} times as often "
        "as elsewhere"
        for s in stuck.steps
    )
    claim = (
        f"{lesson.rstrip('.')} ({_times(stuck.times)} in {_many(stuck.n_runs, 'run')} of "
        f"{_many(len(stuck.runs), 'task')}{also}{nexts})."
    )
    names = [
        tool_name(stuck.tool),
        *([stuck.name] if stuck.name else []),
        *(s.deed for s in stuck.steps),
    ]
    return _finding(
        claim,
        lesson,
        names,
        stuck.runs,
        tasks,
        {
            "form": "next" if stuck.steps else "avoid",
            "tool": stuck.tool,
            "template": safe_text(stuck.template),
            **({"categories": list(stuck.categories)} if stuck.categories else {}),
            "name": stuck.name,
            "cause": stuck.cause,
            "edit": None,
            "times": stuck.times,
            "n_runs": stuck.n_runs,
            "steps": [
                {
                    "deed": s.deed,
                    "tasks": s.tasks,
                    "share": round(s.share, 3),
                    "lift": round(s.lift, 2),
                }
                for s in stuck.steps
            ],
            "worked": len(worked),
            "failed": stuck.times,
            "trust": {"clean": len(stuck.runs), "tasks": len(stuck.runs)},
        },
    )


def _opening(stuck: Stuck, what: str, often: str, error: str) -> str:
    tool = tool_name(stuck.tool)
    match stuck.cause:
        case "missing module" if stuck.name:
            return f"The module {what} {often}cannot be imported here ({error})"
        case "missing command" if stuck.name:
            return f"The command {what} is {often}not there ({error})"
        case "not configured":
            return f"`{tool}` {often}fails because something is not configured yet ({error})"
        case _:
            return f"`{tool}` {often}fails with {error or 'an error'}"


def _finding(  # noqa: PLR0917 - private, called twice
    claim: str,
    lesson: str,
    names: list[str],
    runs: Mapping[str, str],
    tasks: Mapping[str, Task],
    data: dict[str, Json],
) -> Finding:
    ids = sorted(runs)
    categories = sorted({tasks[t].category or "" for t in ids if t in tasks} - {""})
    content = {
        "lesson": lesson,
        "names": list(dict.fromkeys(names)),
        "tasks": ids[:_MOST_TASKS],
        "n_tasks": len(ids),
        "categories": categories if len(categories) <= _MOST_CATEGORIES else [],
        **data,
    }
    return Finding(
        kind="repair",
        claim=str(salvaged(claim)),
        runs=tuple(str(salvaged(runs[task])) for task in ids[:_MOST_TASKS]),
        data=salvaged(content),  # type: ignore[arg-type]
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
