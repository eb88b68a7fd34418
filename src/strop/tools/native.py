"""Native tools: Python functions of the user's, registered by reference.

`native_item` describes a function as a tool item, its schema taken from signature and docstring;
`native_function` finds the function behind an item again. It calls none.

Next file: `agent.py`.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from strop.errors import BadInput
from strop.spec import Item, Kind

__all__ = ["import_object", "native_function", "native_item"]

Function = Callable[..., Any]


def import_object(path: str, *, where: str) -> Any:
    """The object at ``module:attribute``.

    Raises:
        BadInput: The path is not of that form, the module does not import, or it has no such
            attribute; the message carries the original error.
    """
    module_name, _, attribute = path.partition(":")
    if not module_name or not attribute:
        raise BadInput(f"{path!r} is not of the form 'module:name'", where=where)
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:
        kind = type(error).__name__
        raise BadInput(
            f"module {module_name!r} does not import: {kind}: {error} "
            "(is it on the Python path, beside strop.yaml or installed?)",
            where=where,
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise BadInput(f"module {module_name!r} has no {attribute!r}", where=where)
        found = getattr(found, part)
    return found


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
        function = import_object(function, where="tools")
    else:
        target = f"{function.__module__}:{function.__qualname__}"
    if not callable(function):
        raise BadInput(f"{target!r} is not a function", where="tools")
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
            "body": {"type": "native", "target": target},
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
    if not isinstance(body, Mapping) or body.get("type") != "native":
        raise BadInput("only native tools can run here", where=f"tool {item.id!r}")
    target = str(body["target"])
    if target in registered:
        return registered[target]
    function: Function = import_object(target, where=f"tool {item.id!r}")
    return function
