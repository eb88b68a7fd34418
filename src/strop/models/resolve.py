"""From a model's name to a Pydantic AI model.

    local                     the embedded model
    local:FILE.gguf           that file, run by the same llama.cpp; `FILE.gguf` alone says the same
    command:PROGRAM ARGS      a program that reads the prompt on stdin and answers on stdout
    file:FOLDER               requests and answers as files, for a person or any other model
    PROVIDER:MODEL            whatever Pydantic AI knows, such as `anthropic:claude-sonnet-4-5`

Resolving makes no request and starts no server.

Next file: `models/ask.py`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from strop.errors import BadInput, NotInstalled

if TYPE_CHECKING:
    from pydantic_ai.models import Model

__all__ = ["resolve_model"]


def resolve_model(name: "str | Model", *, notify: Callable[[str], None] | None = None) -> "Model":
    """The model called `name`; a model object is returned as it is.

    Args:
        name: See the top of this file.
        notify: Told, in one line, before the local model is prepared, which happens once and takes
            some seconds; the log says it too.

    Raises:
        BadInput: An unknown name, a missing file or program, or no API key.
        NotInstalled: A package the model needs is missing; the message names the command.
    """
    if not isinstance(name, str):
        return name
    name = name.strip()
    kind, _, rest = name.partition(":")
    if kind in ("command", "file"):
        return _text(kind, rest)
    if kind == "local":
        return _local(rest, notify)
    return _local(name, notify) if name.endswith(".gguf") else _provided(name)


def _local(path: str, notify: Callable[[str], None] | None) -> "Model":
    # Lazy, like the imports below: Pydantic AI and a provider's client take a second to load.
    from strop.models.local import LocalModel

    return LocalModel(Path(path).expanduser() if path else None, notify=notify)


def _text(kind: str, rest: str) -> "Model":
    from strop.models.command import Command
    from strop.models.handoff import Handoff
    from strop.models.text import TextModel

    if not rest.strip():
        what = "a program: command:PROGRAM ARGS" if kind == "command" else "a folder: file:FOLDER"
        raise BadInput(f"{kind!r} needs {what}", where="model")
    if kind == "command":
        return TextModel(Command.parse(rest))
    return TextModel(Handoff(folder=Path(rest).expanduser()))


def _provided(name: str) -> "Model":
    from pydantic_ai.exceptions import UserError
    from pydantic_ai.models import infer_model

    try:
        return infer_model(name)
    except ImportError as error:
        raise NotInstalled(f"the model {name!r} needs a package: {_line(error)}") from error
    except (UserError, ValueError) as error:
        raise BadInput(
            f"cannot use the model {name!r}: {_line(error)}. Name it PROVIDER:MODEL and set that "
            "provider's key, or use 'local', 'command:PROGRAM' or 'file:FOLDER', which need none",
            where="model",
        ) from error


def _line(error: Exception) -> str:
    """The error's message on one line, without a full stop."""
    return " ".join(str(error).split()).rstrip(".")
