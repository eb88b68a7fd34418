"""Native tools: Python functions of the user's, registered by reference.

`native_item` describes a function as a tool item, its schema taken from signature and docstring;
`native_function` finds the function behind an item again. It calls none.

Next file: `agent.py`.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

from strop.errors import BadInput
from strop.score.function import load_object
from strop.spec import Item, Kind

__all__ = ["native_function", "native_item"]

Function = Callable[..., Any]


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
