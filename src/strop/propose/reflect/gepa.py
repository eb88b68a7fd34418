"""``gepa:clauses``: GEPA's reflective mutation as one more proposer.

GEPA writes the question and reads the answer (`InstructionProposalSignature`); Strop's runs are its
reflective dataset and Strop's model answers. The mutated text is split into clauses and becomes
edits like any others. GEPA's own search (its pool of candidates, its acceptance rule) is not used:
the gate decides. Needs the extra ``strop[gepa]``.

Source: Agrawal et al., "GEPA: Reflective Prompt Evolution Can Outperform Reinforcement Learning",
2025 (arXiv:2507.19457).

Next file: `gate/__init__.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from importlib import import_module
from typing import Any

from strop.errors import NotInstalled
from strop.propose.brief import Brief
from strop.propose.proposal import Proposal
from strop.propose.reflect.prompts import Rendered, fenced, load_prompt
from strop.propose.reflect.reflector import Reflector
from strop.propose.reflect.screen import Screen, item_id, one_line, reflection_finding
from strop.propose.reflect.traces import Shown, choose_runs, cut_middle, plain, render_run
from strop.run import Score, ScoredRun
from strop.spec import Add, Change, Item, Kind, Provenance, Remove, Revise, Trust

__all__ = ["GepaClauses", "clauses_in", "edits_between"]

MAX_CLAUSE = 2000  # characters; the template asks for 1500
MAX_CLAUSES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class GepaClauses:
    """One reflective mutation of the instructions, as edits of clauses.

    Attributes:
        reflector: Asks the model; GEPA calls it the reflection LM.
        failed: Failed runs in the reflective dataset.
        passed: Runs that went well beside them.
        tokens: Estimated tokens of the reflective dataset.
    """

    reflector: Reflector
    failed: int = 4
    passed: int = 2
    tokens: int = 12_000

    @property
    def name(self) -> str:
        return "gepa:clauses"

    async def __call__(self, brief: Brief) -> Proposal | None:
        """The edits that pass; `None` where no run failed, a protected clause was not kept word
        for word, or nothing passes.

        Raises:
            NotInstalled: GEPA is missing.
        """
        signature = _signature()
        shown = choose_runs(brief, failed=self.failed, passed=self.passed)
        if not shown.failed:
            return None
        clauses = brief.spec.of_kind(Kind.CLAUSE)
        prompt = _question(signature, clauses, shown, brief, tokens=self.tokens)
        reflection = await self.reflector.text(prompt)
        if reflection.value is None:
            return None
        extracted: Mapping[str, str] = signature.output_extractor(reflection.value)
        texts = clauses_in(str(extracted["new_instruction"]), clauses)
        edits = edits_between(clauses, texts, runs=shown.ids)
        if isinstance(edits, str) or len(texts) > MAX_CLAUSES:
            return None
        screen = Screen(
            brief,
            shown.runs,
            kinds=(Kind.CLAUSE,),
            longest=MAX_CLAUSE,
            question=str(signature.default_prompt_template),
        )
        changes, refused = _passed(edits, screen)
        if not changes:
            return None
        failed = len(shown.failed)
        finding = reflection_finding(
            reflection.template,
            f"GEPA rewrote the instructions on {failed} failed runs",
            shown.ids,
            proposer=self.name,
            refused=refused,
        )
        return Proposal(
            parent=brief.spec.id,
            changes=tuple(changes),
            findings=(finding.id,),
            proposer=self.name,
            summary=f"{len(changes)} edits of clauses by GEPA, from {failed} failed runs",
            cost=reflection.usage,
            made=(finding,),
        )


def _signature() -> Any:
    """GEPA's question and how it reads the answer."""
    try:  # an extra, and lazy, because most users do without
        module = import_module("gepa.strategies.instruction_proposal")
    except ImportError:
        raise NotInstalled(
            "the proposer 'gepa:clauses' needs GEPA: pip install 'strop[gepa]'"
        ) from None
    return module.InstructionProposalSignature


def _question(
    signature: Any, clauses: Sequence[Item], shown: Shown, brief: Brief, *, tokens: int
) -> Rendered:
    """GEPA's question about these runs, with Strop's rules about data around it."""
    each = tokens // max(1, len(shown.runs))
    records = [_record(scored, brief, each) for scored in shown.runs]
    flat = [(f"run {n} {key}", text) for n, r in enumerate(records) for key, text in r.items()]
    code, _ = fenced(flat)
    question = signature.prompt_renderer(
        {
            "current_instruction_doc": "\n\n".join(item.text for item in clauses),
            "dataset_with_feedback": [
                {key: f"<<<{code}\n{text}\n{code}>>>" for key, text in record.items()}
                for record in records
            ],
            "prompt_template": None,  # GEPA's own
        }
    )
    kept = [item.text for item in clauses if item.protected]
    protected = "- Keep these clauses, word for word:\n" + "\n".join(f"  {t}" for t in kept) + "\n"
    return load_prompt("gepa").fill(
        code=code, question=str(question), protected=protected if kept else ""
    )


