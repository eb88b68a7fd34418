"""``reflected:lessons``: a model reads failed runs, one pattern at a time, and says what to learn.

A lesson is one sentence with what it applies to, and becomes a memory that is found by the inputs
of the tasks it came from. A model's word is not evidence: lessons are untrusted until the gate has
measured them. Failures that the spec holds a lesson on are not asked about again.

Source: Shinn et al., "Reflexion", NeurIPS 2023 (arXiv:2303.11366).

Next file: `propose/reflect/heuristics.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field

from strop.jsonvalue import Json
from strop.mine.finding import Finding
from strop.propose.brief import Brief
from strop.propose.proposal import Proposal
from strop.propose.reflect.prompts import fenced, load_prompt
from strop.propose.reflect.reflector import Reflector
from strop.propose.reflect.screen import (
    FAILURES,
    Names,
    Screen,
    item_id,
    items_piece,
    one_line,
    reflection_finding,
    run_pieces,
    tried_piece,
)
from strop.propose.reflect.traces import Shown, choose_runs, cut_middle, plain
from strop.run import Run, ScoredRun, ToolCall, Usage
from strop.spec import Add, Change, Item, Kind, Provenance, Trust

__all__ = ["ReflectedLessons"]

MAX_LESSON = 400  # characters; the template asks for 300
_MAX_ABOUT = 8  # key texts of a lesson
_ABOUT_TOKENS = 500
_MAX_NAMES = 8
_MAX_NAME = 80
_MAX_NAME_WORDS = 3  # more are a sentence
_CANDIDATES = 200  # failed runs looked through for those worth a call
_HELD_SHOWN = 40


class Lesson(BaseModel):
    """A model's answer."""

    diagnosis: str = ""
    lesson: str
    tool: str = ""
    names: list[str] = Field(default_factory=list)
    only_this_category: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Failed runs that one call is about; the finding that put them together, if any did."""

    runs: tuple[ScoredRun, ...]
    finding: Finding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectedLessons:
    """Lessons from failed runs.

    Attributes:
        reflector: Asks the model.
        calls: Failures, or patterns of failure, that it is asked about in one cycle.
        runs: Runs of a pattern that it is shown.
        tokens: Estimated tokens of the runs shown in one call.
    """

    reflector: Reflector
    calls: int = 4
    runs: int = 2
    tokens: int = 5000

    @property
    def name(self) -> str:
        return "reflected:lessons"

    async def __call__(self, brief: Brief) -> Proposal | None:
        """The lessons that pass; `None` where no run failed or none passes."""
        groups = list(_groups(brief))[: self.calls]
        shown = [scored for group in groups for scored in group.runs[: self.runs]]
        if not shown:
            return None
        screen = Screen(brief, shown, kinds=(Kind.MEMORY, Kind.CLAUSE), longest=MAX_LESSON)
        changes: list[Change] = []
        made: list[Finding] = []
        used: list[str] = []
        cost = Usage()
        for group in groups:
            item, finding, spent = await self._learn(group, brief, screen)
            cost += spent
            if item is None or finding is None:
                continue
            screen.take(item.text)
            changes.append(Add(item=item))
            made.append(finding)
            used += [finding.id] if group.finding is None else [finding.id, group.finding.id]
        if not changes:
            return None
        return Proposal(
            parent=brief.spec.id,
            changes=tuple(changes),
            findings=tuple(dict.fromkeys(used)),
            proposer=self.name,
            summary=f"{len(changes)} lessons from failed runs: {made[0].claim[:120]}",
            cost=cost,
            made=tuple(made),
        )

    async def _learn(
        self, group: _Group, brief: Brief, screen: Screen
    ) -> tuple[Item | None, Finding | None, Usage]:
        """The lesson of one group, if it has one that passes."""
        shown = Shown(failed=group.runs[: self.runs], passed=())
        pieces, _ = run_pieces(shown, brief, tokens=self.tokens)
        held = brief.spec.of_kind(Kind.MEMORY)[-_HELD_SHOWN:]
        if group.finding is not None:
            pieces.append(("the pattern", one_line(group.finding.claim, 300)))
        if held:
            names = Names((item.id for item in held), prefix="memory")
            pieces.append(items_piece("lessons that the agent has", held, names))
        code, data = fenced([*pieces, *tried_piece(brief.tried)])
        reflection = await self.reflector.ask(
            load_prompt("lesson").fill(code=code, data=data), Lesson
        )
        if reflection.value is None:
            return None, None, reflection.usage
        text = one_line(reflection.value.lesson)
        item_name = item_id(Kind.MEMORY, text)
        if screen.refusal(text) or any(item.id == item_name for item in brief.spec.items):
            return None, None, reflection.usage
        item = Item(
            id=item_name,
            kind=Kind.MEMORY,
            content={"text": text, "type": "lesson", **_applies(reflection.value, group, brief)},
            provenance=Provenance(
                by=self.name,
                runs=tuple(scored.run.id for scored in group.runs[:50]),
                trust=Trust.UNTRUSTED,
            ),
        )
        finding = reflection_finding(
            reflection.template,
            screen.own(reflection.value.diagnosis) or text,
            shown.ids,
            proposer=self.name,
        )
        return item, finding, reflection.usage


def _groups(brief: Brief) -> Iterator[_Group]:
    """What to ask about: patterns by the number of their tasks, then single failures."""
    failed = choose_runs(brief, failed=_CANDIDATES, passed=0).failed
    learned = {
        run
        for item in brief.spec.of_kind(Kind.MEMORY)
        if item.provenance.by == "reflected:lessons"
        for run in item.provenance.runs
    }
    taken: set[str] = set()
    by_id = {s.run.id: s for s in brief.runs if s.run.task in brief.tasks}
    patterns = []
    for finding in brief.findings:
        if finding.kind in FAILURES:
            runs = [by_id[run] for run in finding.runs if run in by_id]
            runs = [s for s in runs if s.value is None or s.value < brief.good]
            patterns.append((finding, {scored.run.task: scored for scored in runs}))
    patterns.sort(key=lambda entry: (-len(entry[1]), entry[0].id))
    for finding, by_task in patterns:
        fresh = tuple(scored for task, scored in sorted(by_task.items()) if task not in taken)
        taken.update(by_task)
        if fresh and not any(scored.run.id in learned for scored in fresh):
            yield _Group(runs=fresh, finding=finding)
    for scored in failed:
        if scored.run.task not in taken and scored.run.id not in learned:
            yield _Group(runs=(scored,))


def _applies(lesson: Lesson, group: _Group, brief: Brief) -> dict[str, Json]:
    """What a lesson is found by and speaks of; names that stand in no shown run are dropped.

    `about` holds inputs of tasks: they are what a memory is found by, and are never shown.
    """
    tasks = {scored.run.task: brief.tasks[scored.run.task] for scored in group.runs}
    about = [cut_middle(plain(task.input), _ABOUT_TOKENS) for task in tasks.values()]
    out: dict[str, Json] = {"about": [text for text in about if text.strip()][:_MAX_ABOUT]}
    if not out["about"]:
        del out["about"]
    said = _text([scored.run for scored in group.runs[:5]])
    names = dict.fromkeys(one_line(name) for name in (lesson.tool, *lesson.names))
    touches = [name for name in names if _is_name(name) and name in said]
    if touches:
        out["touches"] = touches[:_MAX_NAMES]
    categories = sorted({task.category for task in tasks.values() if task.category})
    if lesson.only_this_category and categories:
        out["categories"] = list(categories)
    return out


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _MAX_NAME and len(text.split()) <= _MAX_NAME_WORDS


def _text(runs: Sequence[Run]) -> str:
    """What may name things in runs: tools, arguments, results; of each only the ends."""
    parts: list[str] = []
    for run in runs:
        parts.append(cut_middle(plain(run.input), 5000))
        for step in run.steps[:100]:
            if isinstance(step, ToolCall):
                parts += [step.tool, cut_middle(plain(step.args), 1000)]
                parts.append(cut_middle(plain(step.error or step.result), 1000))
            else:
                parts.append(cut_middle(plain(step.to_json()), 1000))
    return "\n".join(parts)
