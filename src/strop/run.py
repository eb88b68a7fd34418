"""`Run`: one attempt at one task by one spec, with typed steps; `Usage`, `Score` and `ScoredRun`.

A run is a record: it is made for every attempt, also for one that raised, timed out or returned
rubbish. This file also holds the interchange form of runs (JSON lines). It does not execute.

Next file: `score/__init__.py`.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, cast

from strop.errors import BadInput
from strop.jsonvalue import RECORD_LEVELS, Json, JsonObject, as_text, checked, json_lines
from strop.task import Split, parse_split

__all__ = [
    "CodeRun",
    "ErrorStep",
    "Message",
    "ModelCall",
    "Run",
    "RunError",
    "Score",
    "ScoreFailure",
    "ScoredRun",
    "Step",
    "ToolCall",
    "Usage",
    "load_runs",
    "run_lines",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a run, or a step of it, took.

    Attributes:
        input_tokens: Prompt tokens, cached ones included.
        output_tokens: Generated tokens.
        cached_tokens: The part of `input_tokens` that came from the provider's cache.
        requests: Model requests.
        tool_calls: Tool calls.
        cost: US dollars; `None` where no price is known, never 0 for that.
        seconds: Wall-clock time.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    requests: int = 0
    tool_calls: int = 0
    cost: float | None = None
    seconds: float = 0.0

    @property
    def tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        costs = [c for c in (self.cost, other.cost) if c is not None]
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            requests=self.requests + other.requests,
            tool_calls=self.tool_calls + other.tool_calls,
            cost=math.fsum(costs) if costs else None,
            seconds=self.seconds + other.seconds,
        )

    def to_json(self) -> dict[str, Json]:
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cached_tokens": self.cached_tokens,
            "requests": self.requests,
            "tool_calls": self.tool_calls,
            "cost": self.cost,
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> "Usage":
        """Reads what is there; other keys are passed over (foreign traces carry many)."""
        numbers = {
            name: value[name]
            for name in cls.__slots__
            if isinstance(value.get(name), int | float) and not isinstance(value[name], bool)
        }
        return cls(**numbers)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One request to the model."""

    model: str
    usage: Usage = Usage()

    def to_json(self) -> dict[str, Json]:
        return {"kind": "model", "model": self.model, "usage": self.usage.to_json()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something said: `role` is ``system``, ``user``, ``assistant`` or ``tool``."""

    role: str
    content: str

    def to_json(self) -> dict[str, Json]:
        return {"kind": "message", "role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call of a tool and what came of it; `error` is `None` when it succeeded."""

    tool: str
    args: Json = field(default_factory=dict, hash=False)
    result: Json = field(default=None, hash=False)
    error: str | None = None

    def to_json(self) -> dict[str, Json]:
        return {
            "kind": "tool_call",
            "tool": self.tool,
            "args": self.args,
            "result": self.result,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRun:
    """Code that the agent wrote and ran."""

    source: str
    output: str = ""
    error: str | None = None

    def to_json(self) -> dict[str, Json]:
        return {"kind": "code", "source": self.source, "output": self.output, "error": self.error}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorStep:
    """Where a run broke."""

    type: str
    message: str

    def to_json(self) -> dict[str, Json]:
        return {"kind": "error", "type": self.type, "message": self.message}


Step: TypeAlias = ModelCall | Message | ToolCall | CodeRun | ErrorStep


def step_from_json(value: JsonObject, *, where: str = "step") -> Step:
    """The inverse of a step's `to_json`.

    Raises:
        BadInput: An unknown kind or a missing field.
    """

    def text(name: str) -> str | None:
        item = value.get(name)
        return item if item is None or isinstance(item, str) else as_text(item)

    try:
        match value["kind"]:
            case "model":
                return ModelCall(
                    model=str(value["model"]), usage=_usage(value.get("usage"), where=where)
                )
            case "message":
                value["content"]  # may be null (an assistant that only calls tools), not missing
                return Message(role=str(value["role"]), content=text("content") or "")
            case "tool_call":
                return ToolCall(
                    tool=str(value["tool"]),
                    args=value.get("args"),
                    result=value.get("result"),
                    error=text("error"),
                )
            case "code":
                return CodeRun(
                    source=str(value["source"]), output=text("output") or "", error=text("error")
                )
            case "error":
                return ErrorStep(type=str(value["type"]), message=str(value["message"]))
            case other:
                raise BadInput(
                    f"unknown step kind {other!r}; "
                    "the kinds are tool_call, code, message, model, error",
                    where=where,
                )
    except KeyError as missing:
        raise BadInput(f"the step lacks {missing.args[0]!r}", where=where) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunError:
    """Why a run failed.

    Attributes:
        type: ``timeout``, ``limit`` (steps or tokens), ``output`` (the answer was not what was
            asked for), ``model`` (the model failed) or ``agent`` (the agent's code raised).
        message: One line for people.
    """

    type: str
    message: str

    def to_json(self) -> dict[str, Json]:
        return {"type": self.type, "message": self.message}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt at one task by one spec.

    Attributes:
        id: Unique.
        task: The task's id.
        input: The task's input.
        split: The split the task was run in.
        task_digest: Digest of the task as it was (`Task.digest`): a run says nothing about a task
            whose input or expected answer was edited since. `None` for imported runs.
        trial: 0, 1, ... for repeated attempts.
        spec: Id of the spec, or `None` for an imported run of another agent.
        steps: What happened, in order, as far as it got.
        output: The answer; `None` when there is none.
        error: Why it failed, or `None`.
        usage: What it took in all.
        shown: Ids of the items that the agent saw.
        withheld: Ids of items held back at random, to measure what they are worth.
        at: When it started, seconds since the epoch; `None` where not known.
    """

    id: str
    task: str
    input: Json = field(hash=False)
    split: Split
    task_digest: str | None = None
    trial: int = 0
    spec: str | None = None
    steps: tuple[Step, ...] = field(default=(), hash=False)
    output: Json = field(default=None, hash=False)
    error: RunError | None = None
    usage: Usage = Usage()
    shown: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    at: float | None = None

    def to_json(self) -> dict[str, Json]:
        return {
            "id": self.id,
            "task": self.task,
            "input": self.input,
            "split": self.split.value,
            "task_digest": self.task_digest,
            "trial": self.trial,
            "spec": self.spec,
            "steps": [step.to_json() for step in self.steps],
            "output": self.output,
            "error": None if self.error is None else self.error.to_json(),
            "usage": self.usage.to_json(),
            "shown": list(self.shown),
            "withheld": list(self.withheld),
            "at": self.at,
        }

    @classmethod
    def from_json(cls, value: object, *, where: str = "run") -> "Run":
        """The inverse of `to_json`; all but `id` and `task` may be missing.

        Raises:
            BadInput: Not an object, a missing field or a field of the wrong type.
        """
        if not isinstance(value, Mapping):
            raise BadInput("expected a JSON object", where=where)
        return cls.from_plain(checked(value, where=where, levels=RECORD_LEVELS), where=where)

    @classmethod
    def from_plain(cls, value: Json, *, where: str = "run") -> "Run":
        """`from_json` for what is known to be plain JSON, as a store's own rows are.

        Checking every value takes four times as long as all the rest of reading a run.

        Raises:
            BadInput: See `from_json`.
        """
        plain = cast("dict[str, Json]", value)
        for name in ("id", "task"):
            if not isinstance(plain.get(name), str) or not plain[name]:
                raise BadInput(f"field {name!r} is missing or not a string", where=where)
        steps = plain.get("steps", [])
        if not isinstance(steps, list) or not all(isinstance(s, dict) for s in steps):
            raise BadInput("field 'steps' must be a list of objects", where=where)
        spec, at, trial = plain.get("spec"), plain.get("at"), plain.get("trial", 0)
        task_digest = plain.get("task_digest")
        for name, item in (("spec", spec), ("task_digest", task_digest)):
            if item is not None and not isinstance(item, str):
                raise BadInput(f"field {name!r} must be a string or null", where=where)
        if at is not None and (isinstance(at, bool) or not isinstance(at, int | float)):
            raise BadInput("field 'at' must be seconds since the epoch, or null", where=where)
        if not isinstance(trial, int) or isinstance(trial, bool) or trial < 0:
            raise BadInput("field 'trial' must be a whole number from 0", where=where)
        return cls(
            id=cast("str", plain["id"]),
            task=cast("str", plain["task"]),
            input=plain.get("input"),
            split=parse_split(str(plain.get("split", "production")), where=where),
            task_digest=cast("str | None", task_digest),
            trial=trial,
            spec=cast("str | None", spec),
            steps=tuple(
                step_from_json(step, where=f"{where}, step {i}") for i, step in enumerate(steps)
            ),
            output=plain.get("output"),
            error=_error_from_json(plain.get("error"), where=where),
            usage=_usage(plain.get("usage"), where=where),
            shown=_ids(plain.get("shown"), where=where),
            withheld=_ids(plain.get("withheld"), where=where),
            at=None if at is None else float(at),
        )


def _usage(value: Json, *, where: str) -> Usage:
    if value is None:
        return Usage()
    if not isinstance(value, Mapping):
        raise BadInput("field 'usage' must be an object or null", where=where)
    return Usage.from_json(value)


def _error_from_json(value: Json, *, where: str) -> RunError | None:
    match value:
        case None:
            return None
        case str():
            return RunError(type="agent", message=value)
        case {"type": str(kind), "message": str(message)}:
            return RunError(type=kind, message=message)
        case _:
            raise BadInput("field 'error' must be null, text or {type, message}", where=where)


def _ids(value: Json, *, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(cast("list[str]", value))
    raise BadInput("'shown' and 'withheld' must be lists of item ids", where=where)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How good a run was: `value` in [0, 1], by one scorer, with its reason.

    Raises:
        BadInput: `value` is not a number, is NaN, or lies outside [0, 1].
    """

    name: str
    value: float
    reason: str = ""
    scorer: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.value, int | float) or not 0.0 <= self.value <= 1.0:
            raise BadInput(
                f"a score lies in [0, 1], not {self.value!r}", where=f"score {self.name!r}"
            )
        object.__setattr__(self, "value", float(self.value))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreFailure:
    """A scorer that could not score: not a low score, but no score."""

    name: str
    error: str
    scorer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRun:
    """A run and its score: `None` where nobody has scored it yet."""

    run: Run
    score: Score | ScoreFailure | None = None

    @property
    def value(self) -> float | None:
        """The score's value; `None` where there is no score or the scorer failed."""
        return self.score.value if isinstance(self.score, Score) else None

    @property
    def output(self) -> Json:
        """The run's answer."""
        return self.run.output

    def to_json(self) -> dict[str, Json]:
        """The run with its ``score`` (a number or null) and ``score_detail``."""
        out = self.run.to_json()
        out["score"] = self.value
        if isinstance(self.score, Score):
            out["score_detail"] = {
                "name": self.score.name,
                "reason": self.score.reason,
                "scorer": self.score.scorer,
            }
        elif isinstance(self.score, ScoreFailure):
            out["score_detail"] = {
                "name": self.score.name,
                "error": self.score.error,
                "scorer": self.score.scorer,
            }
        return out

    @classmethod
    def from_json(cls, value: object, *, where: str = "run") -> "ScoredRun":
        run = Run.from_json(value, where=where)
        assert isinstance(value, Mapping)  # noqa: S101 - Run.from_json has refused anything else
        detail = value.get("score_detail")
        detail = detail if isinstance(detail, Mapping) else {}
        name, scorer = str(detail.get("name", "imported")), str(detail.get("scorer", ""))
        number = value.get("score")
        if number is None:
            if "error" not in detail:
                return cls(run=run)
            failed = ScoreFailure(name=name, error=str(detail["error"]), scorer=scorer)
            return cls(run=run, score=failed)
        try:
            score = Score(
                name=name, value=number, reason=str(detail.get("reason", "")), scorer=scorer
            )
        except BadInput as error:
            raise BadInput(str(error), where=where) from None
        return cls(run=run, score=score)


def run_lines(runs: Iterable[ScoredRun]) -> Iterator[str]:
    """Runs as JSON lines, each ending in a line feed.

    Raises:
        BadInput: A run holds what JSON cannot.
    """
    for scored in runs:
        where = f"run {scored.run.id!r}"
        line = checked(scored.to_json(), where=where, levels=RECORD_LEVELS)
        yield json.dumps(line, ensure_ascii=False) + "\n"


def load_runs(path: Path) -> Iterator[ScoredRun]:
    """The runs of a JSON-lines file, one at a time; blank lines and byte order marks do no harm.

    Raises:
        BadInput: No such file, or a line that does not parse or is no run (``file:line`` first).
    """
    for where, value in json_lines(path, what="runs"):
        yield ScoredRun.from_json(value, where=where)
