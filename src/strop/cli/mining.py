"""`strop mine`: findings in a file of runs, or in the store's, without a model.

Nothing is written. Runs of held-out tasks are passed over, also in a file: what is found in them
would reach the agent by way of whoever reads it.

Next file: `cli/memory.py`.
"""

import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, cast

import anyio
import numpy as np
from numpy.typing import NDArray
from rich.console import RenderableType
from rich.text import Text

from strop.cli.opening import opened_store, tasks_of
from strop.cli.output import block, counted, heading, note, show, table, text
from strop.cli.reading import Runs, telling
from strop.config import Config, base_spec, load_config
from strop.embed import resolve_embedder
from strop.errors import BadInput, ModelFailed, UserMistake
from strop.evidence import best_runs, is_of, known_answers, right_answers, sources
from strop.heldout import HeldOut
from strop.jsonvalue import Json, JsonObject, is_object
from strop.mine import Finding, SnippetMiner, mine_chains, mine_gaps, mine_misuse, mine_stream
from strop.mine.confusions import mine_confusions
from strop.mine.facts.miner import mine_facts
from strop.mine.failures.patterns import mine_failures
from strop.mine.failures.repairs import mine_repairs
from strop.mine.feedback import feedback_texts
from strop.mine.orders.patterns import mine_orders
from strop.mine.preferences import mine_preferences
from strop.mine.resolutions import mine_resolutions
from strop.resolution import is_table
from strop.run import ScoredRun, load_runs
from strop.score import Scorer, resolve_scorer
from strop.spec import Kind
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
    """What every miner gets: the runs, tasks that may teach by id, tools, and the settings."""

    runs: Runs
    tasks: dict[str, Task]
    tools: dict[str, JsonObject] | None  # schemas of parameters by name, where they are known
    settings: Config
    folder: Path

    @property
    def known(self) -> dict[str, Task] | None:
        """The tasks; `None` where there are none, so that no run is passed over for want of one."""
        return self.tasks or None

    async def answers(self) -> tuple[dict[str, ScoredRun], dict[str, Json]]:
        """The best run of each task, and the right answers of those that fell short."""
        good = self.settings.good
        with redirect_stdout(sys.stderr):  # what a project's scorer prints is no result
            best = best_runs(self.runs, self.tasks, good)
            return best, await known_answers(best, self.tasks, self._scorer(), good)

    def _scorer(self) -> Scorer:
        """The configured scorer; a judge is not asked for what is known."""
        if (beside := str(self.folder.resolve())) not in sys.path:
            sys.path.insert(0, beside)
        # Without its tools: they are code of the project that has no part in this.
        plain = self.settings.model_copy(update={"tools": ()})
        criteria = base_spec(plain, embedder=plain.embedder).of_kind(Kind.CRITERION)
        return resolve_scorer(plain.scorer, criteria=criteria, ask=_nobody)


async def _nobody(_instructions: str, _prompt: str, _schema: JsonObject) -> Json:
    raise ModelFailed("no model is asked while mining")


_Miner: TypeAlias = Callable[[_Basis], Awaitable[tuple[Finding, ...]]]


async def _failures(given: _Basis) -> tuple[Finding, ...]:
    return mine_failures(given.runs, tasks=given.known, good=given.settings.good)


async def _facts(given: _Basis) -> tuple[Finding, ...]:
    return mine_facts(given.runs, tasks=given.known)


async def _repairs(given: _Basis) -> tuple[Finding, ...]:
    return mine_repairs(given.runs, tasks=given.known)


async def _confusions(given: _Basis) -> tuple[Finding, ...]:
    best, known = await given.answers()
    return mine_confusions(best.values(), known=known, tasks=given.tasks)


async def _heuristics(given: _Basis) -> tuple[Finding, ...]:
    good, poor = given.settings.good, given.settings.poor
    return mine_orders(given.runs, tasks=given.known, good=good, poor=poor)


async def _preferences(given: _Basis) -> tuple[Finding, ...]:
    feedback = feedback_texts(given.runs, good=given.settings.good)
    vectors, _ = await _embedded(given, [each.text for each in feedback])
    return mine_preferences(feedback, vectors)


async def _chains(given: _Basis) -> tuple[Finding, ...]:
    good, poor = given.settings.good, given.settings.poor
    return mine_chains(given.runs, tools=given.tools, good=good, poor=poor)


async def _snippets(given: _Basis) -> tuple[Finding, ...]:
    settings = given.settings
    miner = SnippetMiner(tasks=given.known, good=settings.good, poor=settings.poor)
    return mine_stream(given.runs, [miner])


async def _gaps(given: _Basis) -> tuple[Finding, ...]:
    good, poor = given.settings.good, given.settings.poor
    return mine_gaps(given.runs, tools=given.tools, tasks=given.known, good=good, poor=poor)


