"""The tool lever: arguments that are given wrongly again and again are described better.

To the description of a parameter is added what values of calls that succeed look like, and what
failed. Names and forms only, no sentence of a trace. What a tool does stays as it is: a protected
tool may be described in other words, no more (`spec.apply`).

Next file: `propose/resolutions.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from strop.jsonvalue import Json, JsonObject, canonical, checked, is_object
from strop.mine import Finding
from strop.mine.arguments import Fault, root_of
from strop.mine.failures.trust import quotable
from strop.propose.brief import Brief, Tried
from strop.propose.proposal import Proposal
from strop.propose.reflect.leakage import Leakage, labels_in
from strop.spec import Change, Item, Kind, Provenance, Revise, Trust

__all__ = ["LEAD", "MinedDescriptions", "described", "misuses", "refused_before", "schema_at"]

LEAD = "Seen in earlier calls: "
"""What an added text begins with: the next one takes its place."""

_EVIDENCE = 50
_STRONG = 20
"""Distinct tasks from which values are held to be all that there are: twice what mining asks."""
_SHOWN = 4
_MAX_ENUM = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedDescriptions:
    """Proposes better descriptions from findings of kind ``misuse``, the most widespread first.

    Attributes:
        limit: At most this many arguments in one proposal.
    """

    limit: int = 5

    @property
    def name(self) -> str:
        return "mined:descriptions"

    async def __call__(self, brief: Brief) -> Proposal | None:
        """Revised tools, one change for each; `None` where nothing is to be said.

        An argument that the gate has refused a description of is let be.
        """
        tools = {str(t.content["name"]): t for t in brief.spec.of_kind(Kind.TOOL)}
        places: dict[tuple[str, str], list[_Said]] = {}
        for label, findings in misuses(brief.findings):
            name, path = _place(findings[0])
            if name in tools and not refused_before(label, brief.tried, self.name):
                said = _said(label, tools[name], path, findings)
                places.setdefault((name, said.where), []).append(said)
        if not places:
            return None
        revised: dict[str, Item] = {}
        told: list[_Said] = []
        leakage = Leakage(brief.tasks.values(), labels=labels_in(brief.spec.output))
        for (name, _), group in places.items():
            tool = revised.get(name, tools[name])
            better = _better(tool, group, leakage)
            if better is None or canonical(better.content) == canonical(tool.content):
                continue
            revised[name] = better
            told += [said for said in group if said.note]
            if len(told) >= self.limit:
                break
        if not told:
            return None
        used = [finding for said in told for finding in said.findings]
        return Proposal(
            parent=brief.spec.id,
            changes=_changes(revised, used, self.name),
            findings=tuple(finding.id for finding in used),
            proposer=self.name,
            summary=f"described from calls that failed: {', '.join(said.label for said in told)}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What there is to say of one argument.

    Attributes:
        label: What it is called in summaries.
        where: Path of the argument whose description says it; ``""`` for the tool's own.
        note: What is to be said; ``""`` for nothing.
        findings: The findings behind it.
    """

    label: str
    where: str
    note: str
    findings: tuple[Finding, ...]


def _said(label: str, tool: Item, path: str, findings: tuple[Finding, ...]) -> _Said:
    """What findings have to say of an argument, and where in the tool's schema."""
    parameters = cast("JsonObject", tool.content["parameters"])
    ways = (way for way in (path, root_of(path)) if schema_at(parameters, way))
    where = next(ways, "")
    sentences = (_sentence(finding, known=bool(where)) for finding in findings)
    note = " ".join(dict.fromkeys(sentence for sentence in sentences if sentence))
    if note and where and where != path:
        note = f"`{path}`: {note}"
    return _Said(label=label, where=where, note=note, findings=findings)


def misuses(findings: Iterable[Finding]) -> list[tuple[str, tuple[Finding, ...]]]:
    """Findings of kind ``misuse`` by argument, the most widespread first.

    Returns:
        For each argument what it is called in summaries, and its findings.
    """
    grouped: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        if finding.kind == "misuse":
            grouped.setdefault(_place(finding), []).append(finding)
    ranked = sorted(grouped.items(), key=lambda kv: (-max(len(f.runs) for f in kv[1]), kv[0]))
    return [
        (f"`{tool}.{path}`", tuple(sorted(found, key=lambda f: (-len(f.runs), f.claim))))
        for (tool, path), found in ranked
        if quotable(tool) and quotable(path)
    ]


def refused_before(label: str, tried: Sequence[Tried], proposer: str) -> bool:
    """Whether the gate has refused what this proposer said of an argument.

    Args:
        label: What the argument is called in summaries (`misuses`).
        tried: Earlier proposals.
        proposer: The proposer's name.
    """
    return any(
        t.decision == "reject" and t.proposer == proposer and label in t.summary for t in tried
    )


def _place(finding: Finding) -> tuple[str, str]:
    return str(finding.data["tool"]), str(finding.data["argument"])


def _changes(revised: Mapping[str, Item], used: Sequence[Finding], by: str) -> tuple[Change, ...]:
    """A revision for each tool, with the runs of its findings as evidence."""
    changes = []
    for name, item in sorted(revised.items()):
        runs = (run for finding in used if finding.data["tool"] == name for run in finding.runs)
        evidence = tuple(dict.fromkeys(runs))[:_EVIDENCE]
        provenance = Provenance(by=by, runs=evidence, trust=Trust.EVIDENCE)
        changes.append(Revise(item_id=item.id, item=replace(item, provenance=provenance)))
    return tuple(changes)


