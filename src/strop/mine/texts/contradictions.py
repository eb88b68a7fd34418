"""Pairs of memories or heuristics that speak of the same thing and disagree.

Found by their words, without a model, and for precision: the same subject with another value; the
same sentence with and without a "not"; the same sentence with opposite words ("always" and
"never"). Paraphrases that disagree are missed. Nothing is resolved here: which side holds is for a
person, or for the gate.

Next file: `propose/__init__.py`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import cast

import numpy as np
from numpy.typing import NDArray

from strop.jsonvalue import Json
from strop.mine.finding import Finding
from strop.mine.texts.plans import sentences
from strop.spec import Item, Kind

__all__ = ["Contradiction", "contradictions"]

_NEAREST = 30  # items that each is compared with
_ALIKE = 0.4  # cosine below which two texts are not about the same thing
_SENTENCES = 6  # of each item
_WORDS = 40  # of each sentence; longer ones are no statement to compare word by word
_LEAST = 2  # words of the subject matter that two sentences must share
_RUNS = 200

_TOKEN = re.compile(r"`[^`]{1,200}`|\"[^\"]{1,200}\"|\d+(?:[.,]\d+)*%?|[^\W\d_]+(?:['-][^\W\d_]+)*")
_IS = re.compile(
    r"\s+(?:is|are|was|were|equals|means|must be|should be)\s+(?:now |always )?|\s*[=:]\s+"
)
_NOT = frozenset(("not", "never", "no", "without", "avoid", "cannot"))
_OPPOSITES = (
    ("ascending", "descending"),
    ("before", "after"),
    ("enable", "disable"),
    ("enabled", "disabled"),
    ("first", "last"),
    ("include", "exclude"),
    ("accept", "reject"),
    ("allow", "refuse"),
    ("allowed", "forbidden"),
    ("approve", "deny"),
    ("increase", "decrease"),
    ("maximum", "minimum"),
    ("more", "fewer"),
    ("most", "least"),
    ("oldest", "newest"),
    ("required", "optional"),
    ("true", "false"),
)
_OPPOSITE: dict[str, tuple[int, int]] = {
    word: (number, side) for number, pair in enumerate(_OPPOSITES) for side, word in enumerate(pair)
}
# Words that may stand on one side only and change nothing about what is asked for.
_WEAK_WORDS = (
    "a again also always an any are be can could do does ever i is just must my please should "
    "simply that the then to will would you your"
)
_WEAK = frozenset(_WEAK_WORDS.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Two items that cannot both hold.

    Attributes:
        one: Id of the first item, in the order of the spec.
        other: Id of the second.
        why: ``value`` (one subject, two values), ``negation`` or ``opposites``.
        claim: One sentence for people.
        runs: The runs behind both items, at most 200.
    """

    one: str
    other: str
    why: str
    claim: str
    runs: tuple[str, ...] = ()

    @property
    def finding(self) -> Finding:
        """The contradiction for review, as a finding of kind ``contradiction``.

        Its evidence is the runs behind both items; where a person wrote both, the items themselves,
        as ``item:`` and their id.
        """
        data: dict[str, Json] = {"items": [self.one, self.other], "why": self.why}
        runs = self.runs or (f"item:{self.one}", f"item:{self.other}")
        return Finding(kind="contradiction", claim=self.claim, runs=runs, data=data)


def contradictions(
    items: Sequence[Item], vectors: NDArray[np.float32]
) -> tuple[Contradiction, ...]:
    """Pairs of memories and heuristics that disagree.

    Args:
        items: Items of any kind; only memories and heuristics are compared.
        vectors: A unit row of each item's text, shape (n, dim).

    Returns:
        The pairs, in the order of the items; each pair once.
    """
    said = {
        at: tuple(_Sentence.of(s) for s in sentences(item.text)[:_SENTENCES])
        for at, item in enumerate(items)
        if item.kind in (Kind.MEMORY, Kind.HEURISTIC)
    }
    found = []
    for one, other in sorted({*_same_subject(said), *_near(said, vectors)}):
        if not _can_meet(items[one], items[other]):
            continue
        why = next(
            (w for a in said[one] for b in said[other] if (w := _disagree(a, b)) is not None), None
        )
        if why is not None:
            found.append(_contradiction(items[one], items[other], why))
    return tuple(found)


