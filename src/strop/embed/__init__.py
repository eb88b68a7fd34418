"""Text to vectors: one Protocol and three embedders.

`static` is bundled and takes 0.1 ms a text; `minilm` is better and needs its weights installed; any
provider's model goes by name. Vectors of different `Embedder.id` must never be compared. This
package does not store or search vectors. Importing it loads no model and nothing heavy.

Next file: `embed/base.py`.
"""

from strop.embed.base import Embedder, Vectors, unit_rows
from strop.embed.minilm import MiniLMEmbedder, minilm_installed
from strop.embed.provider import ProviderEmbedder
from strop.embed.resolve import resolve_embedder
from strop.embed.static import StaticEmbedder

__all__ = [
    "Embedder",
    "MiniLMEmbedder",
    "ProviderEmbedder",
    "StaticEmbedder",
    "Vectors",
    "minilm_installed",
    "resolve_embedder",
    "unit_rows",
]
