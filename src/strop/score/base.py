"""What a scorer is, and `score`: the one way to call one.

`score` turns everything that can go wrong into a value. It does not retry and does not choose a
scorer. The helpers below it are what the built-in scorers share.

Next file: `match.py`.
"""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Protocol, TypeGuard, runtime_checkable

import anyio

from strop.errors import BadInput
from strop.jsonvalue import Json, as_text, checked
from strop.run import Run, Score, ScoreFailure
from strop.task import Task

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "Scorer",
    "by_person",
    "clip",
    "expected_of",
    "human_score",
    "json_type",
    "positive",
    "result",
    "score",
    "show",
    "text_of",
    "version_of",
]

MAX_DEPTH = 100
"""Levels of nesting above which an output is no answer; what reads JSON may recurse this far."""

_MAX_BITS = 10_000  # of a whole number: about 3000 digits, what Python still turns into text
_MAX_ERROR, _MAX_REASON = 500, 2000  # characters

# Failed runs that say something about the agent. A `model` failure (the provider was unreachable or
# refused) does not, and neither does a type that some other tool wrote.
_AGENTS_OWN = ("timeout", "limit", "output", "agent")


@runtime_checkable
class Scorer(Protocol):
    """Says how good a run of a task was. Call it through `score`."""

    @property
    def name(self) -> str:
        """What the score is called, such as ``exact``."""
        ...

    @property
    def version(self) -> str:
        """The scorer and its settings, such as ``numeric/1 tolerance=0.01``.

        It is stored with each score and is part of the key that evaluations are cached under, so
        it must change whenever the same run could get another score.
        """
        ...

    async def __call__(self, task: Task, run: Run) -> Score:
        """Score a run that did not fail; may raise, which means that there is no score."""
        ...


async def score(
    scorer: Scorer, task: Task, run: Run, *, seconds: float | None = None
) -> Score | ScoreFailure:
    """The score of a run, or why there is none. Raises nothing but cancellation.

    A scorer that takes longer than `seconds` gives no score.

    A failed run scores 0.0 without a call of the scorer, unless the model was at fault
    (`RunError.type` is ``model``): that is a `ScoreFailure`, because it says nothing about the
    agent. An output that is no JSON value (NaN, or nested beyond `MAX_DEPTH`) is a failed run too,
    so that an agent cannot escape a low score by an output that breaks its scorer.
    """
    name = version = type(scorer).__name__
    try:
        name, version = scorer.name, scorer.version
        unasked = _without_asking(name, version, task, run)
        if unasked is not None:
            return unasked
        with anyio.fail_after(seconds):
            found = await scorer(task, run)
        if not isinstance(found, Score):
            error = f"the scorer returned a {type(found).__name__}, not a Score"
            return ScoreFailure(name=name, error=error, scorer=version)
        return replace(
            found,
            name=found.name or name,
            value=float(found.value),
            reason=_safe(str(found.reason), _MAX_REASON),
            scorer=version,
        )
    # SystemExit too: a scoring function that calls sys.exit() must not end the improvement loop.
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a scorer may be anybody's code
        return ScoreFailure(name=name, error=_one_line(error), scorer=version)


def _without_asking(name: str, version: str, task: Task, run: Run) -> Score | ScoreFailure | None:
    """What a run is worth where that does not depend on the scorer; otherwise `None`."""
    if run.task != task.id:
        problem = f"run {run.id!r} is of task {run.task!r}, not of {task.id!r}"
        return ScoreFailure(name=name, error=_safe(problem, _MAX_ERROR), scorer=version)
    if run.error is None:
        unusable = _unusable(run.output)
        if unusable is None:
            return None
        fault, own = f"output: {unusable}", True
    else:
        fault, own = f"{run.error.type}: {run.error.message}", run.error.type in _AGENTS_OWN
    if own:
        reason = _safe(f"run failed: {fault}", _MAX_REASON)
        return Score(name=name, value=0.0, reason=reason, scorer=version)
    error = f"run failed: {' '.join(fault.split())}"
    return ScoreFailure(name=name, error=_safe(error, _MAX_ERROR), scorer=version)


