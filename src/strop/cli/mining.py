"""`strop mine`: findings in a file of runs, or in the store's, without a model.

Nothing is written. Runs of held-out tasks are passed over, also in a file: what is found in them
would reach the agent by way of whoever reads it.

Next file: `cli/memory.py`.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import anyio
import numpy as np
from numpy.typing import NDArray
from rich.console import RenderableType
from rich.text import Text

from strop.bootstrap import HeldOut
from strop.cli.opening import opened_store, tasks_of
from strop.cli.output import block, heading, note, show, table, text
from strop.cli.reading import Runs, telling
from strop.config import Config, load_config
from strop.embed import resolve_embedder
from strop.errors import BadInput, UserMistake
from strop.evidence import sources
from strop.jsonvalue import Json, as_text
from strop.mine import Finding
from strop.mine.facts.miner import mine_facts
from strop.mine.failures.patterns import mine_failures
from strop.mine.failures.repairs import mine_repairs
from strop.mine.feedback import feedback_texts
from strop.mine.orders.patterns import mine_orders
from strop.mine.preferences import mine_preferences
from strop.mine.resolutions import Answered, mine_resolutions
from strop.run import ScoredRun, load_runs
from strop.store import Store
from strop.task import Split, Task, load_tasks

__all__ = ["KINDS", "Where", "mine"]

_SHOWN = 20  # findings that people are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What to mine.

    Attributes:
        runs: A file of runs; by default those in the store.
        tasks: Their tasks, where more than what the runs say is known.
        limit: At most so many findings.
    """

    runs: Path | None
    tasks: Path | None
    limit: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Basis:
    """What every miner gets."""

    runs: Runs
    tasks: Mapping[str, Task] | None
    good: float
    poor: float
    embedder: str


_Miner: TypeAlias = Callable[[_Basis], Awaitable[tuple[Finding, ...]]]


async def _failures(given: _Basis) -> tuple[Finding, ...]:
    return mine_failures(given.runs, tasks=given.tasks, good=given.good)


async def _facts(given: _Basis) -> tuple[Finding, ...]:
    return mine_facts(given.runs, tasks=given.tasks)


async def _repairs(given: _Basis) -> tuple[Finding, ...]:
    return mine_repairs(given.runs, tasks=given.tasks)


async def _heuristics(given: _Basis) -> tuple[Finding, ...]:
    return mine_orders(given.runs, tasks=given.tasks, good=given.good, poor=given.poor)


async def _preferences(given: _Basis) -> tuple[Finding, ...]:
    feedback = feedback_texts(given.runs, good=given.good)
    vectors, _ = await _embedded(given, [each.text for each in feedback])
    return mine_preferences(feedback, vectors)


async def _resolutions(given: _Basis) -> tuple[Finding, ...]:
    """From the best run of each task that succeeded."""
    best: dict[str, tuple[float, str, Answered]] = {}
    for scored in given.runs:
        run, value = scored.run, scored.value
        said = as_text(run.input) if run.input is not None else ""
        held = best.get(run.task)
        if value is None or value < given.good or run.output is None or not said:
            continue
        if held is None or value > held[0]:
            task = (given.tasks or {}).get(run.task)
            group = None if task is None else task.group
            answer = Answered(task=run.task, group=group, output=run.output, runs=(run.id,))
            best[run.task] = (value, said, answer)
    told = [best[task] for task in sorted(best)]
    vectors, embedder = await _embedded(given, [said for _, said, _ in told])
    found = mine_resolutions([answer for *_, answer in told], vectors, embedder=embedder)
    return () if found is None else (found,)


