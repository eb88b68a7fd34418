"""Demonstrations by a stronger model: it answers train tasks, and the scorer says which to keep.

The model sees what the agent is told and the task's input, never the expected answer, and calls no
tools. What it answered is kept in the store at once: an interrupted seed pays for nothing twice.

Next file: `bootstrap/warmup.py`.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

import anyio

from strop.bootstrap.seed import demonstration, graded
from strop.context import count_tokens, select
from strop.errors import ModelFailed, UserMistake
from strop.evaluation import Budget, Progress, ProgressEvent, silent
from strop.jsonvalue import Json, JsonObject, canonical, digest
from strop.models.constrain import LOCAL_SYSTEM
from strop.parts import Parts
from strop.run import Usage
from strop.spec import AgentSpec, Item, Kind, Provenance, Trust
from strop.task import Task

if TYPE_CHECKING:
    from pydantic_ai.models import Model

__all__ = ["Taught", "Teacher", "worth_asking"]

_FAILURES = 3  # in a row, with no answer before them: the model is out of reach
_ANSWER = 64  # tokens that an answer takes, where nothing tells


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What came of asking.

    Attributes:
        items: Examples from the answers that were kept.
        asked: Calls made.
        from_before: Answers that an earlier call had given.
        wrong: Answers that the scorer did not take.
        unchecked: Answers kept though the scorer could not tell.
        failures: Why there is no answer, for each that there is not.
        usage: What the calls took.
    """

    items: tuple[Item, ...] = ()
    asked: int = 0
    from_before: int = 0
    wrong: int = 0
    unchecked: int = 0
    failures: tuple[str, ...] = ()
    usage: Usage = field(default=Usage())

    def to_json(self) -> dict[str, Json]:
        return {
            "demonstrations": len(self.items),
            "asked": self.asked,
            "from_before": self.from_before,
            "wrong": self.wrong,
            "unchecked": self.unchecked,
            "failures": list(self.failures),
            "usage": self.usage.to_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """A model that answers in the place of the agent.

    Attributes:
        parts: The agent's parts.
        spec: The agent as it is: its instructions and its output's schema.
        model: The model's name, as a person gave it.
        resolved: The model.
    """

    parts: Parts
    spec: AgentSpec
    model: str
    resolved: "Model"

    @property
    def instructions(self) -> str:
        """What the agent is told before every task."""
        return select(self.spec, Task(id="any", input="any")).instructions

    def key(self, task: Task) -> str:
        """What an answer is kept under: all that it depends on."""
        asked: list[Json] = [self.model, self.instructions, self.spec.output, task.input]
        return digest(asked)

    def known(self, task: Task) -> Json:
        """An earlier answer to a task's input; `None` where there is none."""
        try:
            return self.parts.store.document("taught", self.key(task))["output"]
        except UserMistake:
            return None

    def plan(self, tasks: Sequence[Task]) -> dict[str, Json]:
        """How many calls answering `tasks` takes, and about what they cost.

        An estimate: a quarter of the bytes, an output as long as the mean expected answer.
        """
        todo = [task for task in tasks if self.known(task) is None]
        told = count_tokens(self.instructions) + count_tokens(canonical(self.spec.output))
        expected = [count_tokens(canonical(t.expected)) for t in todo if t.expected is not None]
        usage = Usage(
            input_tokens=sum(told + count_tokens(task.text) for task in todo),
            output_tokens=round(fmean(expected) if expected else _ANSWER) * len(todo),
        )
        cost = _price(self.resolved, usage) if todo else 0.0
        return {"calls": len(todo), "tokens": usage.tokens, "cost": cost}

    async def teach(
        self,
        tasks: Sequence[Task],
        *,
        budget: Budget | None = None,
        progress: Progress = silent,
    ) -> Taught:
        """Ask for an answer to each task, and keep those that the scorer takes.

        Where the scorer cannot tell, the answer is kept; nobody has vouched for it, and the gate
        decides. What the budget has no room for is not asked.

        Raises:
            ModelFailed: The model answers nothing at all.
        """
        meter = _Meter(self.model, len(tasks), progress)
        outcomes: dict[str, Taught] = {}
        queue, bounds = iter(tasks), budget or Budget()

        async def work() -> None:
            for task in queue:
                if self.known(task) is None and not bounds.reserve():
                    return
                outcomes[task.id] = await self._outcome(task)
                bounds.spend(outcomes[task.id].usage)
                meter.count(outcomes[task.id])

        try:
            async with anyio.create_task_group() as group:
                for _ in range(min(self.parts.concurrency, len(tasks))):
                    group.start_soon(work)
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        # Answers come in any order; the same examples in the same order are the same spec.
        return _sum(outcomes[task.id] for task in tasks if task.id in outcomes)

    async def _outcome(self, task: Task) -> Taught:
        """One task's answer, from before or asked for now, and what the scorer makes of it."""
        output, taught = self.known(task), Taught(from_before=1)
        if output is None:
            output, taught = await self._asked(task)
        return taught if output is None else _sum([taught, await self._judged(task, output)])

    async def _asked(self, task: Task) -> tuple[Json, Taught]:
        """A fresh answer; `None` where there is none."""
        from strop.models.ask import ask  # Pydantic AI takes half a second to load

        try:
            answer = await ask(
                self.resolved,
                instructions=self.instructions,
                prompt=task.text,
                schema=self.spec.output,
            )
        except ModelFailed as error:
            return None, Taught(asked=1, failures=(str(error),))
        body: JsonObject = {"output": answer.value, "model": answer.model, "input": task.input}
        self.parts.store.put_document("taught", self.key(task), body)
        return answer.value, Taught(asked=1, usage=answer.usage)

    async def _judged(self, task: Task, output: Json) -> Taught:
        """The example that an answer makes, if the scorer takes it or cannot tell."""
        value = await graded(self.parts.scorer, task, output, seconds=self.parts.limits.seconds)
        if value is not None and value < self.parts.good:
            return Taught(wrong=1)
        item = demonstration(
            task.input,
            output,
            task=task.id,
            group=task.group,
            provenance=Provenance(by=f"model:{self.model}", trust=Trust.UNTRUSTED),
        )
        return Taught(items=(item,), unchecked=int(value is None))


def worth_asking(tasks: Sequence[Task], spec: AgentSpec) -> tuple[Task, ...]:
    """The tasks that the agent does not show an example of yet."""
    shown = {canonical(item.content["input"]) for item in spec.of_kind(Kind.EXAMPLE)}
    return tuple(task for task in tasks if canonical(task.input) not in shown)


def _sum(parts: Iterable[Taught]) -> Taught:
    parts = list(parts)
    return Taught(
        items=tuple(item for part in parts for item in part.items),
        asked=sum(part.asked for part in parts),
        from_before=sum(part.from_before for part in parts),
        wrong=sum(part.wrong for part in parts),
        unchecked=sum(part.unchecked for part in parts),
        failures=tuple(why for part in parts for why in part.failures),
        usage=sum((part.usage for part in parts), Usage()),
    )


class _Meter:
    """Counts answers, tells a `Progress`, and ends what cannot come to anything."""

    def __init__(self, model: str, total: int, progress: Progress) -> None:
        self._stage, self._total, self._progress = f"asking {model}", total, progress
        self._began, self._done, self._so_far = time.monotonic(), 0, Taught()

    def count(self, taught: Taught) -> None:
        """Raises `ModelFailed` where the first ones all fail: a wrong key fails every time."""
        self._done += 1
        so_far = self._so_far = _sum([self._so_far, taught])
        answered = so_far.from_before + so_far.asked - len(so_far.failures)
        if not answered and len(so_far.failures) >= min(_FAILURES, self._total):
            raise ModelFailed(so_far.failures[0])
        right = len(so_far.items) - so_far.unchecked
        self._progress(
            ProgressEvent(
                stage=self._stage,
                done=self._done,
                total=self._total,
                cached=so_far.from_before,
                score=right / (right + so_far.wrong) if right + so_far.wrong else None,
                cost=so_far.usage.cost,
                tokens=so_far.usage.tokens,
                seconds=time.monotonic() - self._began,
            )
        )


def _price(model: "Model", usage: Usage) -> float | None:
    """US dollars at list price; 0 for the embedded model, `None` where no price is known."""
    from genai_prices import Usage as Amount
    from genai_prices import calc_price  # comes with Pydantic AI, and takes as long to load

    if model.system == LOCAL_SYSTEM:
        return 0.0
    amount = Amount(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
    try:
        return float(
            calc_price(amount, model_ref=model.model_name, provider_id=model.system).total_price
        )
    except (LookupError, ValueError):
        return None
