"""`Screen`: which texts of a model are refused, and why; and what every proposer shows a model.

A text is refused when it is empty or too long, stands in the spec already, was rejected before,
repeats a task, repeats the question, or repeats what a tool returned (an instruction found there is
nobody's rule until independent evidence supports it). Whether a text helps is the gate's business.

Next file: `propose/reflect/edits.py`.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from functools import cache
from itertools import count

from strop.jsonvalue import Json, digest
from strop.mine.finding import Finding
from strop.propose.brief import Brief, Tried
from strop.propose.reflect.leakage import Leakage, labels_in, words_of
from strop.propose.reflect.parrots import Parrots
from strop.propose.reflect.prompts import TEMPLATES, load_prompt
from strop.propose.reflect.traces import Shown, cut_middle, plain, render_run
from strop.run import ScoredRun
from strop.spec import Item, Kind
from strop.task import normalised

__all__ = [
    "FAILURES",
    "Names",
    "Screen",
    "failures_piece",
    "item_id",
    "items_piece",
    "one_line",
    "reflection_finding",
    "run_pieces",
    "tried_piece",
]

SIMILAR = 0.9
"""Share of words in the same order from which two texts say the same."""
FAILURES = ("failure", "failures")
"""Kinds of the mined findings that say how runs failed."""
_TRIED_SHOWN = 20
_FAILURES_SHOWN = 10
_MAX_CLAIM = 300
_PLAIN_ID = re.compile(r"[\w.:/-]{1,64}", re.ASCII)
_FRAME = re.compile(r"<<<|>>>|\b[0-9a-f]{16}\b")  # small models give a fence's code for an answer
_NEGATIONS = frozenset(
    ("not", "never", "no", "dont", "don", "cannot", "without", "neither", "nor", "except", "unless")
)


def item_id(kind: Kind, text: str) -> str:
    """The id of an item that a model proposed: the same text is the same item."""
    return f"{kind.value}-{digest(text)[:8]}"


def one_line(text: str, limit: int | None = None) -> str:
    """A model's text on one line, without characters that are for machines, cut at `limit`."""
    seen = "".join(
        char if unicodedata.category(char) not in ("Cc", "Cf", "Co", "Cs") else " "
        for char in unicodedata.normalize("NFC", text if limit is None else text[: 4 * limit])
    )
    return " ".join(seen.split())[:limit]


class Screen:
    """What may not be proposed, for one brief and the runs that a model was shown.

    Args:
        brief: What the proposer has to go by.
        runs: The runs that the model was shown.
        kinds: Items of these kinds hold what the spec says already.
        longest: Characters that a text may have.
        question: What else the model was told and must not give back.
    """

    def __init__(
        self,
        brief: Brief,
        runs: Iterable[ScoredRun],
        *,
        kinds: Sequence[Kind],
        longest: int,
        question: str = "",
    ) -> None:
        runs = tuple(runs)
        labels = labels_in(brief.spec.output)
        clauses = [item.text for item in brief.spec.of_kind(Kind.CLAUSE)]
        asked = [plain(scored.run.input) for scored in runs]
        self._longest = longest
        self._leakage = Leakage(brief.tasks.values(), labels=labels, known=clauses)
        self._parrots = Parrots(
            (scored.run for scored in runs),
            known=[*clauses, *labels, *asked],
            others=[*_templates(), question],
        )
        self._held = {normalised(item.text) for item in brief.spec.items if item.kind in kinds}
        self._rejected = [
            (normalised(text), words_of(text))
            for tried in brief.tried
            if tried.decision == "reject"
            for text in tried.texts
        ]

    def refusal(self, text: str) -> str | None:
        """Why `text` may not be proposed, or `None` where it may."""
        if not text.strip():
            return "it is empty"
        if len(text) > self._longest:
            return f"it has {len(text)} characters; at most {self._longest} are taken"
        if len(words_of(text)) < 2 or _FRAME.search(text):
            return "it is no sentence"
        if normalised(text) in self._held:
            return "the spec says it already"
        return self.before(text) or self.copied(text)

    def copied(self, text: str) -> str | None:
        """Why `text` is not the model's own, or `None` where it is."""
        found = self._leakage.copies(text)
        if found:
            return f"it repeats the {found[0].part} of task {found[0].task}: {found[0].words}"
        parroted = self._parrots.parroted(text)
        return f"it repeats what the model was shown: {parroted}" if parroted else None

    def own(self, text: str, limit: int = _MAX_CLAIM) -> str:
        """A model's diagnosis or reason on one line; empty where it is copied, as texts are."""
        line = one_line(text, limit)
        return "" if self.copied(line) else line

    def before(self, text: str) -> str | None:
        """Why `text` counts as rejected before, or `None` where it does not."""
        same, words = normalised(text), words_of(text)
        for rejected, earlier in self._rejected:
            if same == rejected or _alike(words, earlier):
                return "it was rejected before"
        return None

    def take(self, text: str) -> None:
        """From now on the spec counts as saying `text`: nothing is proposed twice."""
        self._held.add(normalised(text))


