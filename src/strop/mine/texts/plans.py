"""The texts of lessons: which sentences say what to do, and what in them is of one task only.

Agents that write lessons after a failure write mostly what happened ("I was stuck in a loop in
which I ...") and name the things of that one task ("take cup 3 from drawer 2"). What holds for the
next task is the plan: the sentences that say what to do. This file finds them (`plan`), makes of
each lesson the text worth embedding (`keys`) and turns what a cluster shares into one instruction
(`worded`). English only; by patterns, without a model. It groups nothing: that is `distil.py`.

Next file: `mine/texts/distil.py`.
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence

from strop.mine.texts.imperative import imperative
from strop.mine.texts.names import FUNCTION_WORDS, LONGEST, WORD, Names

__all__ = [
    "common_sentences",
    "keys",
    "plan",
    "sentences",
    "shared_advice",
    "worded",
]

_PLAN_SENTENCES = 2  # the beginning of a plan is of the task; what follows is said everywhere
_SHARED = 0.1  # share of texts from which on a sentence tells none of them apart
_FEW = 5  # texts that a sentence or a name must stand in before it counts as shared
_LONGEST_RULE = 45  # words
_CANDIDATES = 4  # sentences that may make a rule
_SAYS_SAME = 0.4  # share of words from which on two sentences say the same
_FEW_MEMBERS = 2  # of two lessons each word is shared by half

_END = re.compile(r"(?<=[.!?])\s+|\s*\n+\s*(?:[-*]\s+)?")
_CUE = re.compile(
    r"\b(?:should|will|must|always|never|next (?:time|trial|attempt)|instead|make sure|ensure|"
    r"remember to|avoid|do not|don't|need to|plan would be)\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(r"(?:if|once|when) ", re.IGNORECASE)
_TURNS = re.compile(r"\b(?:but|and) I (?:should|will|must)\b")
_TOLD = re.compile(
    r"(?:however, |in this environment, )?"
    r"(?:I (?:was|noticed|had|assumed|searched|did|got|tried)|my plan was)\b",
    re.IGNORECASE,
)


def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text, and the points of a list; at most 8,000 characters are read."""
    return tuple(s for s in (p.strip() for p in _END.split(text.strip()[:LONGEST])) if s)


def plan(text: str) -> tuple[str, ...]:
    """The sentences that say what to do; all of them where none is marked as such."""
    found = sentences(text)
    return tuple(s for s in found if _CUE.search(s)) or found


def keys(texts: Sequence[str]) -> tuple[str, ...]:
    """For each lesson the text to embed, so that lessons of one kind lie close to each other.

    The beginning of its plan, without sentences that stand in a tenth of the lessons, with names
    and numbers masked. What counts as a name is learned from all the texts together.
    """
    names = Names.of(texts)
    common = common_sentences(texts)
    return tuple(_key(text, names, common) for text in texts)


