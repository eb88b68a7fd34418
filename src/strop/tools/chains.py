"""Chain tools: whether a chain still fits the tools it calls, and what a call of one gives back.

A chain holds the arguments of its steps as they were when it was made. Its tools may have changed
or gone since then; `unfit` says so before the model is offered it. What runs the steps is
`strop.chain`; what calls a tool is handed in.

Next file: `tools/source.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from strop.chain import Chain, ChainResult, ChainStep
from strop.errors import BadInput, ToolCallFailed
from strop.jsonvalue import Json, JsonObject, as_text, is_object
from strop.spec import Item
from strop.tools.identity import body_kind
from strop.tools.schemas import Parameters

__all__ = ["INTERMEDIATE", "MAX_DEPTH", "Calls", "chain_value", "failed_step", "unfit", "wanted"]

INTERMEDIATE = "intermediate_results"
"""Argument of a chain that returns its last result: true asks for that of every step."""

MAX_DEPTH = 4
"""Chains in chains: how deep."""

_MAX_CALLS = 400
_SHOWN = 400  # characters of a finished step's result in the message about a failed one


@dataclass(slots=True)
class Calls:
    """Counts the calls that one call of a chain makes, in chains in chains too."""

    left: int = _MAX_CALLS

    def one_more(self) -> None:
        """Count one.

        Raises:
            ToolCallFailed: It is one too many.
        """
        if self.left == 0:
            raise ToolCallFailed(f"stopped after {_MAX_CALLS} calls; ask for less at once")
        self.left -= 1


def unfit(chain: Chain, parameters: Parameters, tools: Mapping[str, Item]) -> str | None:
    """Why a chain cannot be called as it is; `None` where it can.

    Args:
        chain: The chain.
        parameters: Its own parameters.
        tools: The tools of the spec by name.
    """
    unknown = [name for name in chain.params if name not in parameters.names]
    if unknown and not parameters.open:
        return f"it reads {unknown[0]!r}, which its parameters do not name"
    for number, step in enumerate(chain.steps, start=1):
        tool = tools.get(step.tool)
        if tool is None:
            return f"step {number} calls {step.tool!r}, which is not there (any more)"
        if body_kind(tool) == "table":
            return f"step {number} calls {step.tool!r}, which is a table and cannot be called"
        wrong = _misfit(step, tool)
        if wrong is not None:
            return f"step {number} does not fit {step.tool!r} (any more): {wrong}"
    return None


def _misfit(step: ChainStep, tool: Item) -> str | None:
    """Why a step's arguments do not fit the tool that it calls."""
    schema = tool.content["parameters"]
    properties = schema.get("properties", {}) if is_object(schema) else {}
    if not is_object(schema) or not is_object(properties):
        return "its parameters are no schema"
    required = schema.get("required")
    needed = required if isinstance(required, list) else []
    missing = [name for name in needed if isinstance(name, str) and name not in step.args]
    if missing:
        return f"it needs {missing[0]!r}"
    unknown = [name for name in step.args if name not in properties]
    if unknown and not schema.get("additionalProperties"):
        return f"it does not take {unknown[0]!r}"
    if body_kind(tool) == "native":
        return None  # its own types decide at the call; they convert what a schema would refuse
    constants = {n: e["const"] for n, e in step.args.items() if "const" in e}
    if not constants:
        return None
    try:
        parameters = Parameters.of(schema)
    except BadInput as error:
        return f"its parameters: {error}"
    refused = ((n, parameters.refuses(n, value)) for n, value in constants.items())
    return next((f"{name!r}: {why}" for name, why in refused if why is not None), None)


def wanted(chain: Chain, parameters: Parameters, args: JsonObject) -> tuple[dict[str, Json], bool]:
    """A chain's arguments with the defaults of its schema; and whether every result is wanted.

    `INTERMEDIATE` is taken from the arguments wherever the chain itself does not read it, so that
    a chain need not name it in its schema.
    """
    given = {**parameters.defaults, **args}
    every = chain.returns == "all"
    if INTERMEDIATE not in chain.params:
        every = given.pop(INTERMEDIATE, False) is True or every
    return given, every


def chain_value(chain: Chain, result: ChainResult, *, every: bool) -> Json:
    """What a finished chain gives back."""
    if every:
        return dict(zip(chain.names, result.results, strict=True))
    return result.results[-1]


def failed_step(name: str, chain: Chain, result: ChainResult) -> str:
    """Which step failed, why, and what those before it gave, for the model to go on from."""
    number = result.failed or 0
    tool, total = chain.steps[number].tool, len(chain.steps)
    lines = [f"{name} stopped at step {number + 1} of {total}, {tool}: {result.error}"]
    for done, value in zip(chain.names, result.results, strict=False):
        text = as_text(value)
        lines.append(f"{done} gave: {text[:_SHOWN]}{'...' if len(text) > _SHOWN else ''}")
    return "\n".join(lines)
