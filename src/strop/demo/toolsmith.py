"""The second act of the demo: a desk with tools, whose calls in a row become one tool.

Three look-ups in a row are more than the embedded model manages. People at the desk settled a few
messages by hand; their runs are imported, the recurring calls in them are mined, and the gate
decides on what is proposed. Nothing in here is special: it is what `strop import runs` and
`strop improve` do. What the desk knows, and its tools, are in `desk.py` and `desk_tools.py`.

Next file: `cli/__init__.py`.
"""

import json
import re
import shutil
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import anyio

from strop import loops
from strop.assembly import assemble
from strop.config import load_config
from strop.cycle import Cycle
from strop.demo.desk import Desk, made_desk
from strop.demo.sides import Say, Side, lift, sealed, side, write_whole
from strop.errors import BadInput
from strop.evaluation import Budget, Progress
from strop.jsonvalue import Json
from strop.parts import Parts
from strop.run import ScoredRun, ToolCall, load_runs, run_lines
from strop.settle import settle
from strop.spec import AgentSpec, Item, Kind
from strop.task import Split, save_tasks

__all__ = ["ToolsReport", "run_second_act"]

_COUNTS = {Split.TRAIN: 12, Split.VALIDATION: 12, Split.TEST: 20}
_QUICK = {Split.TRAIN: 6, Split.VALIDATION: 10, Split.TEST: 10}

_TOOLS = "desk_tools"
_NEXT_FILE = re.compile(r"\n\nNext file: .*\n")  # of this code base's tour, not of the project
_RUNS = "by_hand.jsonl"
_CONFIG = """\
# The demo's agent: a support desk with tools. It finds the help article for a customer's plan.
name: help-desk
model: local            # the embedded model: SmolLM2-135M-Instruct, frozen, on this machine
instructions:
  - Find the help article for the customer's plan.
tools:
  - {tools}:find_customer
  - {tools}:find_plan
  - {tools}:find_article
output: {labels}
scorer: exact
tasks: tasks.jsonl
levers: [examples, tools]
selection: {{examples: 2, tokens: 600}}
settings: {{max_tokens: 48}}
limits: {{steps: 6}}    # three look-ups and the answer take four
"""

