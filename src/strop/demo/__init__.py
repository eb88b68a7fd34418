"""`strop demo`: a support desk's agent on the embedded model, from cold start to sealed test.

Makes a project folder of its own, with `strop.yaml`, tasks and store, so that every other command
can be tried on what the demo leaves behind. Nothing in here is special: it calls what any project
calls. The desk's messages and answers were written for this project (`data/README.md`). The second
act, `toolsmith.py`, makes another project in a folder inside.

Next file: `demo/sides.py`.
"""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import anyio

from strop import loops
from strop.assembly import assemble
from strop.config import load_config
from strop.cycle import Cycle
from strop.demo.sides import Side, lift, sealed, side, write_whole
from strop.demo.toolsmith import ToolsReport, run_second_act
from strop.errors import BadInput
from strop.evaluation import Budget, Progress
from strop.jsonvalue import Json
from strop.models.resolve import resolve_model
from strop.parts import Parts
from strop.resolution import TABLE
from strop.run import ScoredRun
from strop.settle import settle
from strop.spec import AgentSpec, Kind
from strop.task import Split, Task, assign_splits, load_tasks, save_tasks

__all__ = ["Ablation", "DemoReport", "Side", "ToolsReport", "run_demo"]

_SHARES = {Split.TRAIN: 0.55, Split.VALIDATION: 0.2, Split.TEST: 0.25}
_GROUPS = 10  # paraphrase groups per answer: of the 13 there are, what two cores do in some minutes
_QUICK_GROUPS = 4

_CONFIG = """\
# The demo's agent: it reads a customer's message and names the standard answer that settles it.
name: support-desk
model: local            # the embedded model: SmolLM2-135M-Instruct, frozen, on this machine
instructions:
  - Name the standard answer that settles the customer's message.
output: {labels}
scorer: exact
tasks: tasks.jsonl
levers: [lessons, examples, resolutions]
selection: {{examples: 3, memories: 1, tokens: 600}}
settings: {{max_tokens: 16}}
# How often an answer given without the model must be right: what so few messages can vouch for.
resolutions: {{floor: 0.85}}
"""

