"""`strop warmup`: a batch of train tasks, scored by the scorer or by people, then one cycle.

Next file: `cli/transferring.py`.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from statistics import fmean

import anyio
from rich.console import RenderableType

from strop.bootstrap import Warmed, give_scores, read_scores, warm_up
from strop.cli.assembling import opened_agent
from strop.cli.improving import INCONCLUSIVE, cycle_blocks
from strop.cli.output import block, heading, note, notes, points, show, spread, text
from strop.cli.progress import shown_progress
from strop.cycle import Cycle
from strop.evaluation import Budget
from strop.gate import interval
from strop.jsonvalue import Json, as_text
from strop.loops import hear_once
from strop.parts import Parts
from strop.run import ScoredRun
from strop.score import human_score
from strop.store import Store
from strop.task import Split

__all__ = ["Warmup", "warmup"]

_SHOWN = 2_000  # characters of a task and of an answer that a person is shown
_NAMED = 3  # waiting runs that are named


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmup:
    """How to warm up.

    Attributes:
        tasks: At most so many train tasks.
        scores: Scores by people.
        by: Who scores, where the file does not say.
    """

    tasks: int | None
    scores: Path | None
    by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """What was run and how it was scored."""

    warmed: Warmed
    by_people: int

    @property
    def scores(self) -> list[float]:
        return [scored.value for scored in self.warmed.runs if scored.value is not None]

    def to_json(self) -> dict[str, Json]:
        bounds = interval(self.scores)
        return {
            "spec": self.warmed.spec.id,
            "tasks": len(self.warmed.runs),
            "ran": self.warmed.fresh,
            "scored": len(self.scores),
            "by_people": self.by_people,
            "score": fmean(self.scores) if self.scores else None,
            "interval": None if bounds is None else list(bounds),
            "waiting": [scored.run.id for scored in self.warmed.waiting],
            "stopped": self.warmed.stopped,
        }

    def blocks(self) -> list[RenderableType]:
        count, before = len(self.warmed.runs), len(self.warmed.runs) - self.warmed.fresh
        ran = f"{count} train tasks" + (f", {before} of them run before" if before else "")
        mean = fmean(self.scores) if self.scores else None
        out: list[RenderableType] = [
            heading(f"score {points(mean)}", f"{spread(interval(self.scores))}  ({ran})")
        ]
        if self.by_people:
            out.append(block(text(f"{self.by_people} scores by people", "dim")))
        waiting = self.warmed.waiting
        if waiting:
            some = ", ".join(scored.run.id[:10] for scored in waiting[:_NAMED])
            more = ", ..." if len(waiting) > _NAMED else ""
            told = f"{len(waiting)} answers wait for a person's score: {some}{more}"
            out.append(block(text(told, "yellow")))
            how = 'strop warmup --scores FILE takes {"run": ID, "score": 1, "by": NAME}'
            out.append(block(text(how, "dim")))
        return out


def warmup(config: Path, *, how: Warmup, budget: Budget, as_json: bool) -> int:
    """Run a batch, have it scored, and hear what it teaches; 0 when decided, 3 when not."""
    given = () if how.scores is None else read_scores(how.scores, by=how.by)
    with opened_agent(config, needs=[Split.TRAIN, Split.VALIDATION]) as parts:
        by_people = give_scores(parts.store, given)
        warmed = _warmed(parts, how, budget)
        if sys.stdin.isatty() and warmed.waiting:
            by_people += _asked(parts.store, warmed.waiting, by=how.by or getuser())
            warmed = warmed.with_scores(parts.store)
        report = _Report(warmed=warmed, by_people=by_people)
        cycle = _heard(parts, budget) if report.scores and warmed.stopped is None else None
    value: dict[str, Json] = {
        "schema": "strop.warmup/1",
        **report.to_json(),
        "cycle": None if cycle is None else cycle.to_json(),
    }
    blocks = report.blocks()
    if cycle is not None:
        first, *others = cycle_blocks(cycle)
        blocks += [block(first, left=0, top=1), *others]
    else:
        stopped = warmed.stopped
        why = "no run has a score" if stopped is None else f"the budget ran out ({stopped})"
        told = f"nothing was proposed: {why}; the same command goes on from here"
        blocks.append(block(text(told), left=0, top=1))
    show(value, *blocks, as_json=as_json)
    return INCONCLUSIVE if cycle is None or cycle.undecided else 0


def _warmed(parts: Parts, how: Warmup, budget: Budget) -> Warmed:
    with shown_progress() as progress:

        async def work() -> Warmed:
            return await warm_up(parts, limit=how.tasks, budget=budget, progress=progress)

        return anyio.run(work)


def _heard(parts: Parts, budget: Budget) -> Cycle:
    with shown_progress() as progress:

        async def work() -> Cycle:
            return await hear_once(parts, budget=budget, progress=progress)

        return anyio.run(work)


# --- asking a person -----------------------------------------------------------------------------


def _asked(store: Store, waiting: Sequence[ScoredRun], *, by: str) -> int:
    """Have a person score answers one by one; each score is kept at once. How many were given."""
    note(f"{len(waiting)} answers to score, from 0 (wrong) to 1 (right)")
    note("enter skips one, Ctrl-D ends; what is scored is kept")
    count = 0
    for at, scored in enumerate(waiting, start=1):
        notes.print()
        notes.print(heading(f"{at} of {len(waiting)}", f"task {scored.run.task}"))
        notes.print(block(text(_cut(as_text(scored.run.input)))))
        notes.print(block(text(_cut(as_text(scored.run.output)), "bold"), top=1))
        for value in _answers():
            if value is None:
                break
            store.add_score(scored.run.id, human_score(value, by=by))
            count += 1
            break
        else:
            return count
    return count


def _answers() -> Iterator[float | None]:
    """Ask until there is a score, or `None` to skip; ends without one at the end of input."""
    while True:
        notes.print(text("score: "), end="")
        line = sys.stdin.readline()
        if not line:
            notes.print()
            return
        if not line.strip():
            yield None
            return
        try:
            value = float(line.strip().replace(",", "."))
        except ValueError:
            value = -1.0
        if 0 <= value <= 1:
            yield value
            return
        note("a number from 0 to 1, please; enter skips")


def _cut(shown: str) -> str:
    if len(shown) <= _SHOWN:
        return shown
    return f"{shown[:_SHOWN]} ... ({len(shown) - _SHOWN} more characters)"
