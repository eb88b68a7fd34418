"""Demonstrations rewritten: a chain's calls become one call of the tool that stands for them.

Pure: steps in, steps out. A demonstration shows results cut short, in which an argument's source
may be gone; so sources are looked up in the run that it was made from, where that is known.

Next file: `propose/chains.py`.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import cast

from strop.chain import Chain, ChainStep
from strop.errors import BadInput
from strop.expression import Expression, PathMissing, evaluate, read_json
from strop.jsonvalue import Json, JsonObject, as_text, is_object
from strop.mine.calls import calls_of
from strop.mine.chains import only_reads
from strop.run import Run
from strop.spec import AgentSpec, Item, Kind

__all__ = ["Learned", "recast", "rewritten", "steps_of", "with_steps"]

_UNKNOWN = "..."
"""What stands for the result of a call that the run did not make: the chain would have."""
_MOST_RESULT = 600  # characters, as of any other result in a demonstration


def rewritten(
    steps: Sequence[JsonObject],
    chain: Chain,
    name: str,
    *,
    full: Sequence[Json] | None = None,
) -> list[JsonObject] | None:
    """A demonstration's steps with a chain's calls as one call of the tool that stands for them.

    Calls in between stay, after the one call. A list that the run went through in part is shown
    with dots for the rest. Beyond a call that may change something, nothing belongs to the chain:
    what it gave later is not what it would have given first.

    Args:
        steps: Objects with ``tool``, ``args`` and ``result``.
        chain: The chain.
        name: Of its tool.
        full: The steps' results as they were, where those in `steps` are cut short.

    Returns:
        The steps, or `None` where the chain does not occur in them.
    """
    results = list(full) if full is not None else [step.get("result") for step in steps]
    left = list(range(len(steps)))
    out: list[JsonObject] = []
    changed = False
    while left:
        at = left.pop(0)
        match = _matched(steps, results, chain, at, left)
        if match is None:
            out.append(steps[at])
            continue
        changed = True
        taken = {i for calls in match.calls for i in calls if i is not None}
        left = [i for i in left if i not in taken]
        out.append({"tool": name, "args": match.params, "result": _result(chain, match, steps)})
    return out if changed else None


def steps_of(run: Run, steps: Sequence[JsonObject]) -> list[Json] | None:
    """The results that a demonstration's steps had in the run that it was made from.

    Args:
        run: The run.
        steps: Some of its calls, in order, with ``tool`` and ``args``.

    Returns:
        One result per step; `None` where the steps are not of this run.
    """
    calls = iter(c for c in calls_of(run) if c.error is None)
    results: list[Json] = []
    for step in steps:
        for call in calls:
            if call.tool == step.get("tool") and (call.args or {}) == (step.get("args") or {}):
                results.append(call.result)
                break
        else:
            return None
    return results


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """The tools that a spec has learned, as demonstrations show them.

    Attributes:
        chains: Each chain with its tool's name.
        names: Names of all learned tools, those of code too.
    """

    chains: tuple[tuple[Chain, str], ...]
    names: frozenset[str]

    @classmethod
    def of(cls, spec: AgentSpec) -> "Learned":
        """Those of a spec; a chain that cannot be read is shown by nobody."""
        chains: list[tuple[Chain, str]] = []
        names: set[str] = set()
        for item in spec.of_kind(Kind.TOOL):
            body, name = item.content["body"], str(item.content["name"])
            if not is_object(body) or body.get("kind") not in ("code", "chain"):
                continue
            names.add(name)
            if body["kind"] == "chain":
                with suppress(BadInput):
                    chains.append((Chain.from_json(body), name))
        return cls(chains=tuple(chains), names=frozenset(names))

    def shown_in(self, example: Item, held: Item | None, run: Run | None) -> Item:
        """An example as it should be now that these tools are there.

        One that the spec has, and that shows a learned tool on the way to the same answer, stays
        as it is; a new one shows chains in the place of their calls.

        Args:
            example: As it was mined.
            held: The example of that id in the spec.
            run: The run that it is from.
        """
        if held is not None and held.content["output"] == example.content["output"]:
            steps = held.content.get("steps")
            kept = isinstance(steps, list) and any(
                is_object(step) and step.get("tool") in self.names for step in steps
            )
            return with_steps(example, steps) if kept else example
        steps = example.content.get("steps")
        new = None if not self.chains else recast(steps, self.chains, run)
        return example if new is None else with_steps(example, new)


def recast(
    steps: Json, chains: Sequence[tuple[Chain, str]], run: Run | None
) -> list[JsonObject] | None:
    """A demonstration's steps with each of the chains in the place of its calls.

    Args:
        steps: As an example holds them.
        chains: Each with the name of its tool.
        run: The run that they are from.

    Returns:
        The steps, or `None` where none of the chains occurs in them.
    """
    if not isinstance(steps, list) or not all(map(is_object, steps)):
        return None
    shown = cast("Sequence[JsonObject]", steps)
    full = None if run is None else steps_of(run, shown)
    changed = False
    for chain, name in chains:
        new = rewritten(shown, chain, name, full=full)
        if new is not None:
            shown, full, changed = new, None, True
    return list(shown) if changed else None


def with_steps(example: Item, steps: Json) -> Item:
    """The same example with other calls between question and answer."""
    return replace(example, content={**example.content, "steps": steps})


@dataclass(slots=True)
class _Match:
    """A chain's calls among steps: which parameters it was given, and for each of its steps the
    numbers of its calls; `None` for an item that nobody called for.
    """

    params: dict[str, Json] = field(default_factory=dict)
    calls: list[list[int | None]] = field(default_factory=list)
    results: list[Json] = field(default_factory=list)


def _matched(
    steps: Sequence[JsonObject],
    results: Sequence[Json],
    chain: Chain,
    first: int,
    later: Sequence[int],
) -> _Match | None:
    """The chain's calls, from a step on; `None` where they are not all there."""
    match = _Match()
    free = [first]
    for number, step in enumerate(chain.steps):
        if number == 1:
            free = _undisturbed(steps, chain, later)
        found = _calls(steps, step, free, match)
        if found is None:
            return None
        free = [i for i in free if i not in found]
        match.calls.append(found)
        of = [_UNKNOWN if i is None else results[i] for i in found]
        match.results.append(of if step.each is not None else of[0])
    return match