def _contradiction(one: Item, other: Item, why: str) -> Contradiction:
    runs = dict.fromkeys((*one.provenance.runs, *other.provenance.runs))
    a, b = (" ".join(item.text.split())[:200] for item in (one, other))
    return Contradiction(
        one=one.id,
        other=other.id,
        why=why,
        claim=f"{one.kind} {one.id} and {other.kind} {other.id} disagree: \u201c{a}\u201d "
        f"against \u201c{b}\u201d",
        runs=tuple(runs)[-_RUNS:],
    )


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence as it is compared.

    Attributes:
        words: Its words without negations and without opposites, weak ones left out, in order.
        negations: How many times it says not.
        sides: The pairs of opposites in it, in order, each with the side it takes.
        subject: The words before "is"; empty where there is none.
        value: The words after it.
    """

    words: tuple[str, ...]
    negations: int
    sides: tuple[tuple[int, int], ...]
    subject: tuple[str, ...]
    value: tuple[str, ...]

    @classmethod
    def of(cls, sentence: str) -> "_Sentence":
        words = _words(sentence)
        subject, value = _parts(sentence)
        return cls(
            words=tuple(
                _stem(w)
                for w in words
                if w not in _WEAK | _NOT and w not in _OPPOSITE and not w.endswith("n't")
            ),
            negations=sum(w in _NOT or w.endswith("n't") for w in words),
            sides=tuple(_OPPOSITE[w] for w in words if w in _OPPOSITE),
            subject=subject,
            value=value,
        )


def _words(text: str) -> list[str]:
    tokens = _TOKEN.findall(text[: 20 * _WORDS].replace("\u2019", "'"))[:_WORDS]
    # Names keep their case: `Id` and `id` may be two columns.
    return [t if t[0] in '`"' else t.casefold() for t in tokens]


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word.rstrip("e") or word


def _parts(sentence: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Subject and value of a statement such as "`a` is `b`" or "limit = 5".

    Only values that exclude each other count: one name in backticks or quotes, or one number with
    its unit. That somebody is tall does not exclude that they are kind.
    """
    head, *rest = _IS.split(sentence[: 20 * _WORDS], maxsplit=1)
    if not rest:
        return (), ()
    subject = tuple(w for w in _words(head) if w not in _WEAK)
    value = tuple(w for w in _words(rest[0]) if w not in _WEAK)
    single = value and (
        (len(value) == 1 and value[0][0] in '`"') or (len(value) <= 2 and value[0][0].isdigit())
    )
    return (subject, value) if subject and single else ((), ())


def _disagree(one: _Sentence, other: _Sentence) -> str | None:
    """Why two sentences cannot both hold; `None` where they may."""
    if one.subject and one.subject == other.subject:
        unit = one.value[1:] == other.value[1:]
        return "value" if unit and one.value[0] != other.value[0] else None
    # The same words in the same order: what is left out changes no meaning.
    if one.words != other.words or len(set(one.words)) < _LEAST:
        return None
    if [number for number, _ in one.sides] != [number for number, _ in other.sides]:
        return None
    flipped = sum(a != b for a, b in zip(one.sides, other.sides, strict=True))
    odd = (one.negations + other.negations) % 2 == 1
    if flipped == 1:
        return None if odd else "opposites"  # "do not include" is "exclude"
    return "negation" if odd and not flipped else None


def _same_subject(said: Mapping[int, Sequence[_Sentence]]) -> Iterator[tuple[int, int]]:
    """Pairs of items that give one subject two values."""
    by_subject: dict[tuple[str, ...], dict[tuple[str, ...], list[int]]] = {}
    for at, told in said.items():
        for sentence in told:
            if sentence.subject:
                values = by_subject.setdefault(sentence.subject, {})
                values.setdefault(sentence.value, []).append(at)
    for values in by_subject.values():
        for one, other in combinations(values.values(), 2):
            # One item for each value is enough for a review; thousands of pairs would drown it.
            if one[0] != other[0]:
                yield min(one[0], other[0]), max(one[0], other[0])


def _near(
    said: Mapping[int, Sequence[_Sentence]], vectors: NDArray[np.float32]
) -> Iterator[tuple[int, int]]:
    """Pairs of items whose texts are near each other."""
    for at in said:
        cosine = vectors @ vectors[at]
        order = np.argsort(-cosine, kind="stable")[: _NEAREST + 1]
        for other in order.tolist():
            if other != at and other in said and cosine[other] >= _ALIKE:
                yield min(at, other), max(at, other)


def _can_meet(one: Item, other: Item) -> bool:
    """Whether one task may be shown both: what holds for different categories is no conflict."""
    a, b = (set(cast("Sequence[str]", item.content.get("categories", ()))) for item in (one, other))
    return not a or not b or bool(a & b)
