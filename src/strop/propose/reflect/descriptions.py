"""``reflect:descriptions``: a model words how tools and their arguments are described.

It sees the tools whose arguments were given wrongly again and again (findings of kind ``misuse``),
what calls that succeed pass, and runs that show it. Only descriptions change: what a tool does is
not its business, and `spec.apply` would refuse it.

Source: a tool's documentation mended from what came of calling it, from Qu et al., "From
Exploration to Mastery: Enabling LLMs to Master Tools via Self-Driven Interactions", ICLR 2025
(arXiv:2410.08197).

Next file: `propose/reflect/rules.py`.
"""

from dataclasses import dataclass, field, replace
from typing import cast

from pydantic import BaseModel, Field

from strop.jsonvalue import JsonObject
from strop.mine.finding import Finding
from strop.propose.brief import Brief
from strop.propose.descriptions import described, misuses, refused_before, schema_at
from strop.propose.proposal import Proposal
from strop.propose.reflect.prompts import fenced, load_prompt
from strop.propose.reflect.reflector import Reflector
from strop.propose.reflect.screen import (
    Screen,
    one_line,
    reflection_finding,
    run_pieces,
    tried_piece,
)
from strop.propose.reflect.traces import Shown, cut_middle, plain
from strop.run import ScoredRun
from strop.spec import Change, Item, Kind, Provenance, Revise, Trust

__all__ = ["ReflectedDescriptions"]

MAX_DESCRIPTION = 500  # characters; the template asks for 400
_MAX_LABEL = 150
_TOOL_TOKENS = 600  # of each tool's schema


class Description(BaseModel):
    """One description as a model gives it."""

    tool: str
    argument: str = ""
    text: str
    reason: str = ""


class Descriptions(BaseModel):
    """A model's answer."""

    diagnosis: str
    descriptions: list[Description] = Field(max_length=50)


@dataclass(slots=True, kw_only=True)
class _Passed:
    """What is left of an answer: revised tools by name, what was described, what was refused."""

    tools: dict[str, Item] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectedDescriptions:
    """Descriptions of tools and arguments, by a model that saw which were misread.

    Attributes:
        reflector: Asks the model.
        most: Descriptions in one proposal.
        runs: Runs to show.
        tokens: Estimated tokens of all runs shown.
    """

    reflector: Reflector
    most: int = 3
    runs: int = 4
    tokens: int = 8000

    @property
    def name(self) -> str:
        return "reflect:descriptions"

    async def __call__(self, brief: Brief) -> Proposal | None:
        """The descriptions that pass; `None` where no argument is misused or none passes.

        Raises:
            UserMistake: The model cannot be used as it is configured.
        """
        tools = {str(t.content["name"]): t for t in brief.spec.of_kind(Kind.TOOL)}
        found = [
            finding
            for label, findings in misuses(brief.findings)
            for finding in findings
            if str(finding.data["tool"]) in tools
            and not refused_before(label, brief.tried, self.name)
        ][:10]
        shown = _shown(brief, found, self.runs)
        if not found or not shown:
            return None
        pieces, _ = run_pieces(Shown(failed=shown, passed=()), brief, tokens=self.tokens)
        about = {str(finding.data["tool"]): None for finding in found}
        code, data = fenced(
            [
                *((f"a tool, {number}", _tool(tools[n])) for number, n in enumerate(about, 1)),
                ("what was given wrongly", _misused(found)),
                *pieces,
                *tried_piece(brief.tried),
            ]
        )
        prompt = load_prompt("description").fill(code=code, data=data, most=str(self.most))
        reflection = await self.reflector.ask(prompt, Descriptions)
        if reflection.value is None:
            return None
        screen = Screen(brief, shown, kinds=(Kind.CLAUSE,), longest=MAX_DESCRIPTION)
        passed = self._passed(
            reflection.value, {name: tools[name] for name in about}, screen, brief
        )
        if not passed.labels:
            return None
        finding = reflection_finding(
            reflection.template,
            screen.own(reflection.value.diagnosis),
            [scored.run.id for scored in shown],
            proposer=self.name,
            refused=passed.refused,
        )
        return Proposal(
            parent=brief.spec.id,
            changes=self._changes(passed, shown),
            findings=(finding.id, *(f.id for f in found)),
            proposer=self.name,
            summary=f"described in other words: {', '.join(passed.labels)}",
            cost=reflection.usage,
            made=(finding,),
        )

    def _passed(
        self, answer: Descriptions, tools: dict[str, Item], screen: Screen, brief: Brief
    ) -> _Passed:
        """The first `most` descriptions that may be proposed."""
        out = _Passed()
        for given in answer.descriptions:
            name, path = one_line(given.tool), one_line(given.argument)
            label = f"`{name}.{path}`" if path else f"`{name}`"
            tool = out.tools.get(name, tools.get(name))
            text = one_line(given.text)
            refusal = screen.refusal(text)
            if tool is None:
                refusal = "there is no such tool"
            elif path and not schema_at(cast("JsonObject", tool.content["parameters"]), path):
                refusal = "it has no such argument"
            elif label in out.labels or len(label) > _MAX_LABEL:
                refusal = "it was described already"
            elif refused_before(label, brief.tried, self.name):
                refusal = "it was rejected before"
            elif len(out.labels) == self.most:
                refusal = f"more than {self.most} descriptions"
            if refusal or tool is None:
                out.refused.append(f"{label}: {refusal}")
                continue
            screen.take(text)
            out.tools[name] = described(tool, path, text)
            out.labels.append(label)
        return out

    def _changes(self, passed: _Passed, shown: tuple[ScoredRun, ...]) -> tuple[Change, ...]:
        provenance = Provenance(
            by=self.name, runs=tuple(s.run.id for s in shown), trust=Trust.UNTRUSTED
        )
        return tuple(
            Revise(item_id=tool.id, item=replace(tool, provenance=provenance))
            for _, tool in sorted(passed.tools.items())
        )


def _shown(brief: Brief, found: list[Finding], most: int) -> tuple[ScoredRun, ...]:
    """Runs behind the findings, those of each in turn; only of tasks that may teach."""
    by_id = {s.run.id: s for s in brief.runs if s.run.task in brief.tasks}
    turns = sorted((turn, at, run) for at, f in enumerate(found) for turn, run in enumerate(f.runs))
    runs = dict.fromkeys(run for _, _, run in turns if run in by_id)
    return tuple(by_id[run] for run in list(runs)[:most])


def _tool(tool: Item) -> str:
    shown = {name: tool.content[name] for name in ("name", "description", "parameters")}
    return cut_middle(plain(shown), _TOOL_TOKENS)


def _misused(found: list[Finding]) -> str:
    lines = []
    for finding in found:
        lesson = one_line(str(finding.data.get("lesson") or ""), 300)
        lines.append(f"- {one_line(finding.claim, 300)}" + (f" ({lesson})" if lesson else ""))
    return "\n".join(lines)
