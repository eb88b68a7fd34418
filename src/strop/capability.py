"""`Strop`: the loop as a capability of an existing Pydantic AI agent.

    Agent("openai:gpt-5", capabilities=[Strop("strop.yaml")])

Before each run it selects what the released spec has for this prompt (instructions, examples,
memories, tools) and shows it; after the run, however it ended, the run is recorded.

Next file: `serving.py`.
"""

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic_ai import AgentRunResult, RunContext
from pydantic_ai.capabilities import AbstractCapability, WrapRunHandler
from pydantic_ai.toolsets import FunctionToolset
from pydantic_core import to_jsonable_python

from strop.agent import Trace, one_line
from strop.agent_pydantic import ContextCapability
from strop.assembly import assemble
from strop.config import load_config
from strop.context import Context, select
from strop.errors import StropError
from strop.jsonvalue import Json, digest, salvaged
from strop.parts import Parts
from strop.run import ErrorStep, Run, RunError, Score
from strop.score import score
from strop.settle import settle
from strop.spec import AgentSpec
from strop.task import Split, Task

__all__ = ["Strop"]

logger = logging.getLogger(__name__)


class Strop(AbstractCapability[Any]):
    """Gives an existing Pydantic AI agent what was learned, and records its runs.

    The agent keeps its own model, instructions and tools; the released spec's come on top. The
    embedded event loop of `SelfImprovingAgent` is not involved: everything runs in the agent's own.

    Args:
        config: Path of a `strop.yaml`, or the parts of an agent put together with `assemble`.
        task: Makes a `Task` of a run's prompt, where more is known than its text (id, expected
            answer, category); by default a production task with the text as its input.
    """

    def __init__(
        self,
        config: str | Path | Parts = "strop.yaml",
        *,
        task: Callable[[RunContext[Any]], Task] | None = None,
    ) -> None:
        super().__init__()
        if isinstance(config, Parts):
            self.parts = config
        else:
            path = Path(config).resolve()
            self.parts = assemble(load_config(path), folder=path.parent)
        self._task = task or _task_of

    async def for_run(self, ctx: RunContext[Any]) -> AbstractCapability[Any]:
        """Select what this run gets to see."""
        task = self._task(ctx)
        spec, context = await self._selected(task)
        context = context.without(_taken(context, ctx))
        return _RecordedRun(
            context=context,
            trace=Trace(),
            toolbox=self.parts.toolbox,
            parts=self.parts,
            spec=spec,
            task=replace(task, split=Split.PRODUCTION),
        )

    async def _selected(self, task: Task) -> tuple[AgentSpec, Context]:
        """The spec that serves and what it shows; where that fails, the agent runs without."""
        try:
            spec = settle(self.parts.base, self.parts.store)
            context = await self.parts.libraries.context(
                spec, task, now=self.parts.clock(), resolve=False
            )
            return spec, context.without(self.parts.inert(spec))
        except StropError as error:
            logger.warning("nothing learned is shown to this run: %s", error)
            return self.parts.base, select(self.parts.base, task)


def _taken(context: Context, ctx: RunContext[Any]) -> dict[str, str]:
    """The learned tools whose names the agent has given to tools of its own, by item id.

    Two tools of one name end a run; what the agent was given comes before what was learned.
    """
    toolsets = [] if ctx.agent is None else ctx.agent.toolsets
    own = {name for each in toolsets if isinstance(each, FunctionToolset) for name in each.tools}
    taken = {i.id: str(i.content["name"]) for i in context.tools if i.content["name"] in own}
    for name in taken.values():
        logger.warning("the learned tool %s is left out: the agent has one of that name", name)
    return taken


@dataclass(kw_only=True)
class _RecordedRun(ContextCapability):
    """One run: shows its context, and stores what came of it."""

    parts: Parts
    spec: AgentSpec
    task: Task

    def get_instructions(self) -> Any:
        """The stable part first, then the notes chosen for this run, marked as changing."""
        instructions: list[Any] = [self.context.instructions] if self.context.instructions else []
        if self.context.notes:
            instructions.append(lambda: self.context.reminder)
        return instructions or None

    async def wrap_run(
        self, ctx: RunContext[Any], *, handler: WrapRunHandler
    ) -> AgentRunResult[Any]:
        started, tick = self.parts.clock(), time.perf_counter()
        output: Json = None
        error: RunError | None = None
        try:
            result = await handler()
            output = _as_json(result.output)
        except BaseException as raised:
            error = RunError(type="agent", message=f"{type(raised).__name__}: {one_line(raised)}")
            self.trace.add(ErrorStep(type=error.type, message=error.message))
            raise
        finally:
            await self._record(output, error, started, round(time.perf_counter() - tick, 6))
        return result

    async def _record(
        self, output: Json, error: RunError | None, started: float, seconds: float
    ) -> None:
        run = Run(
            id=uuid.uuid4().hex,
            task=self.task.id,
            input=self.task.input,
            split=Split.PRODUCTION,
            task_digest=self.task.digest,
            spec=self.spec.id,
            steps=tuple(self.trace.steps),
            output=output,
            error=error,
            usage=self.trace.usage(seconds),
            shown=self.context.shown,
            withheld=self.context.withheld,
            at=started,
        )
        try:
            # Kept before it is scored: a run whose scoring is cancelled is not lost.
            self.parts.store.put_run(run, task=self.task)
            seconds = self.parts.limits.seconds
            result = await score(self.parts.scorer, self.task, run, seconds=seconds)
            if isinstance(result, Score):
                self.parts.store.add_score(run.id, result)
        except StropError:
            # The agent's answer, or its own error, matters more to its caller than our record.
            logger.exception("run %s was not recorded", run.id)


def _task_of(ctx: RunContext[Any]) -> Task:
    """The run's prompt as a task; what is not text (images, files) is left out of it."""
    prompt = ctx.prompt
    if prompt is None:
        text = "(no prompt)"
    elif isinstance(prompt, str):
        text = prompt
    else:
        text = "\n".join(part for part in prompt if isinstance(part, str)) or "(no text)"
    text = str(salvaged(text)) or "(empty)"
    return Task(id=f"task-{digest(text)[:16]}", input=text)


def _as_json(output: Any) -> Json:
    """An agent's output as JSON: models and dataclasses by pydantic's rules."""
    return salvaged(to_jsonable_python(output, fallback=repr, inf_nan_mode="strings"))