def shared_advice(
    texts: Sequence[str], *, least: float = 0.25
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Advice that stands, nearly word for word, in many lessons, as instructions.

    It tells the lessons apart by nothing, so `keys` leaves it out; and it is the one advice that
    they agree on, so it is worth a rule of its own.

    Args:
        texts: The lessons.
        least: Share of the distinct lessons that must hold it (and at least five).

    Returns:
        The instructions, each with the positions of the lessons that hold it, the most frequent
        first.
    """
    counts, total = _sentence_counts(texts)
    said = {s: c for s, c in counts.items() if c >= max(_FEW, least * total)}
    names = Names.of(texts)
    spelt: dict[str, set[str]] = {}
    where: dict[str, list[int]] = {}
    for index, text in enumerate(texts):
        for sentence in plan(text):
            if (words := _bag(sentence)) in said:
                spelt.setdefault(words, set()).add(sentence)
                where.setdefault(words, []).append(index)
    return tuple(
        (
            imperative(names.replaced(min(spelt[s]), keep=())),
            tuple(dict.fromkeys(where[s])),
        )
        for s in sorted(said, key=lambda s: (-said[s], s))
    )


def worded(
    central: Sequence[str],
    members: Sequence[str],
    *,
    names: Names,
    common: Collection[str] = (),
) -> str:
    """What a cluster of lessons says, as one or two general instructions.

    Of the plans of its most central lessons, the sentences whose words its members share most and
    the other lessons least; with "I should have taken" as "take", and names of single tasks in
    general words. Where a cluster holds three lessons or more, a name that stands before numbers
    stays if an eighth of all lessons and half of these have it; any other word if half of these
    have it.

    Args:
        central: The lessons to take the words from, the medoid first.
        members: The distinct texts of the cluster, `central` included.
        names: Learned from all lessons.
        common: `common_sentences` of all lessons.
    """
    inside = Counter(w for m in members for w in {w.lower() for w in WORD.findall(m[:LONGEST])})
    keep = _kept(central[0], members, inside, names)
    said: dict[str, float] = {}
    for rank, text in enumerate(central):
        for sentence in _own(text, common) or (text.strip(),):
            words = {w.lower() for w in WORD.findall(sentence)} - FUNCTION_WORDS
            merit = _merit(words, inside, len(members), names) - _awkward(sentence, names)
            said.setdefault(sentence, merit - 0.02 * rank)
    ordered = sorted(said, key=lambda s: (-said[s], s))
    rules = [imperative(names.replaced(s, keep=keep)) for s in ordered[:_CANDIDATES]]
    rule = rules[0]
    for other in (r for s, r in zip(ordered[1:], rules[1:], strict=False) if said[s] > 0):
        # A second sentence may add something; one that says the same again may not.
        if len(f"{rule} {other}".split()) <= _LONGEST_RULE and _overlap(rule, other) < _SAYS_SAME:
            return f"{rule} {other}"
    return _cut(rule)


def _own(text: str, common: Collection[str]) -> tuple[str, ...]:
    """A lesson's plan without what stands everywhere, unless it says nothing else."""
    told = plan(text)
    return tuple(s for s in told if _bag(s) not in common) or told


def _kept(text: str, members: Sequence[str], inside: Counter[str], names: Names) -> frozenset[str]:
    """The names that a rule for these members may keep."""
    if len(members) <= _FEW_MEMBERS:
        return frozenset((*inside, *names.proper_in(text)))
    half = {w for w, count in inside.items() if count * 2 > len(members)}
    return frozenset(w for w in half if not names.is_thing(w) or names.is_vocabulary(w))


def _awkward(sentence: str, names: Names) -> float:
    """How ill a sentence would do as a rule: told in hindsight, or for one case only."""
    return (
        0.1 * ("have" in sentence)
        + 0.6 * bool(_CONDITION.match(sentence))
        + 1.0 * bool(_TOLD.match(sentence) and not _TURNS.search(sentence))
        + 1.0 * (sentence[-1:] not in (".", "!", "?"))
        + 0.15 * len(names.proper_in(sentence))
    )


def _key(text: str, names: Names, common: Collection[str]) -> str:
    return names.masked(" ".join(_own(text, common)[:_PLAN_SENTENCES])) or text[:LONGEST]


def common_sentences(texts: Sequence[str]) -> frozenset[str]:
    """The sentences, as bags of words, that stand in a tenth of the distinct texts."""
    counts, total = _sentence_counts(texts)
    return frozenset(s for s, c in counts.items() if c >= max(_FEW, _SHARED * total))


def _sentence_counts(texts: Sequence[str]) -> tuple[Counter[str], int]:
    distinct = set(texts)
    return Counter(b for t in sorted(distinct) for b in {_bag(s) for s in plan(t)}), len(distinct)


def _bag(sentence: str) -> str:
    """A sentence's words without order and numbers: its clauses may be swapped."""
    return " ".join(sorted({w.lower() for w in WORD.findall(sentence)}))


def _merit(said: Collection[str], inside: Counter[str], size: int, names: Names) -> float:
    """How well a sentence of these words speaks for a cluster.

    The mean over its words of their share inside and of how far that exceeds their share in all
    lessons; short sentences say too little to be a rule.
    """
    told = [w for w in said if not names.is_thing(w)]
    if not told:
        return 0.0
    total = max(names.total, 1)
    gains = (2 * inside[w] / size - names.words[w] / total for w in told)
    return sum(gains) / len(told) * min(1.0, len(told) / 4)


def _overlap(one: str, other: str) -> float:
    a = {w.lower() for w in WORD.findall(one)} - FUNCTION_WORDS
    b = {w.lower() for w in WORD.findall(other)} - FUNCTION_WORDS
    return len(a & b) / max(1, min(len(a), len(b)))


def _cut(rule: str) -> str:
    words = rule.split()
    if len(words) <= _LONGEST_RULE:
        return rule
    return " ".join(words[:_LONGEST_RULE]).rstrip(",;:") + " ..."
