"""`TextModel`: anything that turns one text into another, as a Pydantic AI model.

A request is rendered as plain text, a `Channel` (a program, a folder) answers with text, and tool
calls are read out of it. It measures no tokens: usage is estimated from lengths.

Next file: `models/command.py`.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import (
    CompletedStreamedResponse,
    Model,
    ModelRequestParameters,
    StreamedResponse,
    check_allow_model_requests,
)
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings

from strop.errors import BadInput, ModelFailed
from strop.models.render import estimated_usage, render_messages, response_parts

__all__ = ["Channel", "TextModel"]

PROFILE = ModelProfile(
    default_structured_output_mode="prompted",
    supports_image_input=False,
    supports_document_input=False,
    supports_audio_file_input=False,
    supports_video_input=False,
)


class Channel(Protocol):
    """Where the text goes and the answer comes from."""

    @property
    def system(self) -> str:
        """``command`` or ``file``: what the model's name starts with."""
        ...

    @property
    def name(self) -> str:
        """What is asked, as it stands after the colon of the model's name."""
        ...

    async def answer(self, prompt: str, *, limit: float | None = None) -> str:
        """The answer to `prompt`; `limit` is in seconds, `None` for the channel's own.

        Raises:
            ModelFailed: No answer, or none in time.
        """
        ...


class TextModel(Model[Any]):
    """A model behind a text channel.

    How long an answer may take is the model setting ``timeout``, else the environment variable
    ``STROP_MODEL_TIMEOUT`` (seconds), else the channel's own limit.
    """

    def __init__(self, channel: Channel) -> None:
        super().__init__(profile=PROFILE)
        self._channel = channel

    @property
    def model_name(self) -> str:
        return self._channel.name

    @property
    def system(self) -> str:
        return self._channel.system

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """One answer.

        Raises:
            ModelFailed: No answer, an empty one, or none in time.
        """
        check_allow_model_requests()
        settings, parameters = self.prepare_request(model_settings, model_request_parameters)
        prompt = render_messages(messages, parameters)
        text = (await self._channel.answer(prompt, limit=_timeout(settings))).strip()
        if not text:
            raise ModelFailed(f"{self.model_id} gave an empty answer")
        return ModelResponse(
            parts=response_parts(text, parameters),
            model_name=self.model_name,
            provider_name=self.system,
            usage=estimated_usage(prompt, text),
        )

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: Any = None,  # noqa: ARG002 - as inherited
    ) -> AsyncGenerator[StreamedResponse]:
        """One answer, in one piece."""
        response = await self.request(messages, model_settings, model_request_parameters)
        yield CompletedStreamedResponse(
            response, model_request_parameters=model_request_parameters, replay_events=True
        )


def _timeout(settings: ModelSettings | None) -> float | None:
    given = (settings or {}).get("timeout")
    if isinstance(given, int | float):
        return float(given)
    text = os.environ.get("STROP_MODEL_TIMEOUT")
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise BadInput(f"must be a number of seconds, not {text!r}", where="STROP_MODEL_TIMEOUT")
    return seconds
