"""Replaying runs, and applying lessons to the calls they cover.

A lesson is applied as it reads and by nothing else: where it names a field of earlier results,
every value of that field which the run had seen by then is a candidate, the latest first, then what
a look-up of the customer or of the route gives. A flight is only exchanged for one of its route.

Next file: `pairs.py`.
"""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from strop.mine import Finding
from strop.mine.failures.diff import shape
from strop.mine.failures.templates import error_lines, template_of
from strop.mine.failures.trust import leaves, safe_text, structured
from strop.run import ScoredRun, ToolCall

from .tools import Database, call, fork, snapshot

MOST = 60  # candidates tried for one call


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A failed call, with all that came before it.

    Attributes:
        run: The run's id.
        task: The task's id.
        call: The call, with its error as the result.
        before: The run's calls until then.
        state: The database as those calls left it.
    """

    run: str
    task: str
    call: ToolCall
    before: tuple[ToolCall, ...]
    state: Database

    @property
    def error(self) -> str:
        return str(self.call.result)

    @property
    def template(self) -> str:
        """The masked error as lessons quote it."""
        return safe_text(template_of(error_lines(self.error)[-1]).text)


@dataclass(kw_only=True)
class Replay:
    """What replaying all runs gave: failed calls, and how many calls answered as recorded."""

    moments: list[Moment]
    calls: int = 0
    exact: int = 0


def replay(runs: tuple[ScoredRun, ...], database: Database) -> Replay:
    """Replay every call of every run, each run from the untouched database."""
    out = Replay(moments=[])
    for scored in runs:
        state = fork(database)
        calls: list[ToolCall] = []
        for step in scored.run.steps:
            if not isinstance(step, ToolCall):
                continue
            before = snapshot(state)
            answer = call(state, step.tool, step.args)  # type: ignore[arg-type]
            recorded = str(step.result).replace('"province"', '"state"')
            out.calls += 1
            out.exact += answer == recorded
            if recorded.startswith("Error"):
                out.moments.append(
                    Moment(
                        run=scored.run.id,
                        task=scored.run.task,
                        call=step,
                        before=tuple(calls),
                        state=before,
                    )
                )
            calls.append(step)
    return out


def covers(lesson: Finding, moment: Moment) -> bool:
    """Whether a lesson is about a failed call."""
    data = lesson.data
    return data["tool"] == moment.call.tool and data["template"] == moment.template


def tries(lesson: Finding, moment: Moment) -> Iterator[str]:
    """What comes of every way of applying the lesson, the plainest first.

    ``right`` where the call succeeds, ``past`` where it fails for another reason, else ``wrong``.
    """
    for args in _candidates(lesson.data, moment):
        answer = call(fork(moment.state), moment.call.tool, args)
        if not answer.startswith("Error"):
            yield "right"
        else:
            same = safe_text(template_of(error_lines(answer)[-1]).text) == moment.template
            yield "wrong" if same else "past"


def _candidates(data: Any, moment: Moment) -> Iterator[dict[str, Any]]:
    """The failed call's arguments with the lesson applied, at most `MOST`."""
    edit, args = data["edit"], moment.call.args
    if edit is None:
        return
    path, kind = edit["path"], edit["kind"]
    if kind == "sum":
        yield from _summed(args, path, moment.error, int(edit["new"]))
        return
    if kind == "unlike":
        seen = [v for _, v in _seen(moment) if shape(v) in data["instances"]]
    elif kind == "shape":
        seen = [v for _, v in _seen(moment) if shape(v) == edit["new"]]
    elif kind in {"from", "other", "further"}:
        seen = [v for source, v in _seen(moment) if source == edit["new"]]
    else:
        tools = {f"{name}:" for name in data["instances"]}
        name = edit["new"][2:]
        seen = [
            v
            for source, v in _seen(moment)
            if source.split(" ")[0] in tools and source.rpartition(".")[2] == name
        ]
    values = list(dict.fromkeys(seen))
    if kind == "further":
        yield from (_with_further(args, path, value, moment) for value in values[:MOST])
        return
    for value in values[:MOST]:
        for changed in _replaced(args, path, value, moment.error):
            if _same_route(args, changed, moment):
                yield changed


def _seen(moment: Moment) -> list[tuple[str, Any]]:
    """Fields of the results before a call, the latest result first, then of what can be looked up.

    An agent that is told to take a value from a tool's results looks it up if it has not: the
    customer's details, and flights of the route and day of one that the error names.
    """
    results = [(earlier.tool, str(earlier.result)) for earlier in reversed(moment.before)]
    for tool, args in _lookups(moment):
        results.append((tool, call(moment.state, tool, args)))
    return [
        (f"{tool}: {path}", value)
        for tool, result in results
        for path, value in leaves(structured(result))
        if value is not None
    ]


def _lookups(moment: Moment) -> Iterator[tuple[str, dict[str, Any]]]:
    args: Any = moment.call.args
    user = args.get("user_id") or moment.state["reservations"][args["reservation_id"]]["user_id"]
    yield "get_user_details", {"user_id": user}
    for flight in args.get("flights", ()):
        known = moment.state["flights"].get(flight["flight_number"])
        if known and flight["flight_number"] in moment.error:
            ends = {end: known[end] for end in ("origin", "destination")}
            yield "search_direct_flight", {**ends, "date": flight["date"]}


def _summed(args: Any, path: str, error: str, which: int) -> Iterator[dict[str, Any]]:
    """The amounts corrected to the total that the error names: the last one first, then others."""
    total = float(re.findall(r"(?<![\w.-])\d+(?:\.\d+)?", error)[which])
    field, leaf = path.split("[].")
    amounts = [entry[leaf] for entry in args[field]]
    for at in reversed(range(len(amounts))):
        changed = copy.deepcopy(args)
        changed[field][at][leaf] = total - sum(amounts) + amounts[at]
        if changed[field][at][leaf] >= 0:
            yield changed


def _replaced(args: Any, path: str, value: Any, error: str) -> Iterator[dict[str, Any]]:
    """One value put in the place of another: in a list, of the one that the error names."""
    if "[]." not in path:
        if args[path] != value:
            yield {**args, path: value}
        return
    field, leaf = path.split("[].")
    named = [at for at, entry in enumerate(args[field]) if str(entry[leaf]) in error]
    for at in named or range(len(args[field])):
        changed = copy.deepcopy(args)
        changed[field][at][leaf] = value
        yield changed


def _with_further(args: Any, path: str, value: Any, moment: Moment) -> dict[str, Any]:
    """One more payment: the method that falls short pays what it holds, the new one the rest."""
    field, leaf = path.split("[].")
    changed: dict[str, Any] = copy.deepcopy(args)
    owner = moment.state["users"][args["user_id"]]["payment_methods"]
    rest = 0
    for entry in changed[field]:
        if str(entry[leaf]) in moment.error and entry[leaf] in owner:
            rest += entry["amount"] - owner[entry[leaf]]["amount"]
            entry["amount"] = owner[entry[leaf]]["amount"]
    changed[field].append({leaf: value, "amount": rest})
    return changed


def _same_route(args: Any, changed: Any, moment: Moment) -> bool:
    """Whether flights were only exchanged for others of the same route: any other is nonsense."""
    flights = moment.state["flights"]
    for old, new in zip(args.get("flights", ()), changed.get("flights", ()), strict=True):
        before, after = (flights.get(f["flight_number"]) for f in (old, new))
        if after is None or before is None:
            return False
        if any(before[end] != after[end] for end in ("origin", "destination")):
            return False
        if new != old and new in args["flights"]:
            return False
    return True
