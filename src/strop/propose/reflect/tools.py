"""``reflect:tools``: a model writes a tool that runs asked for and did not find.

From findings of kind ``gap``, and from recurring code that mining could not make into a function
that passes its checks. What the model writes is read and tried as any other tool is
(`tool_checks.py`); what fails goes back to it once, with the failing call, and is then given up.
Its code is nobody's word but the model's: untrusted, and held by the sandbox whatever it says.

Source: tools made by a model and kept where their tests pass, from Cai et al., "Large Language
Models as Tool Makers", ICLR 2024 (arXiv:2305.17126).

Next file: `propose/reflect/descriptions.py`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import anyio.to_thread

from strop.jsonvalue import Json, is_object
from strop.mine.finding import Finding
from strop.permission import Level
from strop.propose.brief import Brief
from strop.propose.proposal import Proposal
from strop.propose.reflect.prompts import fenced, load_prompt
from strop.propose.reflect.reflector import Reflection, Reflector
from strop.propose.reflect.screen import one_line, reflection_finding, run_pieces, tried_piece
from strop.propose.reflect.traces import Shown, cut_middle, plain
from strop.propose.reflect.written import ToolScreen, WrittenTool, written_item
from strop.propose.snippets import snippet_item
from strop.propose.tool_checks import check_tool, instances_of, validation_finding
from strop.run import ScoredRun, Usage
from strop.sandbox.base import Sandbox
from strop.spec import Add, Item, Kind
from strop.tools.identity import needs_of
from strop.tools.schemas import Parameters
from strop.tools.validation import Instance

__all__ = ["ReflectedTools"]

_TOOLS_SHOWN = 60
_LACK_TOKENS = 3000
_PROBLEMS = 5
_SNIPPETS = 4
"""Functions from recurring code that are tried in one cycle: each takes a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lack:
    """What is lacking.

    Attributes:
        finding: The finding that says so.
        label: What it is called in summaries, by which it is known again.
    """

    finding: Finding
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectedTools:
    """One tool that a model wrote.

    Attributes:
        reflector: Asks the model.
        sandbox: Gives the sandbox in which tools are tried.
        most: The highest level that a tool may need. What needs more than `Level.SANDBOX` is not
            tried, and waits for a person's approval.
        calls: Things lacking that it is asked about in one cycle, until a tool passes.
        runs: Runs to show.
        tokens: Estimated tokens of all runs shown.
        generated: How many generated arguments a tool is tried on.
    """

    reflector: Reflector
    sandbox: Callable[[], Sandbox]
    most: Level = Level.SANDBOX
    calls: int = 2
    runs: int = 3
    tokens: int = 6000
    generated: int = 20

    @property
    def name(self) -> str:
        return "reflect:tools"

    async def __call__(self, brief: Brief) -> Proposal | None:
        """The first tool that passes; `None` where nothing is lacking or none passes.

        Why a tool was given up is told as the failure of a reflection (`Reflector.gave_up`).

        Raises:
            UserMistake: The model cannot be used as it is configured.
        """
        lacks = list(_lacks(brief, brief.findings, self.name))[: self.calls]
        snippets = any(finding.kind == "snippet" for finding in brief.findings)
        if (lacks or snippets) and Level.SANDBOX not in self.sandbox().levels:
            # Asking costs money, and what cannot be tried is not proposed.
            self.reflector.gave_up("tool", "no sandbox can try a tool here, so none was asked for")
            return None
        if len(lacks) < self.calls:
            failed = await anyio.to_thread.run_sync(self._failed, brief)
            lacks += list(_lacks(brief, failed, self.name))[: self.calls - len(lacks)]
        cost = Usage()
        for lack in lacks:
            item, finding, spent = await self._made(lack, brief)
            cost += spent
            if item is not None and finding is not None:
                made = (finding,) if lack.finding in brief.findings else (finding, lack.finding)
                return Proposal(
                    parent=brief.spec.id,
                    changes=(Add(item=item),),
                    findings=(finding.id, lack.finding.id),
                    proposer=self.name,
                    summary=f"a tool `{item.content['name']}` for {lack.label}",
                    cost=cost,
                    made=made,
                )
        return None

    def _failed(self, brief: Brief) -> tuple[Finding, ...]:
        """Functions that mining made of recurring code and that fail their checks, as findings."""
        found = [f for f in brief.findings if f.kind == "snippet"]
        failed = []
        for finding in sorted(found, key=lambda f: (-len(f.runs), f.id))[:_SNIPPETS]:
            item = snippet_item(finding)
            if item is None:
                continue  # known to be lacking without trying
            check = check_tool(
                item,
                instances_of(finding.data),
                sandbox=self.sandbox(),
                generated=self.generated,
            )
            if not check.ok:
                told = validation_finding(item, check, finding.runs)
                data = {**told.data, "instances": finding.data.get("instances", [])}
                failed.append(replace(told, data=data))
        return tuple(failed)

    async def _made(self, lack: _Lack, brief: Brief) -> tuple[Item | None, Finding | None, Usage]:
        """A tool for what is lacking, mended once where it fails."""
        shown = _shown(lack.finding, brief, self.runs)
        pieces = _pieces(lack, brief)
        runs, _ = run_pieces(Shown(failed=shown, passed=()), brief, tokens=self.tokens)
        code, data = fenced([*pieces, *runs, *tried_piece(brief.tried)])
        answer = await self._ask("tool", code, data)
        cost, screen = answer.usage, ToolScreen(brief, shown)
        if answer.value is None or not answer.value.code.strip():
            return None, None, cost
        item, problems = await self._checked(answer.value, lack, brief, screen)
        template, said = answer.template, answer.value.diagnosis
        if problems:
            told = "\n".join(f"- {one_line(p, 1500)}" for p in problems[:_PROBLEMS])
            written = answer.value.model_dump_json(indent=1)
            code, data = fenced([("the tool", written), ("what failed", told), *pieces])
            mended = await self._ask("repair", code, data)
            cost += mended.usage
            if mended.value is None:
                return None, None, cost
            item, problems = await self._checked(mended.value, lack, brief, screen)
            template, said = mended.template, mended.value.diagnosis
        if problems or item is None:
            why = problems[0] if problems else "the model gave it up"
            told = one_line(f"the tool for {lack.label} was given up: {why}", 500)
            self.reflector.gave_up(template, told)
            return None, None, cost
        finding = reflection_finding(
            template,
            screen.own(said) or f"a tool for {lack.label}",
            [scored.run.id for scored in shown] or lack.finding.runs,
            proposer=self.name,
        )
        return item, finding, cost

    async def _ask(self, template: str, code: str, data: str) -> Reflection[WrittenTool]:
        prompt = load_prompt(template).fill(code=code, data=data, level=self.most.value)
        return await self.reflector.ask(prompt, WrittenTool)

    async def _checked(
        self, answer: WrittenTool, lack: _Lack, brief: Brief, screen: ToolScreen
    ) -> tuple[Item | None, tuple[str, ...]]:
        """The tool as an item, and what is wrong with it."""
        if not answer.code.strip():
            return None, ()
        item = written_item(answer, by=self.name, runs=lack.finding.runs)
        if isinstance(item, str):
            return None, (item,)
        refused = (
            _beyond(item, self.most) or _refused(item, brief, self.name) or screen.refusal(answer)
        )
        if refused:
            return None, (refused,)
        taken = {str(tool.content["name"]) for tool in brief.spec.of_kind(Kind.TOOL)}
        check = await anyio.to_thread.run_sync(
            lambda: check_tool(
                item,
                _instances(lack.finding, item),
                sandbox=self.sandbox(),
                taken=taken,
                generated=self.generated,
            )
        )
        return item, check.messages


