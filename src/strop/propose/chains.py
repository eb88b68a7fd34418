"""The tool lever, chains: calls that agents make in a row become one tool, and examples show it.

A chain is proposed only where the spec has all of its tools, with parameters that take what the
chain would give them. Demonstrations are rewritten in the same proposal (`propose/composites.py`):
an agent that is shown five calls makes five calls, whatever tool there is for it. No model is
asked. What makes a chain trustworthy was decided in `mine/chains/`; this fits it into a spec.

Next file: `propose/tool_checks.py`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import cast

from strop.chain import Chain
from strop.errors import BadInput
from strop.expression import Expression
from strop.jsonvalue import Json, JsonObject, is_object
from strop.mine import Finding
from strop.mine.calls import calls_of
from strop.propose.brief import Brief
from strop.propose.composites import recast, rewritten, with_steps
from strop.propose.examples import propose_examples
from strop.propose.proposal import Aim, Proposal
from strop.run import ScoredRun
from strop.spec import Add, AgentSpec, Change, Item, Kind, Provenance, Revise, Trust, apply

__all__ = ["MinedChains", "chain_item", "fits"]

_BY = "mined:chains"
_RUNS = 50
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "array": list,
    "object": dict,
    "null": type(None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedChains:
    """Adds tools from findings of kind ``chain``, those that save most first.

    Attributes:
        limit: Tools in one proposal: each is one more to choose from.
    """

    limit: int = 3

    @property
    def name(self) -> str:
        return _BY

    async def __call__(self, brief: Brief) -> Proposal | None:
        """The proposal, or `None` where there is no chain that is new to the spec and fits it.

        It promises the same score with fewer calls. What the gate rejected is not proposed again.
        """
        return self.propose(brief)

    def propose(self, brief: Brief) -> Proposal | None:
        """The same, without waiting."""
        tools = {str(i.content["name"]): i for i in brief.spec.of_kind(Kind.TOOL)}
        refused = {id_ for t in brief.tried if t.decision == "reject" for id_ in t.added}
        known = [i.content["body"] for i in tools.values()]
        added: list[tuple[Finding, Item, Chain]] = []
        for finding in brief.findings:
            chain = _chain(finding)
            if len(added) == self.limit or chain is None or not fits(chain, tools):
                continue
            item = chain_item(finding, {*tools, *(str(i.content["name"]) for _, i, _ in added)})
            item = _in_place_of_its_parts(item, chain, brief)
            if item.id in refused or _is_held(item, known):
                continue
            known.append(item.content["body"])
            added.append((finding, item, chain))
        if not added:
            return None
        adds: list[Change] = [_add(item, chain, tools) for _, item, chain in added]
        shown = [(chain, str(item.content["name"])) for _, item, chain in added]
        examples: list[Change] = list(_revised(brief.spec, shown, brief.runs))
        examples = examples or _brought(brief, adds, {name for _, name in shown})
        names = ", ".join(name for _, name in shown)
        demos = f"; {len(examples)} examples show it" if examples else ""
        return Proposal(
            parent=brief.spec.id,
            changes=(*adds, *examples),
            findings=tuple(finding.id for finding, _, _ in added),
            proposer=_BY,
            summary=f"one call in the place of several: {names}{demos}",
            aim=Aim.LEANER,
        )


def _in_place_of_its_parts(item: Item, chain: Chain, brief: Brief) -> Item:
    """The tool with the names of those that good runs called for nothing but this chain.

    They need not be offered beside it, which spares every request their description and a small
    model the wrong choice; the chain still calls them.
    """
    seen: Counter[str] = Counter()
    else_: set[str] = set()
    for scored in brief.runs:
        if scored.value is None or scored.value < brief.good:
            continue
        steps: list[JsonObject] = [
            {"tool": call.tool, "args": call.args, "result": call.result}
            for call in calls_of(scored.run)
            if call.error is None
        ]
        left = rewritten(steps, chain, str(item.content["name"]))
        else_ |= {str(step["tool"]) for step in (steps if left is None else left)}
        if left is not None:
            seen.update(chain.tools)
    spared = [name for name in chain.tools if seen[name] >= _ENOUGH and name not in else_]
    if not spared:
        return item
    return replace(item, content={**item.content, "instead_of": spared})


_ENOUGH = 3  # good runs


def _add(item: Item, chain: Chain, tools: Mapping[str, Item]) -> Add:
    """The tool in front of those that it calls: small models favour what stands first."""
    parts = [tool.id for name, tool in tools.items() if name in chain.tools]
    return Add(item=item, before=parts[0])


def _brought(brief: Brief, adds: Sequence[Change], names: AbstractSet[str]) -> list[Change]:
    """Examples of the new tools from successful runs, where the spec has none to rewrite.

    The gate may have refused the demonstrations of many calls in a row, and a tool that is shown
    nowhere is one that small models do not call.
    """
    grown = apply(brief.spec, adds)
    runs = {scored.run.id: scored.run for scored in brief.runs}
    found = propose_examples(grown, brief.findings, brief.tasks, runs=runs)
    return [
        change
        for change in (found.changes if found is not None else ())
        if isinstance(change, Add)
        and any(
            step["tool"] in names
            for step in cast("Sequence[JsonObject]", change.item.content.get("steps", ()))
        )
    ]


def chain_item(finding: Finding, taken: AbstractSet[str]) -> Item:
    """A finding of kind ``chain`` as a tool item.

    Args:
        finding: The finding.
        taken: Names of tools that there are; one that is taken gets a number.
    """
    content = dict(cast("Mapping[str, Json]", finding.data["tool"]))
    base, n = str(content["name"]), 1
    while content["name"] in taken:
        n += 1
        content["name"] = f"{base}_{n}"
    return Item(
        id=f"tool-{content['name']}",
        kind=Kind.TOOL,
        content=content,
        provenance=Provenance(by=_BY, runs=tuple(finding.runs[:_RUNS]), trust=Trust.EVIDENCE),
    )


def fits(chain: Chain, tools: Mapping[str, Item]) -> bool:
    """Whether there are all tools of a chain, and their parameters take what it gives them.

    Args:
        chain: The chain.
        tools: Tool items by the tool's name.
    """
    for step in chain.steps:
        item = tools.get(step.tool)
        if item is None or not _takes(cast("JsonObject", item.content["parameters"]), step.args):
            return False
    return True


def _takes(schema: JsonObject, args: Mapping[str, Expression]) -> bool:
    """Whether a schema's parameters take arguments of these names, and constants of these types."""
    properties, required = schema.get("properties"), schema.get("required", [])
    if isinstance(required, list) and not set(required) <= args.keys():
        return False
    if not is_object(properties):
        return True
    open_ = schema.get("additionalProperties", False) is not False
    for name, expression in args.items():
        if name not in properties:
            if not open_:
                return False
        elif "const" in expression and not _is_of(expression["const"], properties[name]):
            return False
    return True