@cache
def _templates() -> tuple[str, ...]:
    """The words that every question has around the data."""
    prompts = map(load_prompt, TEMPLATES)
    return tuple(text for prompt in prompts for text in (prompt.instructions, prompt.prompt))


def _alike(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two texts use nearly the same words; "do" and "do not" are not the same."""
    if _NEGATIONS & set(one) != _NEGATIONS & set(other):
        return False
    matcher = SequenceMatcher(a=one, b=other, autojunk=False)
    return matcher.real_quick_ratio() >= SIMILAR and matcher.ratio() >= SIMILAR


class Names:
    """What ids are called in a prompt: themselves where they are plain, else a number.

    Foreign ids may be any text, and what a prompt calls things stands outside the fences.

    Args:
        ids: The ids, in order.
        prefix: What stands before the number.
    """

    def __init__(self, ids: Iterable[str], *, prefix: str) -> None:
        ids = tuple(dict.fromkeys(ids))
        taken = {id_ for id_ in ids if _PLAIN_ID.fullmatch(id_)}
        numbered = (f"{prefix}-{n}" for n in count(1))
        free = (name for name in numbered if name not in taken)
        self._names = {id_: id_ if id_ in taken else next(free) for id_ in ids}
        self._ids = {name: id_ for id_, name in self._names.items()}

    def shown(self, id_: str) -> str:
        """What `id_` is called."""
        return self._names[id_]

    def meant(self, name: str) -> str | None:
        """The id that a model means by `name`; `None` where nothing shown is called so."""
        return self._ids.get(name.strip())

    def all_meant(self, names: Iterable[str]) -> tuple[str, ...]:
        """The ids that are meant, in order, without those that were never shown."""
        meant = map(self.meant, names)
        return tuple(dict.fromkeys(id_ for id_ in meant if id_ is not None))


def run_pieces(shown: Shown, brief: Brief, *, tokens: int) -> tuple[list[tuple[str, str]], Names]:
    """The shown runs as pieces of data, and what each run is called there.

    Args:
        shown: The runs.
        brief: Where their tasks are.
        tokens: Estimated tokens of all of them; each gets an even share.
    """
    share = tokens // max(1, len(shown.runs))
    names = Names(shown.ids, prefix="run")
    pieces = []
    for scored, how in (
        *((scored, "failed") for scored in shown.failed),
        *((scored, "went well") for scored in shown.passed),
    ):
        text = render_run(scored, brief.tasks.get(scored.run.task), tokens=share)
        pieces.append((f"{names.shown(scored.run.id)}, which {how}", text))
    return pieces, names


def items_piece(label: str, items: Sequence[Item], names: Names) -> tuple[str, str]:
    """Items as one piece of data: name, whether protected, text."""
    lines = []
    for item in items:
        weight = f", weight {item.content['weight']}" if "weight" in item.content else ""
        mark = " (protected)" if item.protected else ""
        lines.append(f"{names.shown(item.id)}{mark}{weight}: {plain(item.text)}")
    return label, cut_middle("\n".join(lines) or "none", 4000)


def failures_piece(brief: Brief) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """The mined failure patterns as a piece of data, and the ids of those findings."""
    found = [f for f in brief.findings if f.kind in FAILURES][:_FAILURES_SHOWN]
    if not found:
        return [], ()
    text = "\n".join(f"- {one_line(f.claim, 300)}" for f in found)
    return [("patterns found in failed runs", text)], tuple(f.id for f in found)


def tried_piece(tried: Sequence[Tried]) -> list[tuple[str, str]]:
    """The latest proposals and what became of them; nothing where there are none."""
    if not tried:
        return []
    blocks = [
        f"{one_line(t.proposer, 60)}, {one_line(t.decision, 20)}: {one_line(t.summary, 200)}. "
        f"{one_line(t.message, 200)}" + "".join(f"\n- {one_line(x, 400)}" for x in t.texts[:5])
        for t in tried[-_TRIED_SHOWN:]
    ]
    return [("what was proposed before, oldest first", cut_middle("\n".join(blocks), 3000))]


def reflection_finding(
    prompt: str,
    diagnosis: str,
    runs: Sequence[str],
    *,
    proposer: str,
    refused: Sequence[str] = (),
    data: Mapping[str, Json] | None = None,
) -> Finding:
    """What a model said about runs, as a finding: its word, not evidence of anything.

    Args:
        prompt: Name and version of the template that it answered.
        diagnosis: The model's claim.
        runs: Ids of the runs that it was shown.
        proposer: Who asked.
        refused: Why parts of the answer were refused.
        data: Anything else to keep.
    """
    claim = one_line(diagnosis, _MAX_CLAIM) or f"a model looked at {len(runs)} runs"
    return Finding(
        kind="reflection",
        claim=claim,
        runs=tuple(runs),
        data={
            "proposer": proposer,
            "prompt": prompt,
            "refused": [one_line(reason, _MAX_CLAIM) for reason in refused[:20]],
            **(data or {}),
        },
    )