def _lacks(brief: Brief, findings: Iterable[Finding], proposer: str) -> Iterator[_Lack]:
    """What findings say is lacking and was not tried before: gaps first, then by their runs."""
    names = {_bare(str(tool.content["name"])) for tool in brief.spec.of_kind(Kind.TOOL)}
    found: list[tuple[int, int, str, _Lack]] = []
    for finding in findings:
        name = _wanted(finding)
        if name is None or _bare(name) in names:
            continue
        lack = _Lack(finding=finding, label=f"the missing `{one_line(name, 64)}`")
        found.append((finding.kind != "gap", -len(finding.runs), finding.id, lack))
    for *_, lack in sorted(found, key=lambda entry: entry[:3]):
        # Asked again, the model would write another tool: one answer from the gate is enough.
        tried = (t for t in brief.tried if t.decision != "outdated" and t.proposer == proposer)
        if not any(t.summary.endswith(lack.label) for t in tried):
            yield lack


def _wanted(finding: Finding) -> str | None:
    """What a finding says is lacking, by name; `None` where it is about something else."""
    data = finding.data
    if finding.kind == "gap":
        asked = data.get("asked_for")
        first = asked[0] if isinstance(asked, list) and asked else None
        return str(first["name"]) if is_object(first) and "name" in first else None
    if finding.kind == "tool_check" or (
        finding.kind == "snippet" and snippet_item(finding) is None
    ):
        tool = data.get("tool")
        return str(tool.get("name", finding.id)) if is_object(tool) else f"code {finding.id}"
    return None


