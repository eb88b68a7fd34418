"""Models: from a name to something that answers, and one question asked outside any agent.

`resolve_model` gives a Pydantic AI model for the embedded model, a GGUF file, a program, a folder
that people answer in, or any provider. `ask` puts one question to it and checks the answer.
`ScriptedModel` is the fake for tests. This package runs no agent and never trains a model.

Importing it loads nothing heavy: Pydantic AI and llama.cpp come when a model is first used.

Next file: `models/gguf.py`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from strop.models.ask import Answer, ask, usage_of
from strop.models.constrain import constrain, labels_of, obeys_schema, read_answer
from strop.models.resolve import resolve_model

if TYPE_CHECKING:
    from strop.models.render import render_messages
    from strop.models.scripted import ScriptedModel, Turn, tool_call

__all__ = [
    "Answer",
    "ScriptedModel",
    "Turn",
    "ask",
    "constrain",
    "labels_of",
    "obeys_schema",
    "read_answer",
    "render_messages",
    "resolve_model",
    "tool_call",
    "usage_of",
]

# Modules that need Pydantic AI, which takes longer to import than all of Strop may.
_LAZY = {
    "ScriptedModel": "scripted",
    "Turn": "scripted",
    "render_messages": "render",
    "tool_call": "scripted",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
