"""`ScriptedModel`: a model that says what it is told to, for tests and examples.

It ships with the package so that users test their agents with it too. It makes no request and
estimates tokens by length. It is not random: answers come in order, or from a function.

Next file: `models/text.py`.
"""

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ToolCallPart,
)
from pydantic_ai.models import (
    CompletedStreamedResponse,
    Model,
    ModelRequestParameters,
    StreamedResponse,
)
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings

from strop.errors import ModelFailed
from strop.jsonvalue import Json, JsonObject, as_text, checked
from strop.models.render import estimated_usage, render_messages

__all__ = ["ScriptedModel", "Turn", "tool_call"]

PROFILE = ModelProfile(supports_json_schema_output=True, supports_json_object_output=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An answer that calls tools, with or without text."""

    text: str = ""
    calls: tuple[ToolCallPart, ...] = ()


def tool_call(name: str, **args: Json) -> Turn:
    """An answer that calls one tool."""
    return Turn(calls=(ToolCallPart(name, dict(args)),))


Scripted: TypeAlias = Json | Turn | ModelResponse | Exception
"""One answer: text, a JSON value (sent as JSON), tool calls, a response, or an error to raise."""

Chooser: TypeAlias = Callable[[str], Scripted | Awaitable[Scripted]]
"""Picks the answer by the request, rendered as text (see `render_messages`)."""


class ScriptedModel(Model[Any]):
    """Answers from a script.

    Args:
        script: Answers in order (running out is `ModelFailed`), or a function of the rendered
            request.
        name: What the model calls itself.

    Attributes:
        prompts: The rendered requests so far, oldest first.
        requests: The same as Pydantic AI messages.
    """

    def __init__(self, script: Iterable[Scripted] | Chooser, *, name: str = "scripted") -> None:
        super().__init__(profile=PROFILE)
        self._name = name
        self._choose: Chooser | None = script if callable(script) else None
        self._answers: list[Scripted] = [] if callable(script) else list(script)
        self.prompts: list[str] = []
        self.requests: list[tuple[ModelMessage, ...]] = []

    @property
    def calls(self) -> int:
        """How many requests there were."""
        return len(self.prompts)

    @property
    def model_name(self) -> str:
        return self._name

    @property
    def system(self) -> str:
        return "scripted"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The next answer.

        Raises:
            ModelFailed: The script has run out.
            Exception: Whatever the script says to raise.
        """
        _, parameters = self.prepare_request(model_settings, model_request_parameters)
        prompt = render_messages(messages, parameters)
        self.prompts.append(prompt)
        self.requests.append(tuple(messages))
        answer: Any = self._next() if self._choose is None else self._choose(prompt)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, ModelResponse):
            return answer
        return ModelResponse(
            parts=_parts(answer),
            model_name=self._name,
            provider_name=self.system,
            usage=estimated_usage(prompt, _said(answer)),
        )

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: Any = None,  # noqa: ARG002 - as inherited
    ) -> AsyncGenerator[StreamedResponse]:
        """The next answer, in one piece."""
        response = await self.request(messages, model_settings, model_request_parameters)
        yield CompletedStreamedResponse(
            response, model_request_parameters=model_request_parameters, replay_events=True
        )

    def _next(self) -> Scripted:
        at = self.calls - 1
        if at >= len(self._answers):
            raise ModelFailed(
                f"the script of {self._name!r} holds {len(self._answers)} answers and was asked "
                f"for number {at + 1}; add one"
            )
        return self._answers[at]


def _parts(answer: Json | Turn) -> list[ModelResponsePart]:
    if not isinstance(answer, Turn):
        return [TextPart(as_text(checked(answer, where="scripted answer")))]
    text: list[ModelResponsePart] = [TextPart(answer.text)] if answer.text else []
    # A new part for each request: its call id must not repeat within a conversation.
    return [*text, *(ToolCallPart(call.tool_name, call.args) for call in answer.calls)]


def _said(answer: Json | Turn) -> str:
    if not isinstance(answer, Turn):
        return as_text(answer)
    calls: list[JsonObject] = [call.args_as_dict() for call in answer.calls]
    return answer.text + "".join(as_text(args) for args in calls)
