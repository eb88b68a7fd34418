"""What is said of an argument that was given wrongly, from errors and from repairs, as claims.

Next file: `mine/misuse.py`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from strop.jsonvalue import Json, is_object, salvaged
from strop.mine.arguments import Fault
from strop.mine.calls import CODE
from strop.mine.failures.diff import COMMANDS
from strop.mine.failures.trust import quotable
from strop.mine.finding import Finding

__all__ = ["Claim", "Key", "merged", "repaired", "sentence"]


class Key(NamedTuple):
    """A tool, the path of its argument, and what was wrong with it."""

    tool: str
    path: str
    fault: Fault


@dataclass(slots=True, kw_only=True)
class Claim:
    """What is said of one argument, before it is a finding.

    Attributes:
        runs: By task, a run that shows it.
        times: How many calls failed for it.
        wrong: What was given, as it may be shown.
        right: What calls gave that mended it.
        error: The template of the error.
        repaired: How often it was mended.
        lesson: What a repair says of it, in one sentence.
    """

    runs: dict[str, str]
    times: int
    wrong: list[str]
    right: list[str]
    error: str
    repaired: int = 0
    lesson: str = ""


_FAULTS = {
    "renamed": Fault.RENAMED,
    "retyped": Fault.TYPE,
    "shape": Fault.VALUE,
    "unlike": Fault.VALUE,
    "changed": Fault.VALUE,
    "added": Fault.MISSING,
    "from": Fault.SOURCE,
    "sum": Fault.SUM,
}
"""Which edits of a call (`failures/diff.py`) say what is wrong with an argument."""


def repaired(finding: Finding) -> tuple[Key, Claim] | None:
    """What a finding of kind ``repair`` says of one argument, if that is what it is about."""
    data: Mapping[str, Json] = finding.data
    edit, tool = data.get("edit"), str(data["tool"])
    if not is_object(edit) or tool == CODE:
        return None
    kind, path, old, new = (str(edit[name]) for name in ("kind", "path", "old", "new"))
    fault = _FAULTS.get(kind)
    if fault is None or not path or path in COMMANDS:
        return None
    wrong, right = _sides(kind, old, new, cast("Sequence[str]", data["instances"]))
    worked = int(str(data["worked"]))
    claim = Claim(
        runs=dict(zip(cast("Sequence[str]", data["tasks"]), finding.runs, strict=True)),
        times=worked,
        wrong=wrong,
        right=right,
        error=str(data["template"]),
        repaired=worked,
        lesson=str(data["lesson"]),
    )
    return Key(tool, new if kind == "renamed" else path, fault), claim


def _sides(kind: str, old: str, new: str, instances: Sequence[str]) -> tuple[list[str], list[str]]:
    """What an edit shows as wrong and as right."""
    match kind:
        case "unlike":
            return [old], list(instances)
        case "changed":
            sides = (quotable(json.loads(old)), quotable(json.loads(new)))
            return [sides[0] or ""], [sides[1] or ""]
        case "retyped":
            return [_TYPED.get(old, old)], [_TYPED.get(new, new)]
        case "renamed" | "shape":
            return [old], [new]
        case "from":
            return [], [new]
        case _:
            return [], []


_TYPED = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "NoneType": "null",
}


def merged(said: Claim, repair: Claim) -> Claim:
    """What errors and repairs say of the same fault, as one."""
    runs = dict(repair.runs)
    for task, run in said.runs.items():
        runs[task] = min(run, runs.get(task, run))
    return Claim(
        runs=runs,
        times=max(said.times, repair.times),
        wrong=list(dict.fromkeys([*repair.wrong, *said.wrong])),
        right=repair.right,
        error=repair.error or said.error,
        repaired=repair.repaired,
        lesson=repair.lesson,
    )


def sentence(key: Key, claim: Claim, right: Sequence[str]) -> str:
    """The claim, for people."""
    tool, path = quotable(key.tool) or "a tool", quotable(key.path) or "an argument"
    wrong = f" ({_listed(claim.wrong)})" if claim.wrong else ""
    instead = f"; calls that succeed pass {_listed(right)}" if right else ""
    what = {
        Fault.MISSING: f"called without `{path}`",
        Fault.UNKNOWN: f"given `{path}`, which it does not take",
        Fault.RENAMED: f"given its `{path}` by another name{wrong}",
        Fault.TYPE: f"given a `{path}` of another type{wrong}{instead}",
        Fault.VALUE: f"given a `{path}` of another kind{wrong}{instead}",
        Fault.SOURCE: f"given a `{path}` that does not come from {_listed(right)}",
        Fault.SUM: f"given `{path}` that do not add up",
    }[key.fault]
    many = f"{len(claim.runs)} task" + "s" * (len(claim.runs) != 1)
    return str(salvaged(f"In {many} `{tool}` was {what}"))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:4])
