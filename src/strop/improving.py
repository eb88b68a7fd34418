"""`SelfImprovingAgent`: the front door for Python users.

Offers the two loops as plain calls, on parts assembled from `strop.yaml` or keyword arguments.
Everything inside is async; this class runs it on one event loop in a background thread, so it works
in scripts, notebooks and threads alike.

Next file: `capability.py`.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from strop import loops
from strop.agent import AgentFunction
from strop.assembly import assemble
from strop.config import checked_config, load_config
from strop.cycle import Cycle
from strop.errors import BadInput, UserMistake
from strop.evaluation import Budget, Progress, silent
from strop.jsonvalue import digest
from strop.release import Release
from strop.run import Run, Score, ScoredRun
from strop.score import human_score
from strop.settle import planned, settle
from strop.spec import AgentSpec, Change, diff
from strop.store import Store
from strop.task import Split, Task, load_tasks

__all__ = ["SelfImprovingAgent"]

T = TypeVar("T")


class SelfImprovingAgent:
    """An agent that improves from its own runs, with its model frozen.

    Args:
        config: Path of a `strop.yaml`; or leave it out and give its fields as keyword arguments.
        tasks: Tasks (a file, or `Task` objects or dicts). Tasks without a split get one by a
            stable hash of their group, half train, a quarter each validation and test.
        agent: ``(task, context) -> output``, sync or async, instead of a Pydantic AI agent.
        model: A model name, or a Pydantic AI model object.
        scorer: A scorer's name, a `Scorer`, or a function ``(task, output) -> float``.
        tools: Python functions, or their ``module:function``.
        progress: Called as evaluations go on.
        fields: Any other field of `Config`.

    Raises:
        UserMistake: Anything that does not hold; the message says where and what to do.
    """

    def __init__(
        self,
        config: str | Path | None = None,
        *,
        tasks: str | Path | Iterable[Task | dict[str, Any]] | None = None,
        agent: AgentFunction | None = None,
        model: Any = None,
        scorer: Any = None,
        tools: Sequence[Callable[..., Any] | str] = (),
        progress: Progress = silent,
        **fields: Any,
    ) -> None:
        self._loop = _EventLoop()
        self._progress = progress
        folder = Path.cwd()
        if config is not None:
            if fields:
                raise BadInput("give either a configuration file or its fields, not both")
            folder = Path(config).resolve().parent
            settings = load_config(Path(config))
        else:
            named = {"model": model} if isinstance(model, str) else {}
            if model is not None and not named:
                named = {"model": f"object:{model.model_name}"}
            settings = checked_config(
                {**named, "tools": tuple(tools), **fields}, where="SelfImprovingAgent"
            )
        self.parts = assemble(
            settings,
            folder=folder,
            tasks=None if tasks is None else _tasks(tasks),
            deal=tasks is not None,
            agent=agent,
            model=None if isinstance(model, str) else model,
            scorer=scorer,
            functions=[tool for tool in tools if callable(tool)],
        )

    @property
    def spec(self) -> AgentSpec:
        """The spec that serves now, or will from the next run on if the configuration changed."""
        return planned(self.parts.base, self.parts.store)

    @property
    def store(self) -> Store:
        """Where everything is kept."""
        return self.parts.store

    def run(self, task: str | Task | dict[str, Any]) -> ScoredRun:
        """Do one task with the released spec; the run is scored (where it can be) and kept.

        Args:
            task: The input as text, or a whole task.
        """
        return self._loop.call(loops.serve_once(self.parts, _task(task), split=Split.PRODUCTION))

    def evaluate(self, *, split: Split | str) -> tuple[ScoredRun, ...]:
        """Run and score the released spec on every task of a split; cached runs are not repeated.

        Opening the sealed ``test`` split is recorded in the ledger.
        """

        async def evaluate() -> tuple[ScoredRun, ...]:
            return await loops.evaluate_split(
                self.parts,
                settle(self.parts.base, self.parts.store),
                split=Split(split),
                progress=self._progress,
            )

        return self._loop.call(evaluate())

    def improve(
        self, *, levers: Iterable[str] | None = None, budget: Budget | None = None
    ) -> Cycle:
        """One improvement cycle; releases a better spec, or nothing.

        Args:
            levers: Only these (`strop.levers`); by default those of the configuration.
            budget: What it may take.

        Raises:
            BadInput: There are no train or no validation tasks, or there is no such lever.
        """
        parts = self.parts
        if levers is not None:
            parts = replace(parts, proposers=parts.pull(levers))

        async def improve() -> Cycle:
            return await loops.improve_once(parts, budget=budget, progress=self._progress)

        return self._loop.call(improve())

    def history(self) -> tuple[Release, ...]:
        """All releases, oldest first."""
        return self.parts.store.releases()

    def diff(self, old: str | None = None, new: str | None = None) -> tuple[Change, ...]:
        """What changed from one spec to another; by default, in the latest release.

        Args:
            old: (The beginning of) a spec's id; by default the one before `new`.
            new: By default the spec that serves now.
        """
        releases = self.history()
        if not releases:
            return ()
        if new is None:
            new = releases[-1].spec
        if old is None:
            came = [r for r in releases if r.spec.startswith(new) and r.previous is not None]
            if not came or came[-1].previous is None:
                return ()
            old = came[-1].previous
        return diff(self.parts.store.spec(old), self.parts.store.spec(new))

    def rollback(self, to: str | None = None) -> Release:
        """Release the spec before the current one again, or the one named.

        Args:
            to: (The beginning of) a spec's id, or ``original``.
        """
        return loops.roll_back(self.parts, to=to)

    def score(self, run: str | Run, value: float, *, by: str, reason: str = "") -> Score:
        """Give a run a human score; it counts instead of the scorer's from now on.

        Args:
            run: A run or its id.
            value: In [0, 1].
            by: Who says so.
            reason: Why.
        """
        given = human_score(value, by=by, reason=reason)
        self.parts.store.add_score(run if isinstance(run, str) else run.id, given)
        return given

    def close(self) -> None:
        """Close the store and the event loop; a closed agent cannot be used again."""
        self._loop.close()
        self.parts.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _EventLoop:
    """One asyncio event loop in a background thread, started on first use.

    A daemon thread, and not anyio's blocking portal, whose thread would keep a script that does not
    close its agent from ending.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._lock = threading.Lock()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end and return the result; an interrupt cancels the work."""
        try:
            loop = self._started()
        except UserMistake:
            work.close()
            raise
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel what is running, and end the thread; the loop cannot be used again."""
        with self._lock:
            self._closed = True
            if self._loop is None or self._thread is None:
                return
            asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = None

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise UserMistake("this agent is closed; make another one")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="strop", daemon=True
                )
                self._thread.start()
            return self._loop


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _task(given: str | Task | dict[str, Any]) -> Task:
    """A task from what a user gave; text gets an id from its digest."""
    if isinstance(given, Task):
        return given
    if isinstance(given, dict):
        return Task.from_json(given)
    return Task(id=f"task-{digest(given)[:16]}", input=given)


def _tasks(given: str | Path | Iterable[Task | dict[str, Any]]) -> tuple[Task, ...]:
    if isinstance(given, str | Path):
        tasks = load_tasks(Path(given))
    else:
        tasks = tuple(_task(task) for task in given)
    return tasks