async def _misuse(given: _Basis) -> tuple[Finding, ...]:
    return mine_misuse(given.runs, tools=given.tools, tasks=given.known)


async def _resolutions(given: _Basis) -> tuple[Finding, ...]:
    best, known = await given.answers()
    told = right_answers(best, given.tasks, known, given.settings.good)
    told = [answer for answer in told if answer.output is not None]
    vectors, embedder = await _embedded(given, [given.tasks[each.task].text for each in told])
    asked = given.settings.resolutions
    found = mine_resolutions(
        told, vectors, embedder=embedder, floor=asked.floor, unseen=asked.unseen
    )
    return () if found is None else (found,)


async def _embedded(given: _Basis, texts: list[str]) -> tuple[NDArray[np.float32], str]:
    """Vectors of texts, shape (n, dim), and the embedder's id."""
    embedder = resolve_embedder(given.settings.embedder)
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
        support = finding.data.get("support")
        data = support if is_object(support) else finding.data
        named = len({runs.task_of.get(run, run) for run in finding.runs})
        tasks = [n for n in (data.get("n_tasks"), data.get("tasks")) if isinstance(n, int)]
        n_runs = data.get("n_runs", data.get("runs"))
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
    "confusions": _confusions,
    "heuristics": _heuristics,
    "preferences": _preferences,
    "chains": _chains,
    "snippets": _snippets,
    "gaps": _gaps,
    "misuse": _misuse,
}
_BY_TASK = ("confusions", "resolutions")  # about tasks, so one that only a run tells of is one too


def mine(config: Path, *, kind: str, where: Where, as_json: bool) -> int:
    """Findings of one kind."""
    if kind not in KINDS:
        raise UserMistake(f"{kind!r} cannot be mined; what can is {', '.join(KINDS)}")
    if kind == "confusions" and where.runs is not None and where.tasks is None:
        raise UserMistake(
            "confusions need the right answers: --tasks FILE, the tasks of those runs"
        )
    settings = _settings(config, where)
    given = () if where.tasks is None else load_tasks(where.tasks)
    with _opened(config, where) as store, telling() as tell:
        known = given if store is None else (*_dealt(tasks_of(settings, config), store), *given)
        tasks = [*(() if store is None else store.tasks(split=None)), *known]
        held_out = HeldOut.of(known)
        teaching = {t.id: t for t in known if not held_out.bars(t.id, t.text, t.group)}
        if store is not None:
            teaching = {**sources(store, known), **teaching}
        # A cycle knows no task that only a run tells of; of a file's runs that may be all there is.
        told = kind in _BY_TASK if not teaching else store is None
        runs = Runs(
            _read(where, store, teaching),
            held_out=held_out,
            tasks=teaching if told else None,
            groups={task.id: task.group for task in tasks},
            tell=tell,
        )
        basis = _Basis(
            runs=runs,
            tasks=teaching,
            tools=None if store is None else _tools(store),
            settings=settings,
            folder=config.parent,
        )
        found = anyio.run(KINDS[kind], basis)
    if runs.passed_over:
        note(f"passed over {counted(runs.passed_over, 'run')} of held-out tasks")
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


def _tools(store: Store) -> dict[str, JsonObject] | None:
    """The parameters of what serves, by the tool's name; `None` before the first release."""
    release = store.released()
    if release is None:
        return None
    return {
        str(tool.content["name"]): cast("JsonObject", tool.content["parameters"])
        for tool in store.spec(release.spec).of_kind(Kind.TOOL)
        if not is_table(tool)
    }


def _dealt(tasks: Sequence[Task], store: Store) -> tuple[Task, ...]:
    """The tasks, those without a split with the one that they were dealt when the agent ran."""
    before = {task.id: task.split for task in store.tasks(split=None)}
    return tuple(t if t.split is not None else replace(t, split=before.get(t.id)) for t in tasks)


def _read(where: Where, store: Store | None, tasks: Mapping[str, Task]) -> Iterator[ScoredRun]:
    """The runs; of those in the store none of a task that was edited since, as in a cycle."""
    if store is None:
        assert where.runs is not None  # noqa: S101 - one of them is given
        yield from load_runs(where.runs)
        return
    for split in (Split.TRAIN, Split.PRODUCTION):
        for scored in store.runs(split=split):
            task = tasks.get(scored.run.task)
            if task is None or is_of(scored.run, task):
                yield scored


def _blocks(kind: str, runs: Runs, rows: Sequence["_Row"], found: int) -> list[RenderableType]:
    read = len(runs.task_of)
    tasks = len(set(runs.task_of.values()))
    where = f"in {counted(read, 'run')} of {counted(tasks, 'task')}"
    out: list[RenderableType] = [heading(counted(found, kind.removesuffix("s"), kind), where)]
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