async def _embedded(given: _Basis, texts: list[str]) -> tuple[NDArray[np.float32], str]:
    """Vectors of texts, shape (n, dim), and the embedder's id."""
    embedder = resolve_embedder(given.embedder)
    return await embedder.embed(texts), embedder.id


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A finding with how many distinct tasks and runs stand behind it."""

    finding: Finding
    tasks: int
    runs: int

    @classmethod
    def of(cls, finding: Finding, runs: Runs) -> "_Row":
        """The finding names some of its runs; where its data count all of them, that counts."""
        data = finding.data
        named = len({runs.task_of.get(run, run) for run in finding.runs})
        tasks = [n for n in (data.get("n_tasks"), data.get("tasks")) if isinstance(n, int)]
        n_runs = data.get("n_runs")
        return cls(
            finding=finding,
            tasks=max([named, *tasks]),
            runs=max(len(finding.runs), n_runs if isinstance(n_runs, int) else 0),
        )

    def to_json(self) -> dict[str, Json]:
        return {**self.finding.to_json(), "tasks": self.tasks, "n_runs": self.runs}


KINDS: dict[str, _Miner] = {
    "failures": _failures,
    "facts": _facts,
    "resolutions": _resolutions,
    "repairs": _repairs,
    "heuristics": _heuristics,
    "preferences": _preferences,
}


def mine(config: Path, *, kind: str, where: Where, as_json: bool) -> int:
    """Findings of one kind."""
    if kind not in KINDS:
        raise UserMistake(f"{kind!r} cannot be mined; what can is {', '.join(KINDS)}")
    settings = _settings(config, where)
    given = () if where.tasks is None else load_tasks(where.tasks)
    with _opened(config, where) as store, telling() as tell:
        known = tuple(given) if store is None else (*tasks_of(settings, config), *given)
        held_out = HeldOut.of(known)
        teaching = {t.id: t for t in known if t.id not in held_out.ids}
        if store is not None:
            teaching = {**sources(store, known), **teaching}
        runs = Runs(_read(where, store), held_out=held_out, tasks=teaching, tell=tell)
        basis = _Basis(
            runs=runs,
            tasks=teaching or None,
            good=settings.good,
            poor=settings.poor,
            embedder=settings.embedder,
        )
        found = anyio.run(KINDS[kind], basis)
    if runs.passed_over:
        note(f"{runs.passed_over} runs of held-out tasks were passed over")
    kept = [_Row.of(finding, runs) for finding in found[: where.limit]]
    value: dict[str, Json] = {
        "schema": "strop.findings/1",
        "kind": kind,
        "runs": len(runs.task_of),
        "passed_over": runs.passed_over,
        "found": len(found),
        "findings": [row.to_json() for row in kept],
    }
    show(value, *_blocks(kind, runs, kept[:_SHOWN], len(found)), as_json=as_json)
    return 0


def _settings(config: Path, where: Where) -> Config:
    """The configuration; the defaults where a file of runs needs none."""
    if where.runs is not None and not config.exists():
        return Config()
    try:
        return load_config(config)
    except BadInput as error:
        if config.exists():
            raise
        hint = "`strop mine KIND RUNS.jsonl` needs none"
        raise BadInput(f"{error.problem}; {hint}", where=error.where) from None


def _opened(config: Path, where: Where) -> AbstractContextManager[Store | None]:
    return nullcontext() if where.runs is not None else opened_store(config)


def _read(where: Where, store: Store | None) -> Iterator[ScoredRun]:
    if store is None:
        assert where.runs is not None  # noqa: S101 - one of them is given
        yield from load_runs(where.runs)
        return
    for split in (Split.TRAIN, Split.PRODUCTION):
        yield from store.runs(split=split)


def _blocks(kind: str, runs: Runs, rows: Sequence["_Row"], found: int) -> list[RenderableType]:
    read = len(runs.task_of)
    tasks = len(set(runs.task_of.values()))
    out: list[RenderableType] = [heading(f"{found} {kind}", f"in {read} runs of {tasks} tasks")]
    if not read:
        out.append(text("there are no runs; `strop import runs FILE` brings some in", "dim"))
    elif not found:
        out.append(text("nothing recurs, or nothing that can be told from chance", "dim"))
    if not rows:
        return out
    cells: list[list[str | Text]] = [
        [str(row.tasks), str(row.runs), text(" ".join(row.finding.claim.split()))] for row in rows
    ]
    shown = table(("tasks", "runs", "claim"), cells, right=("tasks", "runs"))
    out.append(block(shown, top=1))
    if found > len(rows):
        told = f"and {found - len(rows)} more; --json lists all"
        out.append(block(text(told, "dim"), left=0, top=1))
    return out
