"""Native tools: Python functions of the user's, registered by reference.

`native_item` describes a function as a tool item, its schema taken from signature and docstring;
`native_function` finds the function behind an item again; `call_native` calls it as Pydantic AI
does, for chains: they have no Pydantic AI around their steps.

Next file: `tools/uses.py`.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from strop.errors import BadInput, ToolCallFailed
from strop.jsonvalue import Json, JsonObject, salvaged
from strop.score.function import load_object
from strop.spec import Item, Kind

if TYPE_CHECKING:
    from pydantic_ai import Tool

__all__ = ["Function", "as_json", "call_native", "native_function", "native_item"]

Function: TypeAlias = Callable[..., Any]


def native_item(function: Function | str) -> Item:
    """A function, or the ``module:name`` of one, as a protected tool item.

    The parameters' schema and the description come from the signature and the docstring, as
    Pydantic AI reads them.

    Raises:
        BadInput: It does not import, is not callable, or a parameter has no JSON schema.
    """
    # Imported here because it takes half a second, and a spec without tools does not need it.
    from pydantic_ai import Tool
    from pydantic_ai.exceptions import UserError

    if isinstance(function, str):
        target = function
        function = cast("Function", load_object(function, where="tools"))
        if not callable(function):
            raise BadInput(f"{target!r} is not a function", where="tools")
    elif callable(function) and hasattr(function, "__qualname__"):
        target = f"{function.__module__}:{function.__qualname__}"
    else:
        kind = type(function).__name__
        raise BadInput(
            f"expected functions as 'module:function', not a value of type {kind!r}", where="tools"
        )
    try:
        definition = Tool(function).tool_def
    except (UserError, TypeError, ValueError) as error:
        raise BadInput(f"{target!r} cannot be a tool: {error}", where="tools") from None
    return Item(
        id=f"tool-{definition.name}",
        kind=Kind.TOOL,
        content={
            "name": definition.name,
            "description": definition.description or "",
            "parameters": definition.parameters_json_schema,
            "body": {"kind": "native", "target": target},
        },
        protected=True,
    )


def native_function(item: Item, registered: Mapping[str, Function]) -> Function:
    """The function behind a native tool item: a registered one first, else by import.

    Args:
        item: A tool item whose body is native.
        registered: Functions by their ``module:name``, for those that cannot be imported
            (defined in a script, a notebook or another function).

    Raises:
        BadInput: The body is not native, or the function is not to be found.
    """
    body = item.content["body"]
    if not isinstance(body, Mapping) or body.get("kind") != "native":
        raise BadInput("only native tools can run here", where=f"tool {item.id!r}")
    target = str(body["target"])
    if target in registered:
        return registered[target]
    return cast("Function", load_object(target, where=f"tool {item.id!r}"))


async def call_native(name: str, function: Function, args: JsonObject, *, ctx: Any = None) -> Json:
    """Call a native tool's function: arguments checked and converted by its own types.

    Args:
        name: Name of the tool, for messages.
        function: An async function, or a plain one, which runs in a worker thread.
        args: Its arguments.
        ctx: The Pydantic AI `RunContext` of the run, for functions that take one.

    Raises:
        ToolCallFailed: The arguments do not fit, it takes a context and there is none, or it
            raised; the message is for the model.
    """
    from pydantic import ValidationError
    from pydantic_ai.exceptions import ModelRetry, ToolFailed
    from pydantic_ai.messages import ToolReturn

    schema = _pydantic_tool(function).function_schema
    if schema.takes_ctx and ctx is None:
        raise ToolCallFailed(f"{name} needs a run around it; it cannot be called here")
    try:
        fitting = schema.validator.validate_python(dict(args))
        result = await schema.call(fitting, ctx)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors()
        )
        raise ToolCallFailed(f"{name}: {wrong}") from error
    except (ModelRetry, ToolFailed) as error:  # what they say is meant for the model
        raise ToolCallFailed(error.message) from error
    except Exception as error:  # a tool may raise anything; it is told
        raise ToolCallFailed(f"{type(error).__name__}: {error}") from error
    return as_json(result.return_value if isinstance(result, ToolReturn) else result)


@lru_cache(maxsize=256)
def _pydantic_tool(function: Function) -> "Tool[Any]":
    """The function as a Pydantic AI tool, which takes a millisecond to make."""
    from pydantic_ai import Tool

    return Tool(function)


def as_json(value: Any) -> Json:
    """A native tool's result as JSON: models and dataclasses by pydantic's rules."""
    from pydantic_core import to_jsonable_python

    return salvaged(to_jsonable_python(value, fallback=repr, inf_nan_mode="strings"))
