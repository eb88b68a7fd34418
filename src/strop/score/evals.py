"""The scorer `pydantic_evals`: any evaluator of the pydantic-evals package scores a run.

It builds the context that an evaluator expects out of a task and a run, and turns what the
evaluator returns into one score. It runs no datasets and writes no reports. Made for
pydantic-evals 2.62.

Next file: `judge.py`.
"""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from strop.errors import BadInput, NotInstalled
from strop.jsonvalue import as_text, digest
from strop.run import ModelCall, Run, Score, ToolCall
from strop.score.base import result
from strop.score.function import fingerprint, load_object
from strop.task import Task

# pydantic_evals takes over a second to import and few use it, so it is imported where it is used.
if TYPE_CHECKING:
    from pydantic_evals.evaluators import Evaluator, EvaluatorContext
    from pydantic_evals.otel import SpanTree

__all__ = ["PydanticEvals", "is_evaluator"]

AnyEvaluator: TypeAlias = "Evaluator[Any, Any, Any]"


@dataclass(frozen=True, slots=True, kw_only=True)
class PydanticEvals:
    """One score from one evaluator.

    What an evaluator returns becomes a score by this rule: true is 1 and false is 0; a number must
    lie in [`low`, `high`] and is mapped to [0, 1]; a label counts what `labels` says. Of several
    results the one called `result` is taken; where `result` is not set, the mean of all, and labels
    that `labels` does not name are only told in the reason. A result that cannot be mapped, or none
    at all, is an error, hence a `ScoreFailure`.

    The span tree that evaluators of tool use read is built from the run's steps: one span for each
    tool call and model call, in order, a microsecond apart. Where a run has no steps, an evaluator
    that asks for it is a failure too (pydantic-evals' own would call it a failed check).

    Attributes:
        evaluator: The evaluator, or where it is: ``module:name`` of an instance or class, or the
            name of a class in ``pydantic_evals.evaluators``.
        arguments: What to make the evaluator with, where `evaluator` names a class.
        result: Which result to take, where there are several.
        labels: The score of each label.
        low: The number that counts 0.
        high: The number that counts 1.

    Raises:
        BadInput: No such evaluator, or an option that does not fit.
        NotInstalled: pydantic-evals is missing.
    """

    evaluator: "AnyEvaluator | str"
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)
    result: str | None = None
    labels: Mapping[str, float] = field(default_factory=dict, hash=False)
    low: float = 0.0
    high: float = 1.0
    _evaluator: "AnyEvaluator" = field(init=False, repr=False, compare=False)
    _settings: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _need_pydantic_evals()
        found = self.evaluator
        if isinstance(found, str):
            path = found if ":" in found else f"pydantic_evals.evaluators:{found}"
            found = _made(load_object(path, where=_WHERE), self.arguments)
        elif self.arguments:
            raise BadInput("'arguments' are for an evaluator named by its path", where=_WHERE)
        if not is_evaluator(found):
            raise BadInput(f"{found!r} is not an Evaluator of pydantic-evals", where=_WHERE)
        for name, value in {"low": self.low, "high": self.high, **self.labels}.items():
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise BadInput(f"{name!r} must be a number, not {value!r}", where=_WHERE)
        if not self.low < self.high:
            raise BadInput("'low' must be below 'high'", where=_WHERE)
        if not all(0 <= value <= 1 for value in self.labels.values()):
            raise BadInput("the scores of labels lie in [0, 1]", where=_WHERE)
        object.__setattr__(self, "_evaluator", found)
        object.__setattr__(self, "_settings", self._digest(found))

    def _digest(self, evaluator: "AnyEvaluator") -> str:
        """What decides the score: the evaluator's code, version, arguments, and the options."""
        from pydantic_core import to_json

        arguments = to_json(
            evaluator.build_serialization_arguments(),
            serialize_unknown=True,
            inf_nan_mode="strings",
        ).decode()
        labels = {str(label): float(value) for label, value in self.labels.items()}
        rule = [self.result, float(self.low), float(self.high), labels]
        code = [fingerprint(type(evaluator)), evaluator.get_evaluator_version(), arguments]
        return digest([*code, *rule])[:12]

    @property
    def name(self) -> str:
        return self._evaluator.get_default_evaluation_name()

    @property
    def version(self) -> str:
        kind = self._evaluator.get_serialization_name()
        return f"pydantic_evals/1 {kind} settings={self._settings}"

    async def __call__(self, task: Task, run: Run) -> Score:
        from pydantic_evals.otel._errors import SpanTreeRecordingError

        spans = _span_tree(run) if run.steps else SpanTreeRecordingError("the run has no steps")
        found = await self._evaluator.evaluate_async(_context(task, run, spans))
        # Evaluators catch this error and return false. It has a traceback if it was ever raised.
        if isinstance(spans, SpanTreeRecordingError) and spans.__traceback__ is not None:
            raise BadInput(
                f"the evaluator {self.name!r} needs the run's steps, and run {run.id!r} has none"
            )
        results = dict(found) if isinstance(found, Mapping) else {self.name: found}
        if self.result is not None:
            if self.result not in results:
                names = ", ".join(map(str, results)) or "none"
                raise BadInput(
                    f"there is no result {self.result!r}; there is {names}", where=_WHERE
                )
            results = {self.result: results[self.result]}
        return self._score(results)

    def _score(self, results: Mapping[str, object]) -> Score:
        from pydantic_evals.evaluators import EvaluationReason

        values: list[float] = []
        reasons: list[str] = []
        for name, given in results.items():
            value, why = given, None
            if isinstance(given, EvaluationReason):
                value, why = given.value, given.reason
            number = self._number(name, value, alone=len(results) == 1)
            if number is not None:
                values.append(number)
            reasons.append(f"{name}: {value}" + (f" ({why})" if why else ""))
        if not values:
            raise BadInput(
                f"gave no result that counts ({'; '.join(reasons) or 'none'})", where=_WHERE
            )
        return result(self, min(1.0, math.fsum(values) / len(values)), "; ".join(reasons))

    def _number(self, name: str, value: object, *, alone: bool) -> float | None:
        """A result in [0, 1]; `None` for a label that does not count."""
        match value:
            case bool():
                return float(value)
            case int() | float():
                if not self.low <= value <= self.high:
                    raise BadInput(
                        f"{name!r} is {value!r}, outside [{self.low:g}, {self.high:g}]; "
                        "set 'low' and 'high'",
                        where=_WHERE,
                    )
                return (value - self.low) / (self.high - self.low)
            case str():
                if value in self.labels:
                    return float(self.labels[value])
                if alone:
                    raise BadInput(
                        f"the label {value!r} has no score; set 'labels', such as {{good: 1}}",
                        where=_WHERE,
                    )
                return None
            case _:
                raise BadInput(f"{name!r} is a {type(value).__name__}", where=_WHERE)


