"""`Parts`: an agent's working parts, assembled once; both loops run on them.

Next file: `trial.py`.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from strop.agent import Backend, Limits
from strop.evaluation import Budget, Evaluator, Progress
from strop.gate import MarginPolicy
from strop.grants import Grants
from strop.levers import resolve_levers
from strop.libraries import Libraries
from strop.propose import MinedExamples, Proposer
from strop.propose.reflect.reflector import Reflection
from strop.score import Scorer
from strop.spec import AgentSpec, Kind
from strop.store import Store
from strop.task import Task
from strop.tools import Toolbox

__all__ = ["Parts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """An agent's working parts, assembled once.

    Attributes:
        base: The spec that the configuration alone gives.
        store: Where runs, specs and the ledger are kept.
        libraries: Specs' retrievable items with their vectors.
        scorer: Says how good a run is.
        backend: Makes what answers tasks for a spec.
        toolbox: What tools are called with, and which cannot be.
        grants: What learned tools are granted, and their record; `None` where nothing is.
        tasks: All tasks with a split.
        policy: Decides on candidates.
        limits: Bounds of one run.
        pins: What else decides a result and is not in the spec: the version of the agent's code, of
            its tools and of the model's file. Part of every cache key.
        trials: Runs per held-out task and spec.
        concurrency: Runs at a time.
        proposers: Who may propose in a cycle, in the order they are heard.
        pull: Makes the proposers of the levers named, as the configuration has them.
        reflections: Where the proposers' model leaves what it was asked and what that cost; emptied
            as it is accounted for.
        floor: Share of the answers that a table of resolutions gives that must be right.
        unseen: Share of the tasks with an answer it does not know that it must leave to the model.
        good: Score from which an answer is worth showing.
        poor: Score under which a run counts as a failure.
        seed: Of everything that is drawn at random.
        clock: Seconds since the epoch.
    """

    base: AgentSpec
    store: Store
    libraries: Libraries
    scorer: Scorer
    backend: Callable[[AgentSpec], Backend]
    toolbox: Toolbox = Toolbox()
    grants: Grants | None = None
    tasks: tuple[Task, ...] = ()
    policy: MarginPolicy = MarginPolicy()
    limits: Limits = Limits()
    pins: str = ""
    trials: int = 1
    concurrency: int = 4
    proposers: tuple[Proposer, ...] = (MinedExamples(),)
    pull: Callable[[Iterable[str]], tuple[Proposer, ...]] = resolve_levers
    reflections: list[Reflection[Any]] = field(default_factory=list)
    floor: float = 0.98
    unseen: float = 0.95
    good: float = 0.8
    poor: float = 0.7
    seed: int = 0
    clock: Callable[[], float] = time.time

    def inert(self, spec: AgentSpec) -> dict[str, str]:
        """The tools of a spec that cannot be called now, by item id, each with why."""
        tools = spec.of_kind(Kind.TOOL)
        return self.toolbox.inert(tools) if tools else {}

    def evaluator(self, budget: Budget, progress: Progress) -> Evaluator:
        """What runs and scores many tasks."""
        return Evaluator(
            store=self.store,
            libraries=self.libraries,
            scorer=self.scorer,
            backend=self.backend,
            limits=self.limits,
            pins=self.pins,
            inert=self.inert,
            concurrency=self.concurrency,
            clock=self.clock,
            budget=budget,
            progress=progress,
        )
