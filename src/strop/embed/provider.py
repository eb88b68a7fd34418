"""Embeddings from a provider, through Pydantic AI.

`ProviderEmbedder` takes any name that `pydantic_ai.Embedder` takes (``cohere:embed-v4.0``,
``openai:text-embedding-3-small``, ...) and gives its vectors Strop's contract. It holds no keys,
retries nothing and counts no cost: that is Pydantic AI's.

Next file: `embed/resolve.py`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from strop.embed.base import Vectors, clean, unit_rows
from strop.errors import StropError, UserMistake

if TYPE_CHECKING:
    from pydantic_ai.embeddings import EmbeddingModel

BATCH_TEXTS = 96  # the least that a provider takes per request (Cohere's limit)
MAX_CHARACTERS = 8_192  # a token is seldom less than a character, and 8192 tokens a usual limit
BLANK = "(empty)"  # providers reject an empty text; all blank texts share this one's vector


class ProviderEmbedder:
    """Embeds over the network; every text is sent to the provider named."""

    def __init__(self, name: str, model: "EmbeddingModel | None" = None) -> None:
        """Prepare `name`, a ``provider:model``; `model` overrides what the name would give.

        Raises:
            UserMistake: the provider is unknown, its package is missing, or it has no key.
        """
        # Lazy: pydantic_ai takes longer to import than all of Strop may.
        from pydantic_ai import Embedder as Client
        from pydantic_ai.exceptions import UserError

        try:
            self._client = Client(model or name, defer_model_check=False)
        except (ImportError, UserError, ValueError) as error:
            raise UserMistake(
                f"cannot use the embedder {name!r}: {error}. Name it provider:model, install that "
                "provider's package and set its key, or choose 'static', which needs neither"
            ) from error
        self._name = name

    @property
    def id(self) -> str:
        """The vector space: the name given."""
        return self._name

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return shape (len(texts), the model's dimension), rows of unit norm; (0, 0) for none.

        Every text is embedded as a *document*, never as a query: Strop compares texts of one kind
        with each other (failures, tasks, memories), so one text must have one vector.

        Raises:
            StropError: the provider returned another number of vectors than texts.
            pydantic_ai.exceptions.ModelAPIError: the request failed.
        """
        sent = [clean(text, MAX_CHARACTERS) for text in texts]
        sent = [text if text.strip() else BLANK for text in sent]
        rows: list[Sequence[float]] = []
        for start in range(0, len(sent), BATCH_TEXTS):
            result = await self._client.embed_documents(sent[start : start + BATCH_TEXTS])
            rows.extend(result.embeddings)
        if len(rows) != len(sent):
            raise StropError(
                f"the embedder {self._name!r} returned {len(rows)} vectors for {len(sent)} texts; "
                "choose another embedding model"
            )
        if not rows:
            return np.zeros((0, 0), dtype=np.float32)
        return unit_rows(np.asarray(rows, dtype=np.float64))