_WHERE = "scorer 'pydantic_evals'"


def is_evaluator(thing: object) -> "TypeGuard[AnyEvaluator]":
    """Whether a thing is one of pydantic-evals' evaluators; imports nothing to find out."""
    module = sys.modules.get("pydantic_evals.evaluators")
    return module is not None and isinstance(thing, module.Evaluator)


def _need_pydantic_evals() -> None:
    try:
        import pydantic_evals.evaluators  # noqa: F401
    except ImportError as error:
        raise NotInstalled(
            f"pydantic-evals is missing ({error}): pip install pydantic-evals"
        ) from error


def _made(found: object, arguments: Mapping[str, Any]) -> Any:
    """An instance: of a class, with the arguments; or the thing itself."""
    if not isinstance(found, type):
        if arguments:
            raise BadInput("'arguments' are for a class, and this is an instance", where=_WHERE)
        return found
    try:
        return found(**arguments)
    except (TypeError, ValueError) as error:
        raise BadInput(f"cannot make a {found.__name__}: {error}", where=_WHERE) from error


def _context(task: Task, run: Run, spans: Any) -> "EvaluatorContext[Any, Any, Any]":
    """What an evaluator gets to see of a task and a run."""
    from pydantic_evals.evaluators import EvaluatorContext

    usage = run.usage
    metrics: dict[str, int | float] = {
        "requests": usage.requests,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "tool_calls": usage.tool_calls,
    }
    if usage.cost is not None:
        metrics["cost"] = usage.cost
    return EvaluatorContext(
        name=task.id,
        inputs=task.input,
        metadata=task.metadata or None,
        expected_output=task.expected,
        output=run.output,
        duration=usage.seconds,
        _span_tree=spans,
        attributes={"category": task.category, "split": run.split.value, "trial": run.trial},
        metrics=metrics,
    )


def _span_tree(run: Run) -> "SpanTree":
    """A run's tool and model calls, named as Pydantic AI's instrumentation names them.

    Source: OpenTelemetry semantic conventions for generative AI (``gen_ai.*`` attributes).
    """
    from pydantic_evals.otel import SpanTree
    from pydantic_evals.otel.span_tree import SpanNode

    start = datetime.fromtimestamp(run.at or 0.0, tz=UTC)
    tree = SpanTree()
    nodes = []
    for number, step in enumerate(run.steps):
        match step:
            case ToolCall():
                name = f"execute_tool {step.tool}"
                attributes = {
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": step.tool,
                    "gen_ai.tool.call.arguments": as_text(step.args),
                }
            case ModelCall():
                name = f"chat {step.model}"
                attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": step.model}
            case _:
                continue
        nodes.append(
            SpanNode(
                name=name,
                trace_id=1,
                span_id=number + 1,
                parent_span_id=None,
                start_timestamp=start + timedelta(microseconds=number),
                end_timestamp=start + timedelta(microseconds=number + 1),
                attributes=dict(attributes),
                status="error" if isinstance(step, ToolCall) and step.error is not None else "ok",
            )
        )
    tree.add_spans(nodes)
    return tree
