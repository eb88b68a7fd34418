"""`execute(spec, task) -> Run`: one attempt, always recorded.

A *backend* answers a task, given its context, and writes what happens into a `Trace` as it
happens, so that an attempt that raises or runs out of time still leaves the steps it took. Two
backends: `function_backend` (any async callable) here, and the Pydantic AI agent in
`agent_pydantic.py`. Nothing is scored or stored here.

Next file: `agent_pydantic.py`.
"""

import asyncio
import inspect
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias

import anyio
import anyio.to_thread

from strop.context import Context
from strop.errors import BadInput, ModelFailed, UserMistake
from strop.jsonvalue import Json, checked, salvaged
from strop.run import ErrorStep, ModelCall, Run, RunError, Step, ToolCall, Usage
from strop.spec import AgentSpec
from strop.task import Split, Task

__all__ = [
    "AgentFunction",
    "Backend",
    "LimitReached",
    "Limits",
    "OutputRefused",
    "Trace",
    "execute",
    "failing_backend",
    "function_backend",
    "one_line",
]

AgentFunction: TypeAlias = Callable[[Task, Context], Awaitable[Any] | Any]


class LimitReached(Exception):
    """A backend stopped because a limit was reached; becomes a run error of type ``limit``."""


class OutputRefused(Exception):
    """The agent's answer is not what was asked for; becomes a run error of type ``output``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one run.

    Attributes:
        steps: Model requests.
        tokens: Input and output tokens together; `None` for no bound.
        seconds: Wall-clock time.
    """

    steps: int = 20
    tokens: int | None = None
    seconds: float = 120.0

    def __post_init__(self) -> None:
        if self.steps < 1 or (self.tokens is not None and self.tokens < 1) or not self.seconds > 0:
            raise BadInput("steps, tokens and seconds must be above 0", where="limits")


@dataclass(slots=True)
class Trace:
    """What happened in a run so far; a backend appends to it."""

    steps: list[Step] = field(default_factory=list)

    def add(self, step: Step) -> None:
        self.steps.append(step)

    def usage(self, seconds: float) -> Usage:
        """The sum over all steps, with the run's own wall-clock time."""
        total = Usage()
        for step in self.steps:
            if isinstance(step, ModelCall):
                total += step.usage
            elif isinstance(step, ToolCall):
                total += Usage(tool_calls=1)
        return replace(total, seconds=seconds)


class Backend(Protocol):
    """What answers a task. Raises when it cannot; `execute` records that."""

    async def __call__(self, task: Task, context: Context, trace: Trace, limits: Limits) -> Any: ...


def function_backend(function: AgentFunction) -> Backend:
    """A backend around ``(task, context) -> output``; a plain function runs in a thread."""

    async def answer(task: Task, context: Context, trace: Trace, limits: Limits) -> Any:
        if inspect.iscoroutinefunction(function):
            return await function(task, context)
        # Abandoned on a time-out: a thread cannot be stopped, but the run need not wait for it.
        result = await anyio.to_thread.run_sync(function, task, context, abandon_on_cancel=True)
        return await result if inspect.isawaitable(result) else result

    return answer


def failing_backend(error: Exception) -> Backend:
    """A backend that raises `error`: for a run that fails before the agent is asked."""

    async def answer(task: Task, context: Context, trace: Trace, limits: Limits) -> Any:
        raise error

    return answer


async def execute(
    spec: AgentSpec,
    task: Task,
    *,
    split: Split,
    context: Context,
    backend: Backend,
    limits: Limits = Limits(),
    trial: int = 0,
    clock: Callable[[], float] = time.time,
) -> Run:
    """Attempt one task and record it, whatever happens.

    What the spec's table is sure of is answered by it, and recorded as a call of it; the backend is
    not asked.

    Args:
        spec: The agent.
        task: The task.
        split: Where the task is from.
        context: What the task gets to see (`select`).
        backend: What answers.
        limits: Bounds of the run.
        trial: Number of the attempt.
        clock: Seconds since the epoch.

    Returns:
        The run. One that raised, timed out or answered rubbish has an `error` and the steps it
        took until then. Only cancellation from outside passes through.
    """
    trace, started, tick = Trace(), clock(), time.perf_counter()
    output: Json = None
    error: RunError | None = None
    try:
        with anyio.fail_after(limits.seconds) as scope:
            answer = await _answer(task, context, backend, trace, limits)
        output = _output(answer)
    except anyio.get_cancelled_exc_class() as raised:
        if _is_being_cancelled():
            raise
        error = _classified(raised, timed_out=False, limits=limits)
    except (Exception, SystemExit) as raised:  # noqa: BLE001 - whatever it is, it is recorded
        error = _classified(raised, timed_out=scope.cancelled_caught, limits=limits)
    if error is not None:
        trace.add(ErrorStep(type=error.type, message=error.message))
    return Run(
        id=uuid.uuid4().hex,
        task=task.id,
        input=task.input,
        split=split,
        task_digest=task.digest,
        trial=trial,
        spec=spec.id,
        steps=tuple(trace.steps),
        output=output,
        error=error,
        usage=trace.usage(round(time.perf_counter() - tick, 6)),
        shown=context.shown,
        withheld=context.withheld,
        at=started,
    )


async def _answer(
    task: Task, context: Context, backend: Backend, trace: Trace, limits: Limits
) -> Any:
    known = context.resolution
    if known is None:
        return await backend(task, context, trace, limits)
    trace.add(ToolCall(tool=known.item, args={"input": task.text}, result=known.output))
    return known.output


def _output(answer: Any) -> Json:
    """The answer, if it is one.

    Raises:
        OutputRefused: It is nothing, or not JSON.
    """
    try:
        output = checked(answer, where="the agent's output")
    except BadInput as error:
        raise OutputRefused(str(error)) from None
    if output is None:
        raise OutputRefused("the agent returned nothing (None)")
    return output


def _is_being_cancelled() -> bool:
    """Whether somebody cancels this run, or the agent just raised what a cancellation raises."""
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0


def one_line(error: BaseException) -> str:
    """An exception's message as one line that can be stored; empty where it has none."""
    return str(salvaged(" ".join(str(error).split())[:500]))


def _classified(raised: BaseException, *, timed_out: bool, limits: Limits) -> RunError:
    """Which kind of failure an exception is."""
    line = one_line(raised) or "no message"
    if timed_out:
        return RunError(type="timeout", message=f"no answer within {limits.seconds:g} s")
    match raised:
        case LimitReached():
            return RunError(type="limit", message=line)
        case OutputRefused():
            return RunError(type="output", message=line)
        case ModelFailed() | UserMistake():  # a set-up that does not hold says nothing of the agent
            return RunError(type="model", message=line)
        case _:
            return RunError(type="agent", message=f"{type(raised).__name__}: {line}")
