"""The tool lever: code that runs wrote again and again becomes a tool.

A finding of kind ``snippet`` holds the function that the recurring code was made into. It is
proposed once it has passed its checks (`tool_checks.py`). One that needs more than the lowest
level is read but not tried, and proposed all the same: it serves nobody until it is approved.
No model is asked.

Next file: `propose/descriptions.py`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import anyio.to_thread

from strop.errors import BadInput
from strop.jsonvalue import Json, JsonObject, is_object
from strop.mine import Finding
from strop.mine.successes import shown_steps
from strop.propose.brief import Brief
from strop.propose.composites import with_steps
from strop.propose.examples import propose_examples
from strop.propose.proposal import Proposal
from strop.propose.tool_checks import ToolCheck, check_tool, instances_of, validation_finding
from strop.run import Run
from strop.sandbox.base import Sandbox
from strop.spec import Add, Change, Item, Kind, Provenance, Remove, Revise, Trust
from strop.tools.effects import infer_needs
from strop.tools.identity import code_digest, needs_of, program_of

__all__ = ["MinedSnippets", "snippet_item"]

_EVIDENCE = 50
_TRIES = 4
"""Findings looked at for each tool that may be proposed: trying one takes a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedSnippets:
    """Proposes tools from findings of kind ``snippet``, those of the most tasks first.

    Attributes:
        sandbox: Gives the sandbox in which tools are tried.
        limit: At most this many tools in one proposal.
        generated: How many generated arguments a tool is tried on.
    """

    sandbox: Callable[[], Sandbox]
    limit: int = 3
    generated: int = 20

    @property
    def name(self) -> str:
        return "mined:snippets"

    async def __call__(self, brief: Brief) -> Proposal | None:
        """Tools that the spec does not have yet and that passed their checks; `None`: none.

        Those that failed are beside the proposal as findings of kind ``tool_check``; where there
        is no proposal there is nothing to keep them beside, and they are lost.
        """
        added: list[Add] = []
        used: list[str] = []
        failed: list[Finding] = []
        untried = 0
        for finding, item in self._candidates(brief):
            if len(added) == self.limit:
                break
            check = await anyio.to_thread.run_sync(self._check, finding, item)
            if not check.ok:
                failed.append(validation_finding(item, check, finding.runs))
                continue
            added.append(Add(item=item))
            used.append(finding.id)
            untried += check.validation is None
        if not added:
            return None
        changes: list[Change] = [*added, *_demonstrated(brief, added, used)]
        return Proposal(
            parent=brief.spec.id,
            changes=tuple(changes),
            findings=tuple(used),
            proposer=self.name,
            summary=_summary(len(added), untried),
            made=tuple(failed),
        )

    def _check(self, finding: Finding, item: Item) -> ToolCheck:
        instances = instances_of(finding.data)
        return check_tool(item, instances, sandbox=self.sandbox(), generated=self.generated)

    def _candidates(self, brief: Brief) -> list[tuple[Finding, Item]]:
        """Findings as items, the best first, without those that are there or were refused."""
        tools = brief.spec.of_kind(Kind.TOOL)
        names = {str(tool.content["name"]) for tool in tools}
        ids = {item.id for item in brief.spec.items}
        digests = {code_digest(tool) for tool in tools}
        refused = {
            item_id
            for tried in brief.tried
            if tried.decision == "reject" and tried.proposer == self.name
            for item_id in tried.added
        }
        found: list[tuple[Finding, Item]] = []
        for finding in _ranked(brief.findings):
            item = snippet_item(finding)
            if item is None or item.id in ids | refused:
                continue
            name, digest = str(item.content["name"]), code_digest(item)
            if name in names or digest in digests:
                continue
            names.add(name)
            digests.add(digest)
            found.append((finding, item))
        return found[: self.limit * _TRIES]


