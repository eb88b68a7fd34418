"""``reflected:criteria``: a model mends the judge's criteria where people grade otherwise.

It is given grades by people with their reasons, and sees the runs that the judge grades most
differently. Whether changed criteria agree better with people is measured on grades that it has not
seen, by the gate.

Next file: `propose/reflect/written.py`.
"""

from dataclasses import dataclass

from strop.propose.brief import Brief
from strop.propose.proposal import Proposal
from strop.propose.reflect.edits import Edits, passed_edits
from strop.propose.reflect.prompts import fenced, load_prompt
from strop.propose.reflect.reflector import Reflector
from strop.propose.reflect.screen import (
    Names,
    Screen,
    items_piece,
    reflection_finding,
    tried_piece,
)
from strop.propose.reflect.traces import cut_middle, plain, render_run
from strop.run import ScoredRun
from strop.spec import Kind

__all__ = ["ReflectedCriteria"]

MAX_CRITERION = 500  # characters; the template asks for 400


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectedCriteria:
    """Edits of the criteria, by a model that saw where the judge and people disagree.

    Attributes:
        reflector: Asks the model.
        gap: Difference of grades, in [0, 1], from which two disagree.
        most: Edits in one proposal.
        shown: Runs to show.
        tokens: Estimated tokens of all runs shown.
    """

    reflector: Reflector
    gap: float = 0.25
    most: int = 3
    shown: int = 8
    tokens: int = 16_000

    @property
    def name(self) -> str:
        return "reflected:criteria"

    async def __call__(self, brief: Brief) -> Proposal | None:
        """The edits that pass; `None` where judge and people agree or nothing passes."""
        chosen = self._disputed(brief)[: self.shown]
        if not chosen:
            return None
        criteria = brief.spec.of_kind(Kind.CRITERION)
        items = Names((item.id for item in criteria), prefix="criterion")
        runs = Names((scored.run.id for scored in chosen), prefix="run")
        each = self.tokens // len(chosen)
        pieces = [items_piece("the criteria", criteria, items)]
        pieces += [
            (runs.shown(scored.run.id), self._graded(scored, brief, each)) for scored in chosen
        ]
        code, data = fenced([*pieces, *tried_piece(brief.tried)])
        prompt = load_prompt("criteria").fill(code=code, data=data, most=str(self.most))
        reflection = await self.reflector.ask(prompt, Edits)
        if reflection.value is None:
            return None
        screen = Screen(brief, chosen, kinds=(Kind.CRITERION,), longest=MAX_CRITERION)
        passed = passed_edits(
            reflection.value.edits,
            spec=brief.spec,
            kind=Kind.CRITERION,
            by=self.name,
            items=items,
            runs=runs,
            screen=screen,
            most=self.most,
        )
        if not passed.changes:
            return None
        finding = reflection_finding(
            reflection.template,
            screen.own(reflection.value.diagnosis),
            [scored.run.id for scored in chosen],
            proposer=self.name,
            refused=passed.refused,
            data={"reasons": list(passed.reasons)},
        )
        return Proposal(
            parent=brief.spec.id,
            changes=tuple(passed.changes),
            findings=(finding.id,),
            proposer=self.name,
            summary=f"{len(passed.changes)} edits of criteria: {passed.reasons[0][:120]}",
            cost=reflection.usage,
            made=(finding,),
        )

    def _disputed(self, brief: Brief) -> list[ScoredRun]:
        """The runs on which judge and people disagree, the widest gap first."""
        found = []
        for scored in brief.judged:
            human = brief.human.get(scored.run.id)
            if human is None or scored.value is None or scored.run.task not in brief.tasks:
                continue
            apart = abs(human.value - scored.value)
            if apart >= self.gap:
                found.append((apart, scored.run.id, scored))
        return [scored for _, _, scored in sorted(found, key=lambda entry: (-entry[0], entry[1]))]

    def _graded(self, scored: ScoredRun, brief: Brief, tokens: int) -> str:
        human = brief.human[scored.run.id]
        said = cut_middle(plain(human.reason), tokens // 5)
        judged = render_run(
            scored, brief.tasks.get(scored.run.task), tokens=tokens - tokens // 5 - 40
        )
        return (
            f"The grade by a person: {human.value:.2f} of 1. {said}\nGraded by the judge:\n{judged}"
        )