def _record(scored: ScoredRun, brief: Brief, tokens: int) -> dict[str, str]:
    """A run in the form of GEPA's reflective datasets."""
    task = brief.tasks.get(scored.run.task)
    score = scored.score
    feedback = (
        f"Score {score.value:.2f} of 1. {plain(score.reason)}" if isinstance(score, Score) else ""
    )
    if task is not None and task.expected is not None:
        feedback += f"\nThe right answer: {plain(task.expected)}"
    return {
        "Inputs": cut_middle(plain(scored.run.input), tokens // 4),
        "Generated Outputs": render_run(scored, tokens=tokens // 2),
        "Feedback": cut_middle(feedback, tokens // 4),
    }


# --- from a text to edits ------------------------------------------------------------------------


def clauses_in(text: str, clauses: Sequence[Item] = ()) -> list[str]:
    """The clauses that an instruction text consists of: its paragraphs, and the present clauses
    wherever they stand word for word on lines of their own.
    """
    present = {_folded(item.text): item.text for item in clauses}
    out: list[str] = []
    for paragraph in _paragraphs(text):
        whole = present.get(_folded(" ".join(paragraph)))
        if whole is not None:
            out.append(whole)
            continue
        rest: list[str] = []
        for line in paragraph:
            known = present.get(_folded(line)) or present.get(_folded(line.lstrip("-* ")))
            if known is None:
                rest.append(line)
                continue
            out += [" ".join(rest)] if rest else []
            out.append(known)
            rest = []
        out += [" ".join(rest)] if rest else []
    return list(dict.fromkeys(out))


def _paragraphs(text: str) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip():
            found[-1].append(line.strip())
        elif found[-1]:
            found.append([])
    return [paragraph for paragraph in found if paragraph]


def _folded(text: str) -> str:
    return " ".join(text.split())


def edits_between(
    clauses: Sequence[Item], texts: Sequence[str], *, runs: Sequence[str]
) -> list[Change] | str:
    """The changes that turn `clauses` into `texts`, or why they must not be made.

    A text that stands word for word is kept; between kept ones, clauses are revised in order, what
    is left over is removed, what is new is added.

    Args:
        clauses: The spec's clauses.
        texts: The wanted clauses, each once; see `clauses_in`.
        runs: What to name as the origin of what is new.
    """
    old = [item.text for item in clauses]
    lost = [item.id for item in clauses if item.protected and item.text not in texts]
    if lost:
        return f"the protected clause {lost[0]!r} was not kept word for word"
    if len(set(old)) < len(old):
        return "two clauses say the same; which is meant cannot be told"
    made = Provenance(by="gepa:clauses", runs=tuple(runs), trust=Trust.UNTRUSTED)
    ids = {item.id for item in clauses}
    # A clause that only moved is kept where it is: order is not worth a change.
    wanted = [text for text in texts if text not in old]
    kept = [text for text in old if text in texts]
    target = _merged(texts, kept, set(wanted))
    changes: list[Change] = []
    matcher = SequenceMatcher(a=old, b=target, autojunk=False)
    for tag, a1, a2, b1, b2 in matcher.get_opcodes():
        if tag == "equal":
            continue
        shared = min(a2 - a1, b2 - b1)
        for item, text in zip(clauses[a1 : a1 + shared], target[b1 : b1 + shared], strict=True):
            content = {**item.content, "text": one_line(text)}
            revised = Item(id=item.id, kind=Kind.CLAUSE, content=content, provenance=made)
            changes.append(Revise(item_id=item.id, item=revised))
        changes += [Remove(item_id=item.id) for item in clauses[a1 + shared : a2]]
        before = clauses[a2].id if a2 < len(clauses) else None
        for text in target[b1 + shared : b2]:
            name = item_id(Kind.CLAUSE, one_line(text))
            if name in ids:
                continue
            ids.add(name)
            item = Item(
                id=name, kind=Kind.CLAUSE, content={"text": one_line(text)}, provenance=made
            )
            changes.append(Add(item=item, before=before))
    return changes


def _merged(texts: Sequence[str], kept: Sequence[str], wanted: set[str]) -> list[str]:
    """`texts` with the kept clauses in their old order, each new text after the same number of
    kept ones as before.
    """
    order = iter(kept)
    return [text if text in wanted else next(order) for text in texts]


def _passed(edits: Sequence[Change], screen: Screen) -> tuple[list[Change], list[str]]:
    """The edits whose text is not refused, and why the others' is.

    A clause is not removed where a text that should take its place is refused.
    """
    changes: list[Change] = []
    refused: list[str] = []
    for change in edits:
        if isinstance(change, Remove):
            changes.append(change)
            continue
        refusal = screen.refusal(change.item.text)
        if refusal:
            refused.append(f"{change.item_id}: {refusal}")
        else:
            screen.take(change.item.text)
            changes.append(change)
    if refused:
        changes = [change for change in changes if not isinstance(change, Remove)]
    return changes, refused
