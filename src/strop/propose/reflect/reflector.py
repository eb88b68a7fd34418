"""`Reflector`: a question to a model, and its answer as a checked record or as a failure.

Whatever a model does (nothing, nonsense, a megabyte, no answer in time) comes back as a value with
what it took. What is asked, and what of an answer may become a change, is not decided here.

Source: reflection in words on an agent's own runs is from Shinn et al., "Reflexion: Language Agents
with Verbal Reinforcement Learning", NeurIPS 2023 (arXiv:2303.11366).

Next file: `propose/reflect/screen.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import anyio
from pydantic import BaseModel, ValidationError

from strop.errors import ModelFailed, UserMistake
from strop.jsonvalue import JsonObject, as_text, salvaged
from strop.models import ask, resolve_model
from strop.propose.reflect.prompts import Rendered
from strop.run import Usage

if TYPE_CHECKING:
    from pydantic_ai.models import Model
    from pydantic_ai.settings import ModelSettings

__all__ = ["Reflection", "Reflector"]

MAX_ANSWER = 40_000  # characters of an answer; ten edits with their reasons take a tenth of it

_AGAIN = "\n\nYour last answer could not be used: {problem}. Answer again, as asked."
_MAX_PROBLEM = 500

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reflection(Generic[T]):
    """What came of asking a model.

    Attributes:
        value: The answer, or `None` where there is no usable one.
        failure: Why there is none, in one sentence; `None` where there is one.
        usage: What it took, all attempts together.
        template: Name and version of the question's template.
        attempts: How often it was asked.
    """

    value: T | None
    failure: str | None
    usage: Usage
    template: str = ""
    attempts: int = 0


class Reflector:
    """Asks one model, again where its answer cannot be used.

    Args:
        model: A name (see `resolve_model`) or a model.
        retries: How often an unusable answer is sent back with what is wrong with it.
        timeout: Seconds for each attempt; `None` leaves it to the model's own limits.
        max_answer: Characters of an answer; a longer one is refused before it is parsed.
        max_tokens: Tokens of an answer, as the model setting; `None` leaves it to the model.
        record: Told of every reflection, failed ones too: proposers give proposals or nothing, and
            what nothing cost is known here.

    Raises:
        BadInput, NotInstalled: See `resolve_model`.
    """

    def __init__(
        self,
        model: "str | Model",
        *,
        retries: int = 2,
        timeout: float | None = None,
        max_answer: int = MAX_ANSWER,
        max_tokens: int | None = None,
        record: Callable[[Reflection[Any]], None] | None = None,
    ) -> None:
        self._model = resolve_model(model)
        self._retries = retries
        self._timeout = timeout
        self._max_answer = max_answer
        self._settings: ModelSettings | None = (
            None if max_tokens is None else {"max_tokens": max_tokens}
        )
        self._record = record

    @property
    def model(self) -> str:
        """The model's name, as ``system:name``."""
        return self._model.model_id

    async def ask(self, prompt: Rendered, schema: type[M]) -> Reflection[M]:
        """The answer as a record of type `schema`, whose JSON schema is sent along.

        Raises:
            UserMistake: The model cannot be used as it is configured. Nothing else is raised.
        """
        return await self._reflect(prompt, schema.model_json_schema(), schema.model_validate)

    async def text(self, prompt: Rendered) -> Reflection[str]:
        """The answer as text.

        Raises:
            UserMistake: The model cannot be used as it is configured. Nothing else is raised.
        """
        return await self._reflect(prompt, None, lambda value: as_text(salvaged(value)))

    def gave_up(self, template: str, problem: str) -> Reflection[Any]:
        """Record that an answer was of no use after all: it was read, and failed when it was tried.

        Args:
            template: Name and version of the template that was answered.
            problem: What was wrong, in one sentence.
        """
        line = " ".join(problem.split())[:_MAX_PROBLEM]
        failure = f"{self.model}: {line}"
        made: Reflection[Any] = Reflection(
            value=None, failure=failure, usage=Usage(), template=template
        )
        if self._record is not None:
            self._record(made)
        return made

    async def _reflect(
        self, prompt: Rendered, schema: JsonObject | None, read: Callable[[Any], T]
    ) -> Reflection[T]:
        usage, problem, again, attempts = Usage(), "", "", 0
        value: T | None = None
        for attempts in range(1, self._retries + 2):  # noqa: B007 - reported below
            value, problem, worth_asking, used = await self._attempt(
                prompt, prompt.prompt + again, schema, read
            )
            usage += used
            if value is not None or not worth_asking:
                break
            again = _AGAIN.format(problem=problem[:_MAX_PROBLEM].rstrip(". "))
        made = Reflection(
            value=value,
            failure=None if value is not None else f"{self.model}: {problem}",
            usage=usage,
            template=prompt.template,
            attempts=attempts,
        )
        if self._record is not None:
            self._record(made)
        return made

    async def _attempt(
        self, prompt: Rendered, question: str, schema: JsonObject | None, read: Callable[[Any], T]
    ) -> tuple[T | None, str, bool, Usage]:
        """The answer or `None`; what was wrong; whether asking again may help; what it took."""
        # Lazy: Pydantic AI takes longer to import than all of Strop may.
        from strop.propose.reflect.meter import Metered

        meter = Metered(self._model, max_answer=self._max_answer, settings=self._settings)
        problem = ""
        with anyio.move_on_after(self._timeout) as scope:
            try:
                answer = await ask(
                    meter,
                    instructions=prompt.instructions,
                    prompt=question,
                    schema=schema,
                    retries=0,
                )
                return read(answer.value), "", False, meter.usage
            except UserMistake:
                raise
            except ValidationError as error:
                problem = _first(error)
            except ModelFailed as error:
                # `ask` counts its attempts; here each is one.
                problem = str(error).rpartition("; the last problem: ")[2]
            except Exception as error:  # noqa: BLE001 - a provider's client may raise anything
                problem = f"{type(error).__name__}: {error}"
        if scope.cancelled_caught:
            problem = f"no answer within {self._timeout:g} s"
        # A model that did not answer at all was asked again by its own client already.
        return None, " ".join(problem.split()), meter.answered, meter.usage


def _first(error: ValidationError) -> str:
    """The first thing wrong with an answer, fit to show the model."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in cast("tuple[object, ...]", found["loc"]))
    return f"{where}: {found['msg']}" if where else str(found["msg"])