# What each lever put into the spec, by the kind of its items.
_LEVERS = {
    "lessons": Kind.MEMORY,
    "examples": Kind.EXAMPLE,
    "resolutions": Kind.TOOL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """The sealed test with all that was released but one lever's items."""

    lever: str
    items: int
    without: Side

    def to_json(self) -> dict[str, Json]:
        return {"lever": self.lever, "items": self.items, "without": self.without.to_json()}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoReport:
    """What the demo did.

    Attributes:
        folder: The project it left behind.
        before: The sealed test, cold.
        after: The sealed test with the released spec.
        resolved: How many of its messages the table of resolutions answered, without the model.
        ablations: The sealed test without one lever at a time, for each that released something.
        cycle: The improvement cycle between them.
        tasks: How many tasks each split has.
        sample: A sealed message with its answer before and after.
        desk: The second act; `None` until it is over.
        seconds: Wall-clock time in all.
    """

    folder: Path
    before: Side
    after: Side
    resolved: int
    ablations: tuple[Ablation, ...]
    cycle: Cycle
    tasks: dict[str, int]
    sample: dict[str, str]
    desk: ToolsReport | None = None
    seconds: float

    @property
    def lift(self) -> float | None:
        """How much the score rose; unknown where either is."""
        return lift(self.before, self.after)

    def to_json(self) -> dict[str, Json]:
        return {
            "schema": "strop.demo/1",
            "folder": str(self.folder),
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "lift": self.lift,
            "resolved": self.resolved,
            "ablations": [each.to_json() for each in self.ablations],
            "cycle": self.cycle.to_json(),
            "tasks": self.tasks,
            "sample": self.sample,
            "desk": None if self.desk is None else self.desk.to_json(),
            "seconds": round(self.seconds, 1),
        }


def run_demo(
    folder: Path, *, progress: Progress, say: Callable[[str], None], quick: bool = False
) -> DemoReport:
    """Run both acts on the embedded model.

    An act that was interrupted goes on where it stopped; one that had finished starts over.

    Args:
        folder: Where the project goes; made if it is not there.
        progress: Told how each evaluation goes.
        say: Told, in a line each, what happens next.
        quick: A third of the messages, and fewer in the second act.

    Raises:
        UserMistake: The embedded model is not installed, or the folder cannot be written.
    """
    began = time.monotonic()
    config_path = _scaffold(folder, quick=quick)
    config = load_config(config_path)
    resolve_model(config.model, notify=say)  # missing, it is missed before anything is stored
    parts = assemble(config, folder=folder)
    try:
        if parts.store.get_meta("demo") == "finished":
            parts.store.close()
            shutil.rmtree(folder / ".strop")
            parts = assemble(config, folder=folder)
        report = anyio.run(_whole_loop, parts, folder, progress, say, began)
        parts.store.set_meta("demo", "finished")
    finally:
        parts.store.close()
    say("the second act: a desk with tools, whose calls in a row become one")
    desk = run_second_act(folder / "desk", progress=progress, say=say, quick=quick)
    return replace(report, desk=desk, seconds=time.monotonic() - began)


def _scaffold(folder: Path, *, quick: bool) -> Path:
    """Write `strop.yaml` and the tasks, split by paraphrase group."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"cannot be made: {error.strerror}", where=str(folder)) from None
    data = resources.files("strop.demo") / "data"
    answers = json.loads((data / "answers.json").read_text(encoding="utf-8"))
    with resources.as_file(data / "messages.jsonl") as messages:
        tasks = load_tasks(messages)
    tasks = _first_groups(tasks, _QUICK_GROUPS if quick else _GROUPS)
    save_tasks(assign_splits(tasks, shares=_SHARES), folder / "tasks.jsonl")
    path = folder / "strop.yaml"
    write_whole(path, _CONFIG.format(labels=json.dumps(sorted(answers))))
    return path


def _first_groups(tasks: Sequence[Task], count: int) -> tuple[Task, ...]:
    """The tasks of the first `count` groups of each category."""
    groups: dict[str | None, dict[str | None, None]] = {}
    for task in tasks:
        groups.setdefault(task.category, {}).setdefault(task.group)
    kept = {group for found in groups.values() for group in list(found)[:count]}
    return tuple(task for task in tasks if task.group in kept)


async def _whole_loop(
    parts: Parts, folder: Path, progress: Progress, say: Callable[[str], None], began: float
) -> DemoReport:
    cold = parts.base
    say("1/4  cold start: the sealed test, before anything is learned")
    before = await sealed(parts, cold, progress)
    say("2/4  warm-up on train, then a proposal for each lever, judged on validation")
    cycle = await loops.improve_once(parts, budget=Budget(), progress=progress)
    released = settle(parts.base, parts.store)
    say("3/4  the sealed test again, with the spec that is released now")
    after = await sealed(parts, released, progress)
    sides = side(cold, before), side(released, after)
    said = " -> ".join("no score" if s.mean is None else f"{s.mean:.3f}" for s in sides)
    say(f"     sealed test: {said}")
    say("4/4  the sealed test without one lever at a time")
    ablations = [
        Ablation(
            lever=lever,
            items=len(released.items) - len(without.items),
            without=side(without, await sealed(parts, without, progress)),
        )
        for lever, without in _one_less(released)
    ]
    return DemoReport(
        folder=folder,
        before=sides[0],
        after=sides[1],
        resolved=sum(1 for scored in after if TABLE in scored.run.shown),
        ablations=tuple(ablations),
        cycle=cycle,
        tasks={s.value: sum(1 for t in parts.tasks if t.split is s) for s in _SHARES},
        sample=_sample(before, after),
        seconds=time.monotonic() - began,
    )


def _one_less(spec: AgentSpec) -> list[tuple[str, AgentSpec]]:
    """The spec without the items of one lever, for each lever that it has items of."""
    return [
        (lever, replace(spec, items=tuple(i for i in spec.items if i.kind is not kind)))
        for lever, kind in _LEVERS.items()
        if spec.of_kind(kind)
    ]


def _sample(before: Sequence[ScoredRun], after: Sequence[ScoredRun]) -> dict[str, str]:
    """The first sealed message that was answered wrongly before and rightly after."""
    for cold, warm in zip(before, after, strict=True):
        if (cold.value, warm.value) == (0.0, 1.0):
            return {
                "message": str(cold.run.input),
                "before": str(cold.output),
                "after": str(warm.output),
            }
    return {}