def _undisturbed(steps: Sequence[JsonObject], chain: Chain, later: Sequence[int]) -> list[int]:
    """The steps until one that may change something and is not the chain's."""
    free = []
    for i in later:
        tool = str(steps[i].get("tool"))
        if tool not in chain.tools and not only_reads(tool):
            break
        free.append(i)
    return free


def _calls(
    steps: Sequence[JsonObject], step: ChainStep, free: Sequence[int], match: _Match
) -> list[int | None] | None:
    """Which of the free steps are a chain's step; `None` where none is."""
    if step.each is None:
        at = _call(steps, step, free, match, None)
        return None if at is None else [at]
    try:
        items = read_json(evaluate(step.each, match.params, match.results))
    except PathMissing:
        return None
    if not isinstance(items, list):
        return None
    found: list[int | None] = []
    for item in items:
        left = [i for i in free if i not in found]
        found.append(_call(steps, step, left, match, item))
    return found if any(i is not None for i in found) else None


def _call(
    steps: Sequence[JsonObject],
    step: ChainStep,
    free: Sequence[int],
    match: _Match,
    item: Json,
) -> int | None:
    """The first free step with the arguments that a chain's step gives; notes its parameters."""
    for i in free:
        args = steps[i].get("args")
        if steps[i].get("tool") != step.tool or not is_object(args):
            continue
        params = dict(match.params)
        if _fits(step.args, args, params, match.results, item):
            match.params = params
            return i
    return None


def _fits(
    expressions: Mapping[str, Expression],
    args: JsonObject,
    params: dict[str, Json],
    results: Sequence[Json],
    item: Json,
) -> bool:
    """Whether arguments are what expressions give; parameters not known yet are read off them."""
    if args.keys() - expressions.keys():
        return False
    for name, expression in expressions.items():
        if name in args:
            if not _gives(expression, args[name], params, results, item):
                return False
        elif "param" not in expression or expression["param"] in params:
            return False
    return True


def _gives(
    expression: Expression,
    value: Json,
    params: dict[str, Json],
    results: Sequence[Json],
    item: Json,
) -> bool:
    """Whether an expression gives a value; binds a parameter that is the value."""
    match expression:
        case {"param": str(name)} if name not in params:
            if expression.get("path"):
                return False
            params[name] = value
            return True
        case {"object": dict(fields)}:
            return is_object(value) and _fits(
                cast("Mapping[str, Expression]", fields), value, params, results, item
            )
        case {"list": list(parts)}:
            return (
                isinstance(value, list)
                and len(value) == len(parts)
                and all(
                    _gives(cast("Expression", part), one, params, results, item)
                    for part, one in zip(parts, value, strict=True)
                )
            )
    try:
        return evaluate(expression, params, results, item=item) == value
    except PathMissing:
        return False


def _result(chain: Chain, match: _Match, steps: Sequence[JsonObject]) -> Json:
    """What the tool would have returned, as far as the demonstration shows it."""
    shown: list[Json] = []
    for step, found in zip(chain.steps, match.calls, strict=True):
        of = [_UNKNOWN if i is None else steps[i].get("result") for i in found]
        shown.append(of if step.each is not None else of[0])
    result: Json = shown[-1]
    if chain.returns == "all":
        result = dict(zip(chain.names, shown, strict=True))
    text = as_text(result)
    return result if len(text) <= _MOST_RESULT else f"{text[:_MOST_RESULT]}..."
