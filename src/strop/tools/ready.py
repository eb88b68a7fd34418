"""Whether a tool can be called: its item read once, and held to its grant and its sub-tools.

A tool that cannot be called is inert; here is why, in words for people. Nothing is run.

Next file: `tools/refusals.py`.
"""

import keyword
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from strop.chain import Chain
from strop.errors import BadInput
from strop.permission import Permissions
from strop.sandbox.base import Program
from strop.spec import Item
from strop.tools.chains import MAX_DEPTH, unfit
from strop.tools.identity import body_kind, code_digest, kept_per_item, needs_of, program_of
from strop.tools.schemas import ANYTHING, Parameters
from strop.tools.source import function_in, parse, signature_problems

__all__ = ["Granted", "Halted", "Ready", "name_problem", "read_tool", "why_not"]

Granted: TypeAlias = Callable[[str], Permissions | None]
"""What code with a digest may do; `None` for what every new tool may do: `Permissions()`."""
Halted: TypeAlias = Callable[[str], str | None]
"""Why a tool with a digest is not to be used for now."""

_MAX_NAME = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A tool item, read.

    Attributes:
        problem: Why it cannot be called, whatever is granted.
        digest: `code_digest` of a code or chain tool; empty for those of the user's own.
        needs: What its code needs.
        program: Of a code tool.
        chain: Of a chain tool.
        parameters: What arguments are held to.
    """

    problem: str | None = None
    digest: str = ""
    needs: Permissions = Permissions()
    program: Program | None = None
    chain: Chain | None = None
    parameters: Parameters = ANYTHING


@kept_per_item
def read_tool(item: Item) -> Ready:
    """A tool item, read; what is wrong with it is in the result."""
    kind = body_kind(item)
    if kind in ("native", "table"):
        return Ready()
    if kind not in ("code", "chain"):
        return Ready(problem=f"its body is of no known kind: {kind[:40]!r}")
    problem = name_problem(str(item.content["name"]))
    if problem is not None:
        return Ready(problem=problem)
    try:
        ready = Ready(
            digest=code_digest(item), parameters=Parameters.of(item.content["parameters"])
        )
        if kind == "chain":
            return replace(ready, chain=Chain.from_json(item.content["body"]))
        program, needs = program_of(item), needs_of(item)
        function = function_in(parse(program.source), program.function)
        wrong = signature_problems(function, ready.parameters)
        problem = f"its code does not fit its schema, {wrong[0]}" if wrong else None
        return replace(ready, program=program, needs=needs, problem=problem)
    except (BadInput, RecursionError) as error:
        return Ready(problem=str(error) or "it is nested too deeply")


def name_problem(name: str) -> str | None:
    """Why a tool cannot have a name: providers and Python must both take it."""
    shown = repr(name[:80])
    if not (name.isidentifier() and name.isascii()):
        return f"its name {shown} is not made of letters, digits and underscores"
    if keyword.iskeyword(name):
        return f"its name {shown} is a word of Python's"
    if len(name) > _MAX_NAME:
        return f"its name is longer than {_MAX_NAME} characters: {shown}"
    return None


def why_not(
    item: Item,
    tools: Mapping[str, Item],
    granted: Granted,
    halted: Halted,
    inside: tuple[str, ...] = (),
) -> str | None:
    """Why a tool cannot be called; `None` where it can.

    Args:
        item: The tool.
        tools: The tools of its spec, by name.
        granted: What code was granted.
        halted: What is not to be used for now.
        inside: Names of the chains that it is called in, the outermost first.
    """
    ready = read_tool(item)
    if ready.problem is not None:
        return ready.problem
    if not ready.digest:
        return None
    halt = halted(ready.digest)
    if halt is not None:
        return halt
    if ready.chain is None:
        return _beyond(ready.needs, granted(ready.digest) or Permissions())
    name = str(item.content["name"])
    if name in inside:
        return f"it calls itself: {' -> '.join((*inside, name))}"
    if len(inside) >= MAX_DEPTH:
        return f"it is a chain in chains more than {MAX_DEPTH} deep"
    reason = unfit(ready.chain, ready.parameters, tools)
    if reason is not None:
        return reason
    for tool in ready.chain.tools:
        reason = why_not(tools[tool], tools, granted, halted, (*inside, name))
        if reason is not None:
            return f"its tool {tool!r} cannot be used: {reason}"
    return None


def _beyond(needs: Permissions, granted: Permissions) -> str | None:
    """Why a grant is not enough for what code needs."""
    if granted.covers(needs):
        return None
    if needs.level.rank > granted.level.rank:
        asked = f"level {needs.level.value!r} and has {granted.level.value!r}"
    else:
        asked = "folders or hosts that were not granted to it"
    return f"it needs {asked}; it waits in `strop review`"
