"""`strop seed`: demonstrations by people or a stronger model, and what the gate made of them.

Next file: `cli/warming.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import anyio
from rich.console import RenderableType

from strop.bootstrap import (
    Demonstrations,
    Refused,
    Taught,
    Teacher,
    admitted,
    batch,
    from_tasks,
    read_demonstrations,
    worth_asking,
)
from strop.cli.assembling import opened_agent
from strop.cli.improving import INCONCLUSIVE, cycle_blocks
from strop.cli.output import block, heading, note, show, text, took
from strop.cli.progress import shown_progress
from strop.cycle import Cycle
from strop.errors import BadInput, UserMistake
from strop.evaluation import Budget, Progress, silent
from strop.heldout import HeldOut
from strop.jsonvalue import Json
from strop.loops import hear_once
from strop.models.resolve import resolve_model
from strop.parts import Parts
from strop.settle import planned, settle
from strop.spec import Item, Kind
from strop.task import Split, Task, in_split, load_tasks

if TYPE_CHECKING:
    from pydantic_ai.models import Model

__all__ = ["Source", "gate_runs", "seed"]

_CALLS = 100  # answers of a model where nobody says how many: what they cost is not known to all


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where demonstrations come from: one of `file`, `from_tasks` and `model`.

    Attributes:
        file: Demonstrations written by people.
        from_tasks: The tasks' own expected answers.
        model: A stronger model's name.
        tasks: Tasks to take or to ask about, instead of the agent's train tasks.
        limit: At most so many demonstrations; of a model, 100 unless it says.
    """

    file: Path | None
    from_tasks: bool
    model: str | None
    tasks: Path | None
    limit: int | None

    def __post_init__(self) -> None:
        given = [self.file is not None, self.from_tasks, self.model is not None]
        if sum(given) != 1:
            raise UserMistake("give one of FILE, --from-tasks and --model NAME")
        if self.model is not None and self.limit is None:
            object.__setattr__(self, "limit", _CALLS)
        if self.file is not None and self.tasks is not None:
            raise UserMistake("--tasks goes with --from-tasks or --model, not with FILE")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seeds:
    """Demonstrations that may be proposed, and what became of the others."""

    name: str
    whose: str
    items: tuple[Item, ...]
    refused: Refused
    taught: Taught | None = None
    given: int = 0

    def to_json(self) -> dict[str, Json]:
        return {
            "by": self.name,
            "given": self.given,
            "proposed": len(self.items),
            "refused": self.refused.to_json(),
            "model": None if self.taught is None else self.taught.to_json(),
        }


def seed(config: Path, *, source: Source, budget: Budget, dry_run: bool, as_json: bool) -> int:
    """Propose demonstrations as examples; 0 when it was decided, 3 when it was not."""
    needs = [Split.VALIDATION] if source.file or source.tasks else [Split.TRAIN, Split.VALIDATION]
    # What can be wrong with the arguments is told before a store is made.
    others = None if source.tasks is None else load_tasks(source.tasks)
    teacher = None if source.model is None else _resolved(source.model)
    with opened_agent(config, needs=needs, will_run=not dry_run) as parts:
        if teacher is not None and parts.base.of_kind(Kind.TOOL):
            note(f"{source.model} answers without the agent's tools")
        if dry_run:
            return _planned(parts, source, others, teacher, as_json=as_json)
        with shown_progress() as progress:

            async def work() -> tuple[_Seeds, Cycle]:
                seeds = await _gathered(
                    parts, source, others, teacher, budget=budget, progress=progress
                )
                return seeds, await _proposed(parts, seeds, budget, progress)

            seeds, cycle = anyio.run(work)
    value = {"schema": "strop.seed/1", **seeds.to_json(), "cycle": cycle.to_json()}
    nothing = "the agent shows all of it already" if seeds.refused.shown else "none is left"
    show(value, *_told(seeds), *cycle_blocks(cycle, nothing=nothing), as_json=as_json)
    return INCONCLUSIVE if cycle.undecided else 0


def _resolved(name: str) -> "Model":
    try:
        return resolve_model(name, notify=note)
    except BadInput as error:
        raise BadInput(error.problem, where="--model") from None


async def _proposed(parts: Parts, seeds: _Seeds, budget: Budget, progress: Progress) -> Cycle:
    """What the gate makes of them."""
    proposer = Demonstrations(
        name=seeds.name,
        items=seeds.items,
        summary="demonstrations",
        **({} if seeds.taught is None else {"cost": seeds.taught.usage}),
    )
    return await hear_once(replace(parts, proposers=(proposer,)), budget=budget, progress=progress)