def _bare(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def _beyond(item: Item, most: Level) -> str | None:
    """Why a tool needs more than may be asked for."""
    needs = needs_of(item)
    if needs.level.rank > most.rank:
        return f"it needs level {needs.level.value!r}; here {most.value!r} is the highest"
    if most is Level.SANDBOX and needs.read:
        return f"it needs to read {needs.read[0]!r}; here it may read no files"
    return None


def _refused(item: Item, brief: Brief, proposer: str) -> str | None:
    """Why the spec cannot have a tool of that name, or shall not have it again."""
    if any(held.id == item.id for held in brief.spec.items):
        return f"there is a tool {item.content['name']!r} already"
    tried = (t for t in brief.tried if t.decision == "reject" and t.proposer == proposer)
    if any(item.id in t.added for t in tried):
        return f"a tool {item.content['name']!r} was rejected before"
    return None


def _shown(finding: Finding, brief: Brief, most: int) -> tuple[ScoredRun, ...]:
    """Runs behind a finding; only of tasks that may teach."""
    wanted = set(finding.runs)
    runs = (s for s in brief.runs if s.run.id in wanted and s.run.task in brief.tasks)
    return tuple({scored.run.task: scored for scored in runs}.values())[:most]


def _pieces(lack: _Lack, brief: Brief) -> list[tuple[str, str]]:
    """What is lacking, and the tools that there are, as data."""
    finding = lack.finding
    keys = ("asked_for", "examples", "tool", "failures", "problems", "instances", "source")
    about: dict[str, Json] = {"claim": one_line(finding.claim, 500)}
    about |= {key: finding.data[key] for key in keys if key in finding.data}
    tools = "\n".join(
        f"{one_line(str(t.content['name']), 64)}: {one_line(str(t.content['description']), 200)}"
        for t in brief.spec.of_kind(Kind.TOOL)[:_TOOLS_SHOWN]
    )
    return [
        ("what is lacking", cut_middle(plain(about), _LACK_TOKENS)),
        ("tools that the agent has", tools or "none"),
    ]


def _instances(finding: Finding, item: Item) -> tuple[Instance, ...]:
    """Recorded calls that the tool's parameters take; of a gap's, no result is known."""
    parameters = Parameters.of(item.content["parameters"])
    found = [*instances_of(finding.data)]
    examples = finding.data.get("examples")
    for each in examples if isinstance(examples, list) else ():
        args: Any = each.get("args") if is_object(each) else None
        if is_object(args):
            found.append(Instance(args=args, known=False))
    return tuple(each for each in found if parameters.problem(each.args) is None)