def _demonstrated(brief: Brief, added: Sequence[Add], used: Sequence[str]) -> list[Change]:
    """Examples from the runs that wrote the code, showing a call of the tool in its place.

    An agent that is shown no call of a tool goes on as it did.
    """
    instead: dict[str, dict[int, tuple[str, JsonObject]]] = {}
    findings = {finding.id: finding for finding in brief.findings}
    for change, finding in zip(added, used, strict=True):
        name = str(change.item.content["name"])
        for run, position, args in _calls_of(findings[finding]):
            instead.setdefault(run, {})[position] = (name, args)
    runs = {scored.run.id: scored.run for scored in brief.runs}
    changes: list[Change] = []
    for item in brief.spec.of_kind(Kind.EXAMPLE):
        shown_by = next((run for run in item.provenance.runs if run in instead), None)
        if item.protected or item.provenance.corrected or shown_by not in runs:
            continue
        steps = shown_steps(runs[shown_by], instead=instead[shown_by])
        if steps and steps != item.content.get("steps"):
            changes.append(Revise(item_id=item.id, item=with_steps(item, steps)))
    return changes or _brought(brief, runs, instead)


def _brought(
    brief: Brief,
    runs: Mapping[str, Run],
    instead: Mapping[str, Mapping[int, tuple[str, JsonObject]]],
) -> list[Change]:
    """Examples from those runs, where the spec has none of them: the gate may have refused them
    for the code that they could not show.
    """
    found = propose_examples(brief.spec, brief.findings, brief.tasks)
    changes: list[Change] = []
    for change in () if found is None else found.changes:
        run = "" if isinstance(change, Remove) else next(iter(change.item.provenance.runs), "")
        if not isinstance(change, Add) or run not in instead or run not in runs:
            continue
        steps = shown_steps(runs[run], instead=instead[run])
        if steps:
            changes.append(Add(item=with_steps(change.item, steps)))
    return changes


def _calls_of(finding: Finding) -> Iterator[tuple[str, int, JsonObject]]:
    """Run, position and arguments of the code that a finding's tool stands for, where it was run
    by itself: what else a call did would be missing.
    """
    instances = finding.data.get("instances")
    for each in instances if isinstance(instances, list) else ():
        match each:
            case {"run": str(run), "position": int(position), "args": dict(args), "result": _}:
                yield run, position, args


def snippet_item(finding: Finding) -> Item | None:
    """A finding of kind ``snippet`` as a tool item; `None` where it holds no code that parses.

    It declares what its code seems to need, where that is more than the finding says.
    """
    tool = finding.data.get("tool")
    if not is_object(tool):
        return None
    fields = ("name", "description", "parameters", "body", "needs", "returns")
    try:
        item = Item(
            id=f"tool-{tool.get('name')}",
            kind=Kind.TOOL,
            content={name: tool[name] for name in fields if name in tool},
            provenance=Provenance(
                by="mined:snippets", runs=tuple(finding.runs[:_EVIDENCE]), trust=Trust.EVIDENCE
            ),
        )
        declared, seen = needs_of(item), infer_needs(program_of(item).source)
    except BadInput:
        return None
    # Equal levels: the addresses that stand in the code say more than "any host".
    named = seen.level is declared.level and bool(seen.hosts) and not declared.hosts
    if seen.level.rank <= declared.level.rank and not named:
        return item
    return replace(item, content={**item.content, "needs": seen.to_json()})


def _ranked(findings: Iterable[Finding]) -> list[Finding]:
    """By distinct tasks, then by how much is saved."""

    def rank(finding: Finding) -> tuple[float, float, str]:
        support = finding.data.get("support")
        tasks = _number(support, "tasks") if is_object(support) else 0.0
        return -tasks, -_number(finding.data, "saving"), finding.id

    return sorted((f for f in findings if f.kind == "snippet"), key=rank)


def _number(data: JsonObject, name: str) -> float:
    value: Json = data.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _summary(count: int, untried: int) -> str:
    said = f"{count} tool" + "s" * (count != 1) + " from code that recurs"
    if not untried:
        return said
    return f"{said}; {untried} not tried, for needing more than a sandbox allows"
