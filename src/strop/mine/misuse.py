"""Arguments that tools keep being given wrongly, and what calls that succeed pass in their place.

Two sources: errors that blame an argument (`arguments.py`), and repairs (`failures/repairs.py`),
which know it by what was changed. A value that looks like the ones that succeed is no misuse: it
was the wrong one of its kind (a flight without seats), and no description can tell which.

Next file: `mine/gaps.py`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from strop.jsonvalue import Json, JsonObject, is_object, salvaged
from strop.mine.arguments import Fault, blamed, root_of
from strop.mine.calls import CODE, Call
from strop.mine.failures import RepairMiner
from strop.mine.failures.diff import COMMANDS, args_of
from strop.mine.failures.templates import error_lines, template_of
from strop.mine.failures.trust import quotable, safe_text
from strop.mine.finding import Finding
from strop.mine.misuse_words import Claim, Key, merged, repaired, sentence
from strop.mine.stream import mine_stream
from strop.mine.values import Clean, Values, look, shown
from strop.run import ScoredRun
from strop.task import Task

__all__ = ["MisuseMiner", "mine_misuse"]

_MOST_KEPT = 20_000  # arguments held while mining
_MOST_TASKS = 50  # ids of tasks and runs in a finding
_CALLS = 200  # calls of one run that are read


class _Place(NamedTuple):
    tool: str
    path: str


@dataclass(slots=True, kw_only=True)
class _Wrong:
    """Failed calls in which one argument was at fault."""

    runs: dict[str, str] = field(default_factory=dict)  # task -> first run by id
    times: int = 0
    errors: dict[str, int] = field(default_factory=dict)  # by template
    values: Values = field(default_factory=Values)


def mine_misuse(
    runs: Iterable[ScoredRun],
    *,
    tools: Mapping[str, JsonObject] | None = None,
    tasks: Mapping[str, Task] | None = None,
    threshold: int = 3,
) -> tuple[Finding, ...]:
    """Arguments given wrongly in several tasks, the most widespread first.

    Args:
        runs: Scored runs, in any order; read once, none is kept.
        tools: The schema of each tool's parameters; others are passed over. `None`: all tools, and
            an argument exists where a successful call passed it.
        tasks: Tasks by id, for the repairs.
        threshold: Distinct tasks in which an argument must have been at fault in the same way.

    Returns:
        Findings of kind ``misuse``. `data` holds ``tool``, ``argument`` (its path), ``fault`` (see
        `Fault`), ``wrong`` and ``right`` (what values look like, or values that recur), ``error``
        (the template, as far as it may be shown), ``lesson`` (where a repair says one), ``values``
        (``tasks`` and ``distinct`` successful values, whether they are ``closed``, their
        ``format``), ``tasks`` and ``support`` (``tasks``, ``failures``, ``repaired``: times).
    """
    return mine_stream(runs, [MisuseMiner(tools=tools, tasks=tasks, threshold=threshold)])


class MisuseMiner:
    """`mine_misuse`, one run at a time.

    Args:
        tools: See `mine_misuse`.
        tasks: See `mine_misuse`.
        repairs: A miner that is given the same runs by others; `None`: one of its own.
        threshold: See `mine_misuse`.
    """

    def __init__(
        self,
        *,
        tools: Mapping[str, JsonObject] | None = None,
        tasks: Mapping[str, Task] | None = None,
        repairs: RepairMiner | None = None,
        threshold: int = 3,
    ) -> None:
        self._tools, self._threshold = tools, threshold
        self._own = repairs is None
        self._repairs = RepairMiner(tasks=tasks) if repairs is None else repairs
        self._right: dict[_Place, Values] = {}
        self._wrong: dict[Key, _Wrong] = {}

    def add(self, scored: ScoredRun, calls: tuple[Call, ...]) -> None:
        """One more run, with its calls."""
        if self._own:
            self._repairs.add(scored, calls)
        clean = Clean(scored, calls)
        task = scored.run.task
        for call in islice(calls, _CALLS):
            if call.tool == CODE or (self._tools is not None and call.tool not in self._tools):
                continue
            if call.error is not None:
                self._blame(call, scored, clean)
            elif call.result is not None and len(self._right) < _MOST_KEPT:
                for path, values in args_of(call).items():
                    held = self._right.setdefault(_Place(call.tool, path), Values())
                    for value in values if path not in COMMANDS else ():
                        held.put(value, task, clean=clean.may_show(value, call.position))

    def _blame(self, call: Call, scored: ScoredRun, clean: Clean) -> None:
        flat, run = args_of(call), scored.run
        template = template_of(error_lines(call.error or "")[-1]).text
        for path, fault in blamed(call.error or "", flat):
            if len(self._wrong) >= _MOST_KEPT or not path or path in COMMANDS:
                return
            held = self._wrong.setdefault(Key(call.tool, path, fault), _Wrong())
            held.times += 1
            held.runs[run.task] = min(run.id, held.runs.get(run.task, run.id))
            held.errors[template] = held.errors.get(template, 0) + 1
            for value in flat.get(path, ()):
                ok = clean.may_show(value, call.position)
                held.values.put(value, run.task, clean=ok)

    def findings(self) -> tuple[Finding, ...]:
        """The arguments that were given wrongly in the runs so far."""
        claims: dict[Key, Claim] = {}
        for key, wrong in sorted(self._wrong.items()):
            claim = self._claimed(key, wrong)
            if claim is not None:
                claims[key] = claim
        for finding in self._repairs.findings():
            said = repaired(finding)
            if said is None or (self._tools is not None and said[0].tool not in self._tools):
                continue
            key, claim = said
            if key in claims:
                claims[key] = merged(claims[key], claim)
            elif not _is_told(key, claim, claims):
                claims[key] = claim
        renamed = {k.tool: {*c.wrong, k.path} for k, c in claims.items() if k.fault == "renamed"}
        found = [
            self._finding(key, claim)
            for key, claim in claims.items()
            if len(claim.runs) >= self._threshold
            and (key.fault is Fault.RENAMED or key.path not in renamed.get(key.tool, ()))
        ]
        return tuple(sorted(found, key=lambda f: (-len(f.runs), f.claim)))

    def _claimed(self, key: Key, wrong: _Wrong) -> Claim | None:
        """What errors say of an argument, where it holds against the calls that succeeded."""
        tool, path, fault = key
        takes = root_of(path) in self._takes(tool)
        error = min(wrong.errors, key=lambda t: (-wrong.errors[t], t))
        claim = Claim(runs=wrong.runs, times=wrong.times, wrong=[], right=[], error=error)
        if fault in (Fault.MISSING, Fault.UNKNOWN):
            # A name that only an error speaks of is nobody's argument.
            return claim if takes is (fault is Fault.MISSING) and quotable(path) else None
        right = self._right.get(_Place(tool, path), Values())
        if fault is Fault.TYPE:
            claim.right, claim.wrong = self._types(tool, path), sorted(wrong.values.types)
            if claim.right and claim.wrong and not {*claim.right} & {*claim.wrong}:
                return claim
            claim.right = []
        looks, closed = right.looks, right.closed
        odd = {
            text: tasks
            for text, tasks in wrong.values.seen.items()
            if text not in right.seen and (closed or look(json.loads(text)) not in looks)
        }
        if not right.seen or not odd:
            return None
        tasks = set().union(*odd.values())
        claim.runs = {task: run for task, run in wrong.runs.items() if task in tasks}
        claim.wrong = shown(odd)
        return claim

    def _types(self, tool: str, path: str) -> list[str]:
        """Of which types an argument is in calls that succeed."""
        within = (p.path.removeprefix(path)[0] for p in self._right if _is_in(p, tool, path))
        found = {"a list" if first == "[" else "an object" for first in within}
        return sorted(found | self._right.get(_Place(tool, path), Values()).types)

    def _takes(self, tool: str) -> set[str]:
        """The arguments that a tool takes: those of its schema, and those of calls that worked."""
        if self._tools is not None:
            properties = self._tools[tool].get("properties")
            if is_object(properties):
                return set(properties)
        return {root_of(place.path) for place in self._right if place.tool == tool}

    def _finding(self, key: Key, claim: Claim) -> Finding:
        tool, path, fault = key
        values = self._right.get(_Place(tool, path), Values())
        right = claim.right
        if fault in (Fault.MISSING, Fault.VALUE) or (fault is Fault.TYPE and not right):
            seen = {t: s for t, s in values.seen.items() if look(json.loads(t)) not in claim.wrong}
            right = list(dict.fromkeys([*right, *shown(seen, closed=values.closed)]))
        ids = sorted(claim.runs)
        data: dict[str, Json] = {
            "tool": tool,
            "argument": path,
            "fault": fault.value,
            "wrong": list(claim.wrong),
            "right": list(right),
            "error": safe_text(claim.error),
            "lesson": claim.lesson,
            "values": {
                "tasks": len(values.tasks),
                "distinct": len(values.seen),
                "closed": values.closed,
                "format": values.format,
            },
            "tasks": ids[:_MOST_TASKS],
            "support": {"tasks": len(ids), "failures": claim.times, "repaired": claim.repaired},
        }
        return Finding(
            kind="misuse",
            claim=sentence(key, claim, right),
            runs=tuple(claim.runs[task] for task in ids[:_MOST_TASKS]),
            data=salvaged(data),  # type: ignore[arg-type]
        )


def _is_in(place: _Place, tool: str, path: str) -> bool:
    return place.tool == tool and place.path.startswith((f"{path}[", f"{path}."))


def _is_told(key: Key, repair: Claim, claims: Mapping[Key, Claim]) -> bool:
    """Whether errors themselves say of the same calls what is wrong with that argument."""
    return any(
        held.tool == key.tool
        and root_of(held.path) == root_of(key.path)
        and not claim.repaired
        and repair.runs.keys() <= claim.runs.keys()
        for held, claim in claims.items()
    )
