"""Which repairs recur, counted without the miner: every failed call and the next that succeeds.

Next file: `__main__.py`.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from strop.run import ScoredRun, ToolCall


class Class(NamedTuple):
    """A tool, an error without its numbers and names, and one argument that was changed."""

    tool: str
    error: str
    argument: str


@dataclass(kw_only=True)
class Pairs:
    """What is known of one class: tasks where the changed call worked, times it did and did not.

    `changes` holds, by what was changed into what, the tasks.
    """

    tasks: set[str] = field(default_factory=set)
    worked: int = 0
    failed: int = 0
    example: str = ""
    changes: dict[str, set[str]] = field(default_factory=dict)


def enumerate_pairs(runs: Iterable[ScoredRun]) -> dict[Class, Pairs]:
    """All classes. A call is paired with the next successful one of its tool in the run.

    ``failed`` counts the attempts between the two that changed the argument, too, and met the same
    error again.
    """
    found: defaultdict[Class, Pairs] = defaultdict(Pairs)
    for scored in runs:
        calls = [step for step in scored.run.steps if isinstance(step, ToolCall)]
        for at, failed in enumerate(calls):
            if not _is_error(failed):
                continue
            rest = [c for c in calls[at + 1 :] if c.tool == failed.tool]
            for later in rest:
                again = _is_error(later)
                for argument in _changed(failed, later):
                    of = found[Class(failed.tool, _masked(failed), argument)]
                    of.example = of.example or str(failed.result)
                    if not again:
                        of.worked += 1
                        of.tasks.add(scored.run.task)
                        change = _change(failed, later, argument)
                        of.changes.setdefault(change, set()).add(scored.run.task)
                    elif _masked(later) == _masked(failed):
                        of.failed += 1
                if not again:
                    break
    return dict(found)


def _is_error(call: ToolCall) -> bool:
    return str(call.result).startswith("Error")


def _masked(call: ToolCall) -> str:
    return re.sub(r"\S*\d\S*", "#", str(call.result))


def _changed(one: ToolCall, other: ToolCall) -> list[str]:
    a, b = dict(one.args), dict(other.args)  # type: ignore[arg-type]
    return sorted(k for k in a.keys() | b.keys() if a.get(k) != b.get(k))


def _change(one: ToolCall, other: ToolCall, argument: str) -> str:
    old, new = one.args.get(argument), other.args.get(argument)  # type: ignore[union-attr]
    return f"{json.dumps(old)} -> {json.dumps(new)}"
