"""``reflected:clauses``: a model says what the instructions lack, from failures beside successes.

It sees the clauses, whole runs within a budget, and what was proposed before; it answers in typed
edits. At most a few pass in one cycle, so that the gate can tell what helped.

Source: failures and successes side by side, from Zhao et al., "ExpeL: LLM Agents Are Experiential
Learners", AAAI 2024 (arXiv:2308.10144); edits of a prompt from criticism, from Pryzant et al.,
"Automatic Prompt Optimization with Gradient Descent and Beam Search", EMNLP 2023.

Next file: `propose/reflect/lessons.py`.
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
    failures_piece,
    items_piece,
    reflection_finding,
    run_pieces,
    tried_piece,
)
from strop.propose.reflect.traces import choose_runs
from strop.spec import Kind

__all__ = ["ReflectedClauses"]

MAX_CLAUSE = 600  # characters; the template asks for 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectedClauses:
    """Edits of the clauses, by a model that read the failures.

    Attributes:
        reflector: Asks the model.
        most: Edits in one proposal.
        failed: Failed runs to show.
        passed: Runs that went well to show beside them.
        tokens: Estimated tokens of all runs shown.
    """

    reflector: Reflector
    most: int = 3
    failed: int = 6
    passed: int = 3
    tokens: int = 16_000

    @property
    def name(self) -> str:
        return "reflected:clauses"

    async def __call__(self, brief: Brief) -> Proposal | None:
        """The edits that pass; `None` where no run failed or nothing passes."""
        shown = choose_runs(brief, failed=self.failed, passed=self.passed)
        if not shown.failed:
            return None
        clauses = brief.spec.of_kind(Kind.CLAUSE)
        items = Names((item.id for item in clauses), prefix="clause")
        pieces, runs = run_pieces(shown, brief, tokens=self.tokens)
        known, used = failures_piece(brief)
        code, data = fenced(
            [items_piece("the clauses", clauses, items), *known, *pieces, *tried_piece(brief.tried)]
        )
        prompt = load_prompt("clauses").fill(code=code, data=data, most=str(self.most))
        reflection = await self.reflector.ask(prompt, Edits)
        if reflection.value is None:
            return None
        screen = Screen(brief, shown.runs, kinds=(Kind.CLAUSE,), longest=MAX_CLAUSE)
        passed = passed_edits(
            reflection.value.edits,
            spec=brief.spec,
            kind=Kind.CLAUSE,
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
            shown.ids,
            proposer=self.name,
            refused=passed.refused,
            data={"reasons": list(passed.reasons)},
        )
        return Proposal(
            parent=brief.spec.id,
            changes=tuple(passed.changes),
            findings=(finding.id, *used),
            proposer=self.name,
            summary=f"{len(passed.changes)} edits of clauses: {passed.reasons[0][:120]}",
            cost=reflection.usage,
            made=(finding,),
        )