async def _gathered(
    parts: Parts,
    source: Source,
    others: Sequence[Task] | None,
    teacher: "Model | None",
    *,
    budget: Budget,
    progress: Progress,
) -> _Seeds:
    """Demonstrations from wherever the source says, without those that may not be shown."""
    spec = settle(parts.base, parts.store)
    held_out = HeldOut.of(parts.tasks)
    taught: Taught | None = None
    if teacher is not None:
        asker = Teacher(parts=parts, spec=spec, model=str(source.model), resolved=teacher)
        # Its calls are no runs of the agent; what they take counts, here and in the cycle.
        bounds = Budget(tokens=budget.tokens, cost=budget.cost, minutes=budget.minutes)
        tasks = _askable(asker, source, others)
        taught = await asker.teach(tasks, budget=bounds, progress=progress)
        budget.spend(taught.usage)
        given: Sequence[Item] = taught.items
        name, whose = "model:examples", f"by {source.model}"
    else:
        given = await _by_people(parts, source, others)
        name, whose = "person:examples", "by people"
    items, refused = admitted(given, spec, held_out)
    return _Seeds(
        name=name,
        whose=whose,
        items=items[: source.limit],
        refused=refused,
        taught=taught,
        given=len(given),
    )


async def _by_people(parts: Parts, source: Source, others: Sequence[Task] | None) -> Sequence[Item]:
    if source.file is not None:
        return read_demonstrations(source.file, tasks=parts.tasks, schema=parts.base.output)
    found = await from_tasks(_teaching(parts, others), scorer=parts.scorer, good=parts.good)
    if not found:
        raise UserMistake(
            "no task has an expected answer that the scorer takes as an answer; "
            "write demonstrations in a file, or let a model answer: --model NAME"
        )
    return found


def _teaching(parts: Parts, others: Sequence[Task] | None) -> tuple[Task, ...]:
    """The tasks that may teach: the agent's train tasks, or those of another file.

    Of another file, only what no held-out task asks; `admitted` looks again at what comes of them.
    """
    if others is None:
        return in_split(parts.tasks, split=Split.TRAIN)
    held_out = HeldOut.of((*parts.tasks, *others))
    return tuple(t for t in others if not held_out.bars(t.id, t.text, t.group))


def _askable(teacher: Teacher, source: Source, others: Sequence[Task] | None) -> tuple[Task, ...]:
    """The tasks that a model is asked about: those that the agent shows no example of yet."""
    tasks = worth_asking(_teaching(teacher.parts, others), teacher.spec)
    return batch(tasks, source.limit)


def _planned(
    parts: Parts,
    source: Source,
    others: Sequence[Task] | None,
    model: "Model | None",
    *,
    as_json: bool,
) -> int:
    """What seeding would ask, run and cost; nothing is released, asked or run for it."""
    spec = planned(parts.base, parts.store)
    asked: dict[str, Json] = {"calls": 0, "tokens": 0, "cost": 0.0}
    if model is not None:
        teacher = Teacher(parts=parts, spec=spec, model=str(source.model), resolved=model)
        tasks = _askable(teacher, source, others)
        asked, given = teacher.plan(tasks), len(tasks)
    else:
        items = anyio.run(_by_people, parts, source, others)
        given = len(admitted(items, spec, HeldOut.of(parts.tasks))[0][: source.limit])
    gate = gate_runs(parts, proposals=1)
    value: dict[str, Json] = {
        "schema": "strop.seedplan/1",
        "demonstrations": given,
        "model": {"name": source.model, **asked},
        "gate": {"runs": gate},
    }
    cost = cast("float | None", asked["cost"])
    blocks: list[RenderableType] = [heading(f"{given} demonstrations to propose")]
    if model is not None:
        blocks.append(
            block(
                text(
                    f"{asked['calls']} calls of {source.model}, about "
                    f"{took(cast('int', asked['tokens']), cost, None)}"
                    + ("" if cost is not None else " (its price is not known)")
                )
            )
        )
    blocks += [
        block(text(f"{gate} validation runs, at most, for the gate")),
        block(text("nothing was asked or run; leave out --dry-run to start", "dim"), top=1),
    ]
    show(value, *blocks, as_json=as_json)
    return 0


def gate_runs(parts: Parts, *, proposals: int) -> int:
    """The runs that comparing so many proposals takes at most, without those that are cached."""
    validation = in_split(parts.tasks, split=Split.VALIDATION)
    spec = planned(parts.base, parts.store)
    baseline = parts.evaluator(Budget(), silent).missing(spec, validation, trials=parts.trials)
    return baseline + proposals * len(validation) * parts.trials


def _told(seeds: _Seeds) -> list[RenderableType]:
    """What was given, and what was left out."""
    refused = seeds.refused
    out: list[RenderableType] = [heading(f"{len(seeds.items)} demonstrations", seeds.whose)]
    taught = seeds.taught
    if taught is not None:
        said = f"{taught.asked} calls, {took(taught.usage.tokens, taught.usage.cost, None)}"
        if taught.from_before:
            said += f"; {taught.from_before} answers from before"
        out.append(block(text(said, "dim")))
    why = (
        (taught.wrong if taught else 0, "answers that the scorer did not take"),
        (len(taught.failures) if taught else 0, "calls without an answer"),
        (refused.held_out, "refused: a held-out task asks the same"),
        (refused.repeated, "left out: the same input stands before them"),
        (refused.unfit, "refused: the agent may not answer that"),
        (refused.shown, "left out: the agent shows the same already"),
    )
    out += [block(text(f"{count} {reason}", "yellow")) for count, reason in why if count]
    if taught is not None and taught.unchecked:
        said = f"{taught.unchecked} answers that the scorer could not check are among them"
        out.append(block(text(said, "dim")))
    return out