def _better(tool: Item, said: Sequence[_Said], leakage: Leakage) -> Item | None:
    """The tool with one place described better; `None` where there is nothing to say."""
    note = " ".join(each.note for each in said if each.note)
    if not note or leakage.copies(note):
        return None
    where = said[0].where
    way = schema_at(cast("JsonObject", tool.content["parameters"]), where) if where else ()
    held = str((way[-1] if way else tool.content).get("description", ""))
    text = f"{held.partition(LEAD)[0].rstrip()} {LEAD}{note}".strip()
    exact = [f for each in said for f in each.findings if f.data["argument"] == where]
    valued = next((f for f in exact if f.data["fault"] == Fault.VALUE), None)
    hints = _hints(tool, way[-1], valued, leakage) if valued is not None else {}
    return described(tool, where, text, hints)


def _sentence(finding: Finding, *, known: bool) -> str:
    """What a finding has to say to whoever fills in the argument; ``""`` for nothing.

    Args:
        finding: The finding, of kind ``misuse``.
        known: Whether the tool's schema has the argument.
    """
    data = finding.data
    path, fault = str(data["argument"]), str(data["fault"])
    right, wrong = _names(data["right"]), _names(data["wrong"])
    if not known:
        return f"it takes no `{path}`." if fault == Fault.UNKNOWN else ""
    match fault:
        case Fault.MISSING:
            return f"calls without it fail{_for_example(right)}."
        case Fault.RENAMED:
            return f"it is called `{path}`, not {_or(wrong)}." if wrong else ""
        case Fault.TYPE | Fault.VALUE:
            if not right:
                return ""
            not_these = f", not like {_or(wrong)}" if wrong else ""
            digits = " (# is a digit or more)" if any("#" in n for n in right + wrong) else ""
            return f"right values are like {_or(right)}{not_these}{digits}."
        case Fault.SOURCE:
            tool, _, field = (right[0] if right else "").partition(": ")
            if not tool or not field:
                return ""
            return f"right values are those that `{tool}` gives as `{field}`."
        case Fault.SUM:
            return "all of them must add up to the total that the tool reckons with."
        case _:
            return ""


def _names(value: Json) -> list[str]:
    """What a finding shows, again held to what may be quoted."""
    names = value if isinstance(value, list) else []
    return [name for name in names if isinstance(name, str) and _may_quote(name)][:_MAX_ENUM]


def _may_quote(name: str) -> bool:
    return all(quotable(part) == part for part in name.split(": ", 1))


def _or(names: Sequence[str]) -> str:
    return " or ".join(f"`{name}`" for name in names[:_SHOWN])


def _for_example(names: Sequence[str]) -> str:
    return f"; for example {_or(names)}" if names else ""


def _hints(tool: Item, schema: JsonObject, finding: Finding, leakage: Leakage) -> dict[str, Json]:
    """Keywords for the schema of an argument: examples; where all agree, an enum or a format.

    Values that recur are given as examples. An enum binds models whose provider enforces schemas,
    so it is put in only where calls in many tasks gave these values and no other. A grant holds
    for the very schema of a code tool or chain: those get neither enum nor format.
    """
    data = finding.data
    values = cast("Mapping[str, Json]", data["values"])
    names = [name for name in _names(data["right"]) if "#" not in name]
    if schema.get("type") != "string":
        return {}
    strong = int(str(values["tasks"])) >= _STRONG and tool.protected
    if values["format"] and strong and not {"format", "pattern", "enum"} & schema.keys():
        return {"format": values["format"]}
    if not names or any(leakage.copies(name) for name in names):
        return {}
    if values["closed"] and strong and len(names) == values["distinct"] and "enum" not in schema:
        return {"enum": names}
    return {} if "enum" in schema else {"examples": names[:_SHOWN]}


# --- writing into a tool -------------------------------------------------------------------------


def schema_at(parameters: JsonObject, path: str) -> tuple[JsonObject, ...]:
    """The schemas on the way to an argument, the outermost first, its own last; empty: none.

    Args:
        parameters: The schema of the tool's parameters.
        path: The argument, list indices as ``[]``: ``payments[].amount``.
    """
    at: Json = parameters
    way: list[JsonObject] = []
    for step in path.replace("[]", ".[]").split("."):
        at = _referred(parameters, at)
        inner = at.get("items") if step == "[]" and is_object(at) else None
        if step != "[]" and is_object(at) and is_object(at.get("properties")):
            inner = cast("JsonObject", at["properties"]).get(step)
        if not is_object(inner):
            return ()
        way.append(inner)
        at = inner
    return tuple(way)


def _referred(root: JsonObject, schema: Json) -> Json:
    """What a schema refers to within the document; itself where it does not."""
    seen = 0
    while is_object(schema) and isinstance(schema.get("$ref"), str) and seen < 8:
        at: Json = root
        for step in str(schema["$ref"]).removeprefix("#/").split("/"):
            at = at.get(step) if is_object(at) else None
        schema, seen = at, seen + 1
    return schema


def described(tool: Item, path: str, text: str, hints: Mapping[str, Json] = {}) -> Item:
    """A tool with another description of one of its arguments, or of itself.

    Args:
        tool: The tool item.
        path: The argument (`schema_at` finds it); ``""`` for the tool.
        text: The whole new description.
        hints: Further keywords for the argument's schema.
    """
    content = cast("dict[str, Json]", checked(tool.content))  # a copy of its own
    if not path:
        return replace(tool, content={**content, "description": text})
    schema = schema_at(cast("JsonObject", content["parameters"]), path)[-1]
    cast("dict[str, Json]", schema).update({"description": text, **hints})
    return replace(tool, content=content)
