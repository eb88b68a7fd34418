"""The memory under test: Strop's own miners, proposers and retrieval, task after task.

Nothing here looks at the schema or at a later task.

Next file: `measure.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import anyio
import numpy as np
from numpy.typing import NDArray

from strop.context import Library, count_tokens, keys, retrievable, select
from strop.embed import Embedder
from strop.mine.calls import calls_of
from strop.mine.facts.miner import FactMiner
from strop.mine.failures.repairs import mine_repairs
from strop.propose.brief import Brief
from strop.propose.facts import KeptFacts, MinedFacts
from strop.propose.lessons import MinedLessons
from strop.run import ScoredRun
from strop.spec import AgentSpec, Item, Selection, apply
from strop.task import Task

from .data import Row

MEMORIES = 8
TOKENS = 500
BLOCK = 5  # tasks after which the facts are brought up to date
LESSONS = 50  # tasks after which lessons are, which are mined from all runs anew

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is known at one moment.

    Attributes:
        spec: The agent; its memories are the facts.
        library: They, ready to be searched.
        vectors: Unit vectors of the texts they are found by, and of others.
        recent: Ids of the facts, the one that was last put in or revised last.
    """

    spec: AgentSpec
    library: Library
    vectors: Mapping[str, Vector]
    recent: tuple[str, ...] = ()


Choose = Callable[[Memory, Task, Vector], Sequence[Item]]


@dataclass(frozen=True, slots=True)
class Shown:
    """One task, what came before it in its database, and what it was shown."""

    row: Row
    earlier: tuple[Row, ...]
    items: tuple[Item, ...]


class Vectors:
    """Texts to unit vectors, each embedded once."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, Vector] = {}

    def of(self, texts: Sequence[str]) -> Mapping[str, Vector]:
        missing = list(dict.fromkeys(text for text in texts if text not in self._known))
        if missing:
            rows = anyio.run(self._embedder.embed, missing)
            self._known.update(zip(missing, rows, strict=True))
        return self._known

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return await self._embedder.embed(list(texts))


def selected(memory: Memory, task: Task, query: Vector) -> Sequence[Item]:
    """What Strop shows."""
    context = select(memory.spec, task, library=memory.library, query=query)
    by_id = {item.id: item for item in memory.spec.items}
    return [by_id[item_id] for item_id in context.shown if item_id in by_id]


def last_ones(memory: Memory, task: Task, query: Vector) -> Sequence[Item]:
    """The facts that were last learned, whatever the task."""
    by_id = {item.id: item for item in memory.spec.items}
    return _within(by_id[item_id] for item_id in reversed(memory.recent) if item_id in by_id)


def most_similar(memory: Memory, task: Task, query: Vector) -> Sequence[Item]:
    """The facts of the task's category nearest to it, by the nearest of their inputs."""
    vectors = memory.vectors
    items = [i for i in memory.spec.items if i.content.get("categories") == [task.category]]
    best = {item.id: max(float(vectors[key] @ query) for key in keys(item)) for item in items}
    return _within(sorted(items, key=lambda item: -best[item.id]))


def _within(items: Iterator[Item] | Sequence[Item]) -> list[Item]:
    """The first of them that fit."""
    chosen: list[Item] = []
    left = TOKENS
    for item in items:
        cost = count_tokens(item.text)
        if cost <= left and len(chosen) < MEMORIES:
            chosen.append(item)
            left -= cost
    return chosen


def replay(
    agent: str,
    rows: Sequence[Row],
    vectors: Vectors,
    *,
    gold: bool,
    choose: Choose = selected,
    lessons: bool = False,
) -> Iterator[Shown]:
    """Goes through an agent's tasks in order; earlier ones teach.

    Args:
        agent: Its name.
        rows: Its tasks.
        vectors: The embedder.
        gold: Whether the right answers of earlier tasks may teach.
        choose: What decides what a task is shown.
        lessons: Whether repairs are mined as well, every 50 tasks.
    """
    spec = AgentSpec(
        name=agent,
        model="none",
        selection=Selection(examples=0, memories=MEMORIES, tokens=TOKENS),
    )
    memory = _with(spec, vectors, ())
    tasks: dict[str, Task] = {}
    miner = FactMiner(tasks=tasks)
    runs: list[ScoredRun] = []
    earlier: dict[str, list[Row]] = {}
    for position, row in enumerate(rows):
        scored = row.run(agent, position)
        if position and position % BLOCK == 0:
            memory = _improved(memory, miner, tasks, vectors, now=scored.run.at or 0.0)
            if lessons and position % LESSONS == 0:
                memory = _with_lessons(memory, runs, tasks, vectors)
        task = row.task(gold=False)
        query = vectors.of([task.text])[task.text]
        items = choose(memory, task, query)
        yield Shown(row, tuple(earlier.get(row.db, ())), tuple(items))
        tasks[scored.run.task] = row.task(gold=gold)
        miner.add(scored, calls_of(scored.run))
        runs.append(scored)
        earlier.setdefault(row.db, []).append(row)


def _improved(
    memory: Memory, miner: FactMiner, tasks: Mapping[str, Task], vectors: Vectors, *, now: float
) -> Memory:
    """The memory after the proposals on facts, taken as they are: no gate stands in between."""
    spec, recent, findings = memory.spec, list(memory.recent), miner.findings()
    for proposer in (KeptFacts(), MinedFacts()):
        brief = Brief(spec=spec, findings=findings, tasks=tasks, embed=vectors.embed, now=now)
        proposal = proposer.propose(brief)
        if proposal is not None:
            changed = [change.item_id for change in proposal.changes]
            spec = apply(spec, proposal.changes)
            recent = [item_id for item_id in recent if item_id not in changed]
            recent += reversed(changed)
    return memory if spec is memory.spec else _with(spec, vectors, tuple(recent))


def _with_lessons(
    memory: Memory, runs: Sequence[ScoredRun], tasks: Mapping[str, Task], vectors: Vectors
) -> Memory:
    """The memory after one proposal of lessons."""
    findings = mine_repairs(runs, tasks=tasks)
    brief = Brief(spec=memory.spec, findings=findings, tasks=tasks, embed=vectors.embed)
    proposal = anyio.run(MinedLessons(), brief)
    if proposal is None:
        return memory
    return _with(apply(memory.spec, proposal.changes), vectors, memory.recent)


def _with(spec: AgentSpec, vectors: Vectors, recent: tuple[str, ...]) -> Memory:
    texts = [text for item in retrievable(spec) for text in keys(item)]
    known = vectors.of(texts)
    library = Library.build(spec, known, embedder="bench")
    return Memory(spec=spec, library=library, vectors=known, recent=recent)