def _is_of(value: Json, schema: Json) -> bool:
    """Whether a value is of a schema's type, and among its values where it names them."""
    if not is_object(schema):
        return True
    allowed, kinds = schema.get("enum"), schema.get("type")
    if isinstance(allowed, list) and value not in allowed:
        return False
    names = [kinds] if isinstance(kinds, str) else kinds
    if not isinstance(names, list):
        return True
    if isinstance(value, bool):
        return "boolean" in names
    return any(isinstance(value, _TYPES.get(str(name), object)) for name in names)


def _chain(finding: Finding) -> Chain | None:
    """The chain of a finding that has one."""
    tool = finding.data.get("tool")
    if finding.kind != "chain" or not is_object(tool):
        return None
    try:
        return Chain.from_json(tool.get("body"))
    except BadInput:
        return None


def _is_held(item: Item, known: Sequence[Json]) -> bool:
    """Whether a tool does the same already, whatever it is called and gives back."""
    steps = cast("JsonObject", item.content["body"])["steps"]
    return any(is_object(body) and body.get("steps") == steps for body in known)


def _revised(
    spec: AgentSpec, chains: Sequence[tuple[Chain, str]], runs: Sequence[ScoredRun]
) -> Iterator[Revise]:
    """Examples that show the new tools in the place of what they stand for."""
    by_id = {scored.run.id: scored.run for scored in runs}
    for item in spec.of_kind(Kind.EXAMPLE):
        run = next((by_id[r] for r in item.provenance.runs if r in by_id), None)
        steps = None if item.protected else recast(item.content.get("steps"), chains, run)
        if steps is not None:
            yield Revise(item_id=item.id, item=with_steps(item, steps))