def _unusable(output: Json) -> str | None:
    """Why an output is not a JSON value of reasonable depth, or `None`.

    The depth is found without recursion: it is what decides whether anything else may recurse.
    """
    todo: list[tuple[Json, int]] = [(output, 0)]
    while todo:
        value, depth = todo.pop()
        if depth > MAX_DEPTH:
            return f"nested deeper than {MAX_DEPTH} levels"
        if isinstance(value, Mapping):
            todo.extend((item, depth + 1) for item in value.values())
        elif isinstance(value, list | tuple):
            todo.extend((item, depth + 1) for item in value)
        elif isinstance(value, int) and value.bit_length() > _MAX_BITS:
            return "a whole number of more than 3000 digits"
    try:
        checked(output, where="output")
    except BadInput as error:
        return str(error)
    return None


def _one_line(error: BaseException) -> str:
    """Type and message of an exception, on one line."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]  # what a task group wraps around the one thing that matters
    try:
        message = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - the exception is a stranger's; its __str__ may raise too
        message = "(its message cannot be read)"
    kind = type(error).__name__
    return _safe(f"{kind}: {message}" if message else kind, _MAX_ERROR)


def _safe(text: str, limit: int) -> str:
    """Text that can be stored: no lone surrogates, and no longer than `limit`."""
    return clip(text, limit).encode("utf-8", "replace").decode("utf-8")


def human_score(value: float, *, by: str, reason: str = "") -> Score:
    """A person's score of a run.

    Args:
        value: In [0, 1].
        by: Who gave it.
        reason: Why.

    Raises:
        BadInput: `value` lies outside [0, 1], or `by` is empty.
    """
    if not by:
        raise BadInput("say who gave the score", where="by")
    return Score(name="human", value=value, reason=reason, scorer=f"{_PERSON}{by}")


def by_person(score: Score | ScoreFailure | None) -> TypeGuard[Score]:
    """Whether a person gave this score (`human_score`)."""
    return isinstance(score, Score) and score.scorer.startswith(_PERSON)


_PERSON = "human:"


# What the built-in scorers share.


def result(scorer: Scorer, value: float, reason: str = "") -> Score:
    """A score given by `scorer`."""
    return Score(name=scorer.name, value=value, reason=reason, scorer=scorer.version)


def version_of(scorer: "DataclassInstance", rule: str) -> str:
    """``numeric/1 tolerance=0.01``: the rule and the settings that are not the default."""
    changed = [
        f" {field.name}={as_text(getattr(scorer, field.name))}"
        for field in fields(scorer)
        if getattr(scorer, field.name) != field.default
    ]
    return rule + "".join(changed)


def expected_of(task: Task, scorer: Scorer) -> Json:
    """The task's expected answer, which is not `None`.

    Raises:
        BadInput: The task has none.
    """
    if task.expected is None:
        raise BadInput(
            f"the scorer {scorer.name!r} needs an expected answer and the task has none; "
            'give the task "expected", or score with a judge or a function',
            where=f"task {task.id!r}",
        )
    return task.expected


def positive(value: float, *, where: str, or_zero: bool = False) -> float:
    """An option of a scorer that is a finite number above 0 (or from 0).

    Raises:
        BadInput: It is something else.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not (0 < value < float("inf") or (or_zero and value == 0)):
        least = "from 0" if or_zero else "above 0"
        raise BadInput(f"must be a number {least}, not {value!r}", where=where)
    return float(value)


def text_of(value: Json) -> str:
    """An output or expected answer as text without space around it; empty for `None`."""
    return "" if value is None else as_text(value).strip()


def json_type(value: Json) -> str:
    """What JSON calls the type of a value: null, boolean, number, text, list or object."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text"
        case Mapping():
            return "object"
        case _:
            return "list"


def show(value: Json) -> str:
    """A value as it stands in a reason: JSON, cut to a length that people read."""
    if isinstance(value, str):
        value = clip(value, 80)
    return clip(json.dumps(value, ensure_ascii=False, sort_keys=True), 100)


def clip(text: str, limit: int) -> str:
    """The first `limit` characters of a text, with an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
