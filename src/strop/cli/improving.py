"""`strop improve`: one improvement cycle, or with `--dry-run` what it would run and cost.

Next file: `cli/bootstrapping.py`.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import cast

import anyio
from rich.console import RenderableType
from rich.text import Text

from strop.cli.assembling import opened_agent
from strop.cli.output import (
    block,
    heading,
    points,
    show,
    signed,
    spread,
    table,
    text,
    took,
)
from strop.cli.progress import shown_progress
from strop.cli.visible import visible
from strop.cycle import Attempt, Cycle
from strop.errors import BadInput
from strop.evaluation import Budget
from strop.gate import Comparison, Decision, Verdict, interval
from strop.jsonvalue import JsonObject
from strop.levers import resolve_levers
from strop.loops import improve_once, plan_cycle
from strop.parts import Parts
from strop.task import Split

__all__ = ["INCONCLUSIVE", "VERDICT_STYLES", "cycle_blocks", "improve", "plan"]

INCONCLUSIVE = 3
VERDICT_STYLES = {
    Decision.ACCEPT: ("accepted", "bold green"),
    Decision.REJECT: ("rejected", "bold red"),
    Decision.INCONCLUSIVE: ("inconclusive", "bold yellow"),
}
_NEEDED = (Split.TRAIN, Split.VALIDATION)
_NAMED = 8  # tasks won or lost that are named
_CLAIMS = 12  # findings that are told


def plan(config: Path, *, levers: str | None, as_json: bool) -> int:
    """What a cycle would run and cost."""
    names = _levers(levers)
    with opened_agent(config, needs=_NEEDED, will_run=False) as parts:
        planned = plan_cycle(_pulling(parts, names))
    show(planned, *_plan_blocks(planned), as_json=as_json)
    return 0


def improve(config: Path, *, levers: str | None, budget: Budget, as_json: bool) -> int:
    """One cycle; 0 when it was decided, 3 when it was not."""
    names = _levers(levers)
    with opened_agent(config, needs=_NEEDED) as opened, shown_progress() as progress:
        parts = _pulling(opened, names)

        async def work() -> Cycle:
            return await improve_once(parts, budget=budget, progress=progress)

        cycle = anyio.run(work)
    show(cycle.to_json(), *cycle_blocks(cycle), as_json=as_json)
    return INCONCLUSIVE if cycle.undecided else 0


def _levers(levers: str | None) -> tuple[str, ...] | None:
    """The levers named, by comma; `None` where the configuration says which.

    Raises:
        BadInput: There is no such lever, or none is named.
    """
    if levers is None:
        return None
    names = tuple(name.strip() for name in levers.split(",") if name.strip())
    if not names:
        raise BadInput("name a lever", where="--levers")
    try:
        resolve_levers(names)
    except BadInput as error:
        raise BadInput(error.problem, where="--levers") from None
    return names


def _pulling(parts: Parts, names: tuple[str, ...] | None) -> Parts:
    """The parts with the proposers of these levers in the place of the configured ones."""
    return parts if names is None else replace(parts, proposers=parts.pull(names))


def _plan_blocks(planned: JsonObject) -> list[RenderableType]:
    runs = cast("dict[str, int]", planned["runs"])
    told = {
        "train": "the train tasks, to learn from",
        "baseline": "the validation tasks, as the agent is now",
        "candidate": "the validation tasks, once with each proposal (at most)",
    }
    rows = [[str(runs[name]), what] for name, what in told.items()]
    tokens, cost = cast("int | None", planned["tokens"]), cast("float | None", planned["cost"])
    seconds = cast("float | None", planned["seconds"])
    if tokens is None:
        about = "what they cost is not known before the first run"
    else:
        about = f"about {took(tokens, cost, seconds)}"
    return [
        heading(f"{runs['total']} runs to do", about),
        block(table(("runs", "on"), rows, right=("runs",)), top=1),
        block(text("nothing was run; leave out --dry-run to start", "dim"), top=1),
    ]


def cycle_blocks(cycle: Cycle, *, nothing: str | None = None) -> list[RenderableType]:
    """A cycle, for people.

    Args:
        cycle: The cycle.
        nothing: What to say where nothing was proposed, of a cycle that did not go by what was
            found in runs; what was found is not told then.
    """
    out: list[RenderableType] = [_found(cycle)] if nothing is None else []
    for attempt in cycle.attempts:
        out += _attempt(attempt)
    for name, why in cycle.failures:
        out.append(block(text(f"{name} proposed nothing: {why}", "yellow"), left=0, top=1))
    # A budget that ran out is told with the attempt it ended.
    if cycle.stopped is not None and cycle.stopped not in [a.verdict for a in cycle.attempts]:
        out += _decision(cycle.stopped)
    out.append(block(text(_outcome(cycle, nothing)), left=0, top=1))
    if nothing is None or cycle.attempts:
        out.append(text(_next(cycle), "dim"))
    return out


def _found(cycle: Cycle) -> RenderableType:
    """What was found in the runs."""
    claims = [finding.claim for finding in cycle.findings[:_CLAIMS]]
    if len(cycle.findings) > _CLAIMS:
        claims.append(f"... and {len(cycle.findings) - _CLAIMS} more; `--json` lists all")
    return _labelled("found", claims or ["nothing worth showing in the runs so far"])


def _labelled(label: str, lines: Sequence[str]) -> RenderableType:
    rows: list[list[str | Text]] = [
        [text("" if i else label, "dim"), text(line)] for i, line in enumerate(lines)
    ]
    out = table(("", ""), rows)
    out.show_header = False
    return out


def _attempt(attempt: Attempt) -> list[RenderableType]:
    """What was proposed, how it did on held-out tasks, and the decision."""
    proposal = attempt.proposal
    proposed = visible(f"{proposal.summary}, by {proposal.proposer}")
    out: list[RenderableType] = [block(_labelled("proposed", [proposed]), left=0, top=1)]
    if attempt.comparison is not None:
        out += [block(each, top=1) for each in _compared(attempt.comparison)]
    return [*out, *_decision(attempt.verdict)]


def _compared(comparison: Comparison) -> list[RenderableType]:
    parts = (_before_after(comparison), _categories(comparison), _flips(comparison))
    return [part for part in parts if part is not None]


def _before_after(comparison: Comparison) -> RenderableType:
    """Both specs on the validation tasks, with their intervals."""
    before = [fmean(pair.baseline) for pair in comparison.scored]
    after = [fmean(pair.candidate) for pair in comparison.scored]
    change = signed(comparison.effect)
    rows = [
        ["before", points(comparison.baseline_mean), spread(interval(before)), ""],
        ["after", points(comparison.candidate_mean), spread(interval(after)), change],
    ]
    columns = (f"{len(comparison.scored)} validation tasks", "score", "95 % interval", "change")
    return table(columns, rows, right=columns[1:])


def _categories(comparison: Comparison) -> RenderableType | None:
    """The same by category, where there are several."""
    rows = [
        [
            name,
            str(len(part.scored)),
            points(part.baseline_mean),
            points(part.candidate_mean),
            signed(part.effect),
        ]
        for name, part in comparison.by_category().items()
    ]
    columns = ("category", "tasks", "before", "after", "change")
    return table(columns, rows, right=columns[1:]) if len(rows) > 1 else None


def _flips(comparison: Comparison) -> RenderableType:
    """The tasks that went better, those that went worse, and what both sides took."""
    differences = [(pair.task, pair.difference or 0.0) for pair in comparison.pairs]
    won = [task for task, difference in differences if difference > 0]
    lost = [task for task, difference in differences if difference < 0]
    sides = [
        took(usage.tokens, usage.cost, None)
        for usage in (comparison.baseline_usage, comparison.candidate_usage)
    ]
    rows: list[list[str | Text]] = [
        [text("won", "green" if won else "dim"), str(len(won)), _names(won)],
        [text("lost", "red" if lost else "dim"), str(len(lost)), _names(lost)],
        [text("took", "dim"), "", f"{sides[0]} before; {sides[1]} after"],
    ]
    out = table(("", "n", ""), rows, right=("n",))
    out.show_header = False
    return out


def _names(tasks: Sequence[str]) -> str:
    return ", ".join(tasks[:_NAMED]) + (", ..." if len(tasks) > _NAMED else "")


def _decision(verdict: Verdict) -> list[RenderableType]:
    word, style = VERDICT_STYLES[verdict.decision]
    out: list[RenderableType] = [block(text(word.upper(), style), left=0, top=1)]
    return [*out, *(block(text(visible(reason.message))) for reason in verdict.reasons)]


def _outcome(cycle: Cycle, nothing: str | None) -> str:
    """What is different now."""
    serving = cycle.parent.short_id
    if cycle.released:
        return f"released {cycle.spec[:10]}; before it, {serving} served"
    if cycle.attempts or cycle.stopped is not None:
        return f"nothing was released; {serving} serves on"
    known = "the agent shows all of it already, or it was tried before"
    why = nothing or (known if cycle.findings else "no run is worth showing")
    return f"nothing to propose: {why}; {serving} serves on"


def _next(cycle: Cycle) -> str:
    """Where to look now."""
    if cycle.stopped is not None and any(r.code == "budget" for r in cycle.stopped.reasons):
        return "`strop improve` goes on where this one stopped"
    if len(cycle.released) > 1:
        before, now = cycle.parent.short_id, cycle.spec[:10]
        return (
            f"see `strop diff {before} {now}` for what changed; `strop rollback --to {before}` "
            f"undoes all {len(cycle.released)} releases, `strop rollback` the last of them"
        )
    if cycle.released:
        return "see `strop diff` for what changed; `strop rollback` undoes it"
    if cycle.undecided:
        return "more validation tasks make differences clearer; `strop log` shows what was tried"
    if not cycle.attempts:
        return "more train tasks give it more to learn from; `strop log` shows what was tried"
    candidate = cycle.attempts[-1].candidate
    if candidate is not None:
        specs = f"{cycle.parent.short_id} {candidate.short_id}"
        return f"see `strop diff {specs}` for what was tried"
    return "`strop log` shows what was tried"
