"""`Metered`: a model that counts what it is asked and refuses answers that are too long.

`ask` raises when an answer cannot be used, and what it took is then lost; asked through this, it is
not. It changes neither the question nor the answer. Importing it loads Pydantic AI, so `reflect`
does so when it first asks.

Next file: `propose/reflect/reflector.py`.
"""

import time
from dataclasses import replace
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from strop.errors import ModelFailed
from strop.models import usage_of
from strop.run import Usage

__all__ = ["Metered"]


class Metered(WrapperModel):
    """A model for one question.

    Args:
        wrapped: Who is asked.
        max_answer: Characters that an answer may have.
        settings: Model settings that hold where the request does not say otherwise.

    Attributes:
        usage: What the requests took, those that failed included.
        answered: Whether an answer came, usable or not.
    """

    def __init__(
        self, wrapped: Model[Any], *, max_answer: int, settings: ModelSettings | None = None
    ) -> None:
        super().__init__(wrapped)
        self._max_answer = max_answer
        self._extra = settings
        self.usage = Usage()
        self.answered = False

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The model's answer.

        Raises:
            ModelFailed: The answer is too long. What the model raises passes through.
        """
        start = time.perf_counter()
        before = self.usage
        # Counted first, so that a request that is cancelled or fails is counted too.
        self.usage = before + Usage(requests=1)
        settings: ModelSettings = {**(self._extra or {}), **(model_settings or {})}
        try:
            response = await self.wrapped.request(
                messages, settings or None, model_request_parameters
            )
        except BaseException:
            self.usage = replace(self.usage, seconds=before.seconds + time.perf_counter() - start)
            raise
        self.answered = True
        self.usage = before + usage_of(response, seconds=time.perf_counter() - start)
        length = len(response.text or "")
        if length > self._max_answer:
            raise ModelFailed(
                f"the answer has {length} characters; at most {self._max_answer} are read"
            )
        return response