_TABLES = """
CREATE TABLE customers (customer_id TEXT PRIMARY KEY, name TEXT, email TEXT UNIQUE);
CREATE TABLE subscriptions (customer_id TEXT PRIMARY KEY, plan TEXT, boxes INTEGER);
CREATE TABLE articles (article TEXT PRIMARY KEY, plan TEXT, topic TEXT, title TEXT);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsReport:
    """What the second act did.

    Attributes:
        folder: The project it left behind.
        before: The sealed test, cold.
        after: The sealed test with the released spec.
        cycle: What was proposed, and the verdicts.
        tasks: How many tasks each split has.
        tools: Names of the tools that were learned and released.
        sample: A sealed message and the calls that it took, before and after.
        seconds: Wall-clock time.
    """

    folder: Path
    before: Side
    after: Side
    cycle: Cycle
    tasks: dict[str, int]
    tools: tuple[str, ...]
    sample: dict[str, str]
    seconds: float

    @property
    def lift(self) -> float | None:
        """How much the score rose; unknown where either is."""
        return lift(self.before, self.after)

    @property
    def saved(self) -> float | None:
        """Share of the tokens per task that is no longer needed."""
        before = self.before.usage.tokens
        return 1 - self.after.usage.tokens / before if before else None

    def to_json(self) -> dict[str, Json]:
        return {
            "folder": str(self.folder),
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "lift": self.lift,
            "saved": self.saved,
            "cycle": self.cycle.to_json(),
            "tasks": self.tasks,
            "tools": list(self.tools),
            "sample": self.sample,
            "seconds": round(self.seconds, 1),
        }


def run_second_act(
    folder: Path, *, progress: Progress, say: Say, quick: bool = False
) -> ToolsReport:
    """Run the second act on the embedded model.

    One that was interrupted goes on where it stopped; one that had finished starts over.

    Args:
        folder: Where the project goes; made if it is not there.
        progress: Told how each evaluation goes.
        say: Told, in a line each, what happens next.
        quick: Fewer messages.

    Raises:
        UserMistake: The embedded model is not installed, or the folder cannot be written.
    """
    began = time.monotonic()
    config_path = scaffold(folder, quick=quick)
    config = load_config(config_path)
    sys.modules.pop(_TOOLS, None)  # another folder's, if this process ran the demo there
    parts = assemble(config, folder=folder)
    try:
        if parts.store.get_meta("demo") == "finished":
            parts.store.close()
            shutil.rmtree(folder / ".strop")
            parts = assemble(config, folder=folder)
        report = anyio.run(_act, parts, folder, progress, say, began)
        parts.store.set_meta("demo", "finished")
    finally:
        parts.store.close()
    return report


def scaffold(folder: Path, *, quick: bool) -> Path:
    """Write the project: `strop.yaml`, tasks, tools, their database, and the runs by people."""
    desk = made_desk(_QUICK if quick else _COUNTS)
    labels = json.dumps(sorted(article.id for article in desk.articles))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_tasks(desk.tasks, folder / "tasks.jsonl")
        source = (resources.files("strop.demo") / f"{_TOOLS}.py").read_text(encoding="utf-8")
        write_whole(folder / f"{_TOOLS}.py", _NEXT_FILE.sub("", source))
        write_whole(folder / _RUNS, "".join(run_lines(desk.runs)))
        _write_database(folder / "desk.db", desk)
    except (OSError, sqlite3.Error) as error:
        raise BadInput(f"cannot be written: {error}", where=str(folder)) from None
    path = folder / "strop.yaml"
    write_whole(path, _CONFIG.format(tools=_TOOLS, labels=labels))
    return path


def _write_database(path: Path, desk: Desk) -> None:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(_TABLES)
        people = desk.customers
        database.executemany(
            "INSERT INTO customers VALUES (?, ?, ?)", [(c.id, c.name, c.email) for c in people]
        )
        database.executemany(
            "INSERT INTO subscriptions VALUES (?, ?, ?)", [(c.id, c.plan, c.boxes) for c in people]
        )
        database.executemany(
            "INSERT INTO articles VALUES (?, ?, ?, ?)",
            [(a.id, a.plan, a.topic, a.title) for a in desk.articles],
        )


async def _act(
    parts: Parts, folder: Path, progress: Progress, say: Say, began: float
) -> ToolsReport:
    cold = parts.base
    say("1/3  cold start: three tools, and nothing but their descriptions")
    before = await sealed(parts, cold, progress)
    say(f"2/3  {_import(parts, folder)} runs by people are imported; what is mined is judged")
    cycle = await loops.hear_once(parts, budget=Budget(), progress=progress)
    released = settle(parts.base, parts.store)
    say("3/3  the sealed test again, with the spec that is released now")
    after = await sealed(parts, released, progress)
    return ToolsReport(
        folder=folder,
        before=side(cold, before),
        after=side(released, after),
        cycle=cycle,
        tasks={s.value: sum(1 for t in parts.tasks if t.split is s) for s in _COUNTS},
        tools=tuple(str(item.content["name"]) for item in _learned_tools(cold, released)),
        sample=_sample(before, after),
        seconds=time.monotonic() - began,
    )


def _import(parts: Parts, folder: Path) -> int:
    """Bring in the runs by people, if they are not there yet; how many they are."""
    runs = tuple(load_runs(folder / _RUNS))
    held = {scored.run.id for scored in parts.store.runs(split=Split.TRAIN)}
    parts.store.put_tasks(parts.tasks)
    parts.store.put_runs(scored for scored in runs if scored.run.id not in held)
    return len(runs)


def _learned_tools(cold: AgentSpec, released: AgentSpec) -> Sequence[Item]:
    held = {item.id for item in cold.items}
    return [item for item in released.of_kind(Kind.TOOL) if item.id not in held]


def _sample(before: Sequence[ScoredRun], after: Sequence[ScoredRun]) -> dict[str, str]:
    """The first sealed message that was answered wrongly before and rightly after."""
    for cold, warm in zip(before, after, strict=True):
        if (cold.value, warm.value) == (0.0, 1.0):
            return {
                "message": str(cold.run.input),
                "before": _told(cold),
                "after": _told(warm),
            }
    return {}


def _told(scored: ScoredRun) -> str:
    """A run in a line: its calls, and how it ended."""
    calls = [step for step in scored.run.steps if isinstance(step, ToolCall)]
    told = [f"{call.tool} failed" if call.error else call.tool for call in calls]
    end = "no answer" if scored.run.error is not None else str(scored.output)
    return ", ".join([*_counted(told), end])


def _counted(told: Sequence[str]) -> list[str]:
    """The same in a row once, with how often."""
    out: list[tuple[str, int]] = []
    for text in told:
        if out and out[-1][0] == text:
            out[-1] = text, out[-1][1] + 1
        else:
            out.append((text, 1))
    return [text if count == 1 else f"{text} ({count} times)" for text, count in out]
