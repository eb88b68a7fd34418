"""``reflected:heuristics``: a model names the strategies that separate good runs from failed ones.

It needs both: where every run failed, or none did, nothing is asked. A heuristic says how to go
about a kind of task, not what is true of one.

Source: Zhao et al., "ExpeL", AAAI 2024 (arXiv:2308.10144).

Next file: `propose/reflect/criteria.py`.
"""

from dataclasses import dataclass

from pydantic import BaseModel, Field

from strop.jsonvalue import Json
from strop.propose.brief import Brief
from strop.propose.proposal import Proposal
from strop.propose.reflect.prompts import fenced, load_prompt
from strop.propose.reflect.reflector import Reflector
from strop.propose.reflect.screen import (
    Names,
    Screen,
    failures_piece,
    item_id,
    items_piece,
    one_line,
    reflection_finding,
    run_pieces,
    tried_piece,
)
from strop.propose.reflect.traces import choose_runs
from strop.spec import Add, Change, Item, Kind, Provenance, Trust

__all__ = ["ReflectedHeuristics"]

MAX_HEURISTIC = 500  # characters; the template asks for 400
MAX_WHEN = 200


class Strategy(BaseModel):
    """One heuristic as a model gives it."""

    text: str
    when: str = ""
    runs: list[str]


class Strategies(BaseModel):
    """A model's answer."""

    diagnosis: str
    heuristics: list[Strategy] = Field(max_length=50)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectedHeuristics:
    """Heuristics, by a model that compared good runs with failed ones.

    Attributes:
        reflector: Asks the model.
        most: Heuristics in one proposal.
        failed: Failed runs to show.
        passed: Runs that went well to show.
        tokens: Estimated tokens of all runs shown.
    """

    reflector: Reflector
    most: int = 2
    failed: int = 4
    passed: int = 4
    tokens: int = 16_000

    @property
    def name(self) -> str:
        return "reflected:heuristics"

    async def __call__(self, brief: Brief) -> Proposal | None:
        """The heuristics that pass; `None` where there is nothing to compare or none passes."""
        shown = choose_runs(brief, failed=self.failed, passed=self.passed)
        if not shown.failed or not shown.passed:
            return None
        held = brief.spec.of_kind(Kind.HEURISTIC)
        items = Names((item.id for item in held), prefix="heuristic")
        pieces, runs = run_pieces(shown, brief, tokens=self.tokens)
        known, used = failures_piece(brief)
        had = items_piece("heuristics that the agent has", held, items)
        code, data = fenced([had, *known, *pieces, *tried_piece(brief.tried)])
        reflection = await self.reflector.ask(
            load_prompt("heuristics").fill(code=code, data=data, most=str(self.most)), Strategies
        )
        if reflection.value is None:
            return None
        screen = Screen(
            brief, shown.runs, kinds=(Kind.HEURISTIC, Kind.CLAUSE), longest=MAX_HEURISTIC
        )
        ids = {item.id for item in brief.spec.items}
        changes: list[Change] = []
        refused: list[str] = []
        for strategy in reflection.value.heuristics:
            item = _item(strategy, runs, screen, by=self.name)
            if isinstance(item, str):
                refused.append(f"{one_line(strategy.text, 60)}: {item}")
            elif item.id not in ids and len(changes) < self.most:
                ids.add(item.id)
                screen.take(item.text)
                changes.append(Add(item=item))
        if not changes:
            return None
        finding = reflection_finding(
            reflection.template,
            screen.own(reflection.value.diagnosis),
            shown.ids,
            proposer=self.name,
            refused=refused,
        )
        return Proposal(
            parent=brief.spec.id,
            changes=tuple(changes),
            findings=(finding.id, *used),
            proposer=self.name,
            summary=f"{len(changes)} heuristics: {finding.claim[:120]}",
            cost=reflection.usage,
            made=(finding,),
        )


def _item(strategy: Strategy, runs: Names, screen: Screen, *, by: str) -> Item | str:
    """The heuristic, or why it is refused."""
    cited = runs.all_meant(strategy.runs)
    if not cited:
        return "it names no run that was shown"
    text, when = one_line(strategy.text), one_line(strategy.when)
    refusal = screen.refusal(text)
    if refusal:
        return refusal
    content: dict[str, Json] = {"text": text}
    if when:
        # What a heuristic is found by comes from the same model and is looked at as closely.
        refusal = screen.copied(when) if len(when) <= MAX_WHEN else "its 'when' is too long"
        if refusal:
            return refusal
        content["when"] = when
    return Item(
        id=item_id(Kind.HEURISTIC, text),
        kind=Kind.HEURISTIC,
        content=content,
        provenance=Provenance(by=by, runs=cited, trust=Trust.UNTRUSTED),
    )
