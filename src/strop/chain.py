"""`Chain`: tool calls in a row as data, each argument wired to a parameter or an earlier result.

There is no code in a chain, so it can do nothing but what its tools do. Values and their
evaluation: `run_chain` is handed what calls a tool. Chains are mined in `mine/chains/`, and
`tools/` serves them.

What an argument may be wired to is in `expression.py`.

Next file: `run.py`.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from strop.errors import BadInput
from strop.expression import Expression, PathMissing, check, evaluate, kind_of, params_of, read_json
from strop.jsonvalue import Json, JsonObject, is_object

__all__ = ["Chain", "ChainResult", "ChainStep", "arguments", "run_chain"]

_MAX_STEPS = 16
_MAX_ITEMS = 100
"""Calls that one fan-out makes at most: a list of thousands is a mistake, not a plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainStep:
    """One call of a chain.

    Attributes:
        tool: Name of the tool.
        args: An expression for each of its arguments.
        each: An expression that gives a list: the tool is called once per item, in order, and the
            step's result is the list of results. `None` for a single call.
    """

    tool: str
    args: Mapping[str, Expression] = field(hash=False)
    each: Expression | None = field(default=None, hash=False)

    def to_json(self) -> dict[str, Json]:
        out: dict[str, Json] = {"tool": self.tool, "args": dict(self.args)}
        if self.each is not None:
            out["each"] = self.each
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Calls in a row.

    Attributes:
        steps: The calls, in order.
        returns: ``last`` for the result of the last step, ``all`` for an object of every step's
            result by ``tool`` name (``tool_2`` for its second step, and so on).

    Raises:
        BadInput: No or too many steps, an expression of no known form, one that reads a step that
            is not before it, or an item where there is no `each`.
    """

    steps: tuple[ChainStep, ...]
    returns: str = "last"

    def __post_init__(self) -> None:
        if not 0 < len(self.steps) <= _MAX_STEPS:
            raise BadInput(f"must be 1 to {_MAX_STEPS} steps", where="chain.steps")
        if self.returns not in ("last", "all"):
            raise BadInput("must be 'last' or 'all'", where="chain.returns")
        for number, step in enumerate(self.steps):
            where = f"chain.steps[{number}]"
            if not isinstance(step.tool, str) or not step.tool:
                raise BadInput("needs the name of a tool", where=where)
            if step.each is not None:
                check(step.each, before=number, item=False, where=f"{where}.each")
            for name, expression in step.args.items():
                check(
                    expression,
                    before=number,
                    item=step.each is not None,
                    where=f"{where}.args.{name}",
                )

    @property
    def tools(self) -> tuple[str, ...]:
        """Names of the tools that it calls, each once, in order of first use."""
        return tuple(dict.fromkeys(step.tool for step in self.steps))

    @property
    def params(self) -> tuple[str, ...]:
        """Names of the parameters that its expressions read, in order of first use."""
        found = (p for step in self.steps for e in _expressions(step) for p in params_of(e))
        return tuple(dict.fromkeys(found))

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each step's result: the tool's, numbered from its second use on."""
        seen: dict[str, int] = {}
        names = []
        for step in self.steps:
            seen[step.tool] = seen.get(step.tool, 0) + 1
            names.append(step.tool if seen[step.tool] == 1 else f"{step.tool}_{seen[step.tool]}")
        return tuple(names)

    def to_json(self) -> dict[str, Json]:
        """The body of a tool item."""
        return {
            "kind": "chain",
            "steps": [step.to_json() for step in self.steps],
            "returns": self.returns,
        }

    @classmethod
    def from_json(cls, value: Json) -> "Chain":
        """The inverse of `to_json`.

        Raises:
            BadInput: It is no chain.
        """
        if not is_object(value) or value.get("kind") != "chain":
            raise BadInput("expected an object with kind 'chain'", where="chain")
        steps = value.get("steps")
        if not isinstance(steps, list) or not all(is_object(step) for step in steps):
            raise BadInput("must be a list of objects", where="chain.steps")
        made = []
        for number, step in enumerate(cast("Sequence[JsonObject]", steps)):
            args, each = step.get("args", {}), step.get("each")
            if not is_object(args) or not (each is None or is_object(each)):
                raise BadInput("'args' and 'each' must be objects", where=f"chain.steps[{number}]")
            made.append(
                ChainStep(
                    tool=str(step.get("tool") or ""),
                    args=cast("Mapping[str, Expression]", args),
                    each=each,
                )
            )
        return cls(steps=tuple(made), returns=str(value.get("returns", "last")))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainResult:
    """What came of a chain.

    Attributes:
        results: The result of each step that was finished, in order.
        failed: Number of the step that failed, from 0; `None` where all went well.
        error: Why it failed, in one line.
    """

    results: tuple[Json, ...] = field(hash=False)
    failed: int | None = None
    error: str | None = None


async def run_chain(
    chain: Chain, args: JsonObject, call: Callable[[str, JsonObject], Awaitable[Json]]
) -> ChainResult:
    """Make a chain's calls in order; it stops at the first that fails.

    Args:
        chain: The calls.
        args: The chain's own arguments.
        call: Calls a tool by name and returns its result. What it raises (`Exception`) is that
            step's failure.
    """
    results: list[Json] = []
    for number, step in enumerate(chain.steps):
        try:
            calls = arguments(step, args, results)
            made = [await call(step.tool, each) for each in calls]
        except Exception as error:  # noqa: BLE001 - a tool may raise anything; it is told
            line = " ".join(str(error).split())[:500] or type(error).__name__
            return ChainResult(results=tuple(results), failed=number, error=line)
        results.append(made if step.each is not None else made[0])
    return ChainResult(results=tuple(results))


def arguments(step: ChainStep, params: JsonObject, results: Sequence[Json]) -> list[JsonObject]:
    """The arguments of each call that a step makes: one, or one per item of its `each`.

    Raises:
        PathMissing: An expression leads nowhere, `each` gives no list, or one that is too long.
    """
    if step.each is None:
        return [_bound(step, params, results, None)]
    items = read_json(evaluate(step.each, params, results))
    if not isinstance(items, list):
        raise PathMissing(f"{step.tool}: expected a list to go through, not {kind_of(items)}")
    if len(items) > _MAX_ITEMS:
        raise PathMissing(f"{step.tool}: {len(items)} items; at most {_MAX_ITEMS} are called for")
    return [_bound(step, params, results, item) for item in items]


def _bound(
    step: ChainStep, params: JsonObject, results: Sequence[Json], item: Json
) -> dict[str, Json]:
    """One call's arguments; one that reads a parameter nobody gave is left out."""
    bound: dict[str, Json] = {}
    for name, expression in step.args.items():
        needed = expression.get("param")
        if isinstance(needed, str) and needed not in params:
            continue
        bound[name] = evaluate(expression, params, results, item=item)
    return bound


def _expressions(step: ChainStep) -> Iterator[Expression]:
    if step.each is not None:
        yield step.each
    yield from step.args.values()
