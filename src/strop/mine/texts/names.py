"""Names of things of one task in the texts of lessons: found, masked, or put in general words.

A lesson of one task says "take cup 3 from drawer 2"; the next task has another cup. What names a
thing is learned from all the lessons together: words that stand before numbers, capitalised names,
quotations. English only; by patterns, without a model.

Next file: `mine/texts/plans.py`.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

__all__ = ["FUNCTION_WORDS", "LONGEST", "WORD", "Names"]

_FUNCTION_WORDS = (
    "a about after again all also am an and any are as at be been before but by can could did do "
    "does each for from get go had has have her his how i if in into is it its made make may me "
    "more most my no not of off on once one only or other our out over per should so some such "
    "than that the their them then there these they this those to too under until up upon us use "
    "using was we were what when where which while who will with within without would you your "
    "first second third"
)
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""Words that say nothing about what a text is about."""

LONGEST = 8_000  # characters of a text that are read
_FEW = 5  # texts that a sentence or a name must stand in before it counts as shared
_SHARED = 0.1  # share of texts from which on a sentence tells none of them apart
_RARE = 1 / 8  # share of texts under which a name is of few tasks; others are vocabulary here

_NUMBER = r"\(?\b\d[\d,. -]*(?<![,. -])\)?"
_NUMBERED = re.compile(
    rf"\b([a-z][a-z_-]+) {_NUMBER}(?=\s*(?:[,.;:)]|$)|\s+([a-z/]+))", re.MULTILINE
)
_LOOSE_NUMBER = re.compile(rf"\s*{_NUMBER}")
_IN_BRACKETS = re.compile(r"\s*\(\d[\d, -]{0,20}\)")
_QUOTED = re.compile(r"(?<!\w)(?:'[^'\n]{1,80}'|\"[^\"\n]{1,80}\")(?!\w)")
_PROPER = re.compile(r"(?<=[a-z,] )(?!I\b)[A-Z][\w'&-]*(?: (?:(?:of|the|and) )?[A-Z][\w'&-]*)*")
_DETERMINED = re.compile(r"\b(?:the|an?|first|second) ([a-z]+)(?=\s*[,.;:)]|\s+([a-z/]+)|$)")
WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Names:
    """The words of a set of texts that name things of one task.

    Attributes:
        things: Words that stand before a number ("cup 3") in two texts or more, or in one beside
            such a word.
        proper: Capitalised names that many texts share, so that they are vocabulary here.
        words: By word, in how many distinct texts it stands.
        total: How many distinct texts there are.
    """

    things: frozenset[str]
    proper: frozenset[str]
    words: Counter[str] = field(repr=False)
    total: int = 0

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Names":
        """Learned from texts; the same text twice counts once."""
        distinct = sorted({text[:LONGEST] for text in texts})
        numbered = [_numbered(text) for text in distinct]
        counts = Counter(word for words in numbered for word in words)
        things = {word for word, count in counts.items() if count > 1}
        # One that stands once is a name where others are: "take the vase 1 from shelf 3".
        things.update(*(words for words in numbered if words & things))
        proper: Counter[str] = Counter()
        words: Counter[str] = Counter()
        for text in distinct:
            proper.update(set(_PROPER.findall(text)))
            words.update({w.lower() for w in WORD.findall(text)})
        return cls(
            things=frozenset(things),
            proper=frozenset(
                w for w, count in proper.items() if count >= max(_FEW, _SHARED * len(distinct))
            ),
            words=words,
            total=len(distinct),
        )

    def is_thing(self, word: str) -> bool:
        """Whether a word, or its singular, names a thing."""
        return word in self.things or bool(_singulars(word) & self.things)

    def masked(self, text: str) -> str:
        """`text` with every name of few texts as "it" and without numbers, for embedding.

        Names that stand in an eighth of the texts tell kinds of task apart ("the fridge"), and
        stay.
        """
        text = self._without_proper(text, "it")
        text = _LOOSE_NUMBER.sub("", text)
        return re.sub(
            r"[a-z]+",
            lambda m: "it" if self.is_thing(m[0]) and not self.is_vocabulary(m[0]) else m[0],
            text,
        )

    def proper_in(self, text: str) -> tuple[str, ...]:
        """The capitalised names and the quotations of a text."""
        return (*_PROPER.findall(text), *_QUOTED.findall(text))

    def is_vocabulary(self, word: str) -> bool:
        """Whether an eighth of the texts have the word."""
        return self.words[word] >= _RARE * self.total

    def replaced(self, text: str, *, keep: Collection[str]) -> str:
        """`text` with its names in general words, for people; those in `keep` stay.

        A list of names becomes "every place"; a name after "in" or "to" a place, after "from"
        where it is; any other an item.
        """
        text = self._without_proper(text, "the name", keep)
        text = _IN_BRACKETS.sub("", text)
        gone = {w for w in WORD.findall(text) if self.is_thing(w) and w not in keep}
        # Beside names, a noun of few lessons is likely one more: "take the vase from shelf 3".
        spoken = any(map(self.is_thing, WORD.findall(text)))
        gone |= {
            m[1]
            for m in _DETERMINED.finditer(text if spoken else "")
            if m[1] not in keep
            and m[1] not in FUNCTION_WORDS
            and self.words[m[1]] < _SHARED * self.total
            and (not m[2] or _functional(m[2]))
        }
        things = {w for w in WORD.findall(text) if self.is_thing(w)} | gone
        if things:
            text = re.sub(_lists(things), "every place", text).replace("all every", "every")
            text = _general(text, gone) if gone else text
            text = _with_article(text, things)
        return re.sub(r"\b(?:the|an?) (the name|every place)\b", r"\1", re.sub(r" {2,}", " ", text))

    def _without_proper(self, text: str, by: str, keep: Collection[str] = ()) -> str:
        text = _QUOTED.sub(lambda m: m[0] if m[0] in keep else by, text)
        return _PROPER.sub(lambda m: m[0] if m[0] in self.proper or m[0] in keep else by, text)


def _numbered(text: str) -> frozenset[str]:
    """The words of a text that a number follows and names one of."""
    return frozenset(
        m[1]
        for m in _NUMBERED.finditer(text)
        # "waits 30 seconds" counts something; "cup 3 from" names one of them.
        if m[1] not in FUNCTION_WORDS and (not m[2] or _functional(m[2]))
    )


def _functional(word: str) -> bool:
    return word in FUNCTION_WORDS or "/" in word


def _singulars(word: str) -> frozenset[str]:
    if word.endswith("ves"):
        return frozenset((word[:-3] + "f", word[:-1]))
    return frozenset((word[:-1],) if word.endswith("s") else ())


def _one_of(words: Collection[str]) -> str:
    """A pattern for a name with its article and its number."""
    names = "|".join(sorted(map(re.escape, words), key=lambda w: (-len(w), w)))
    return (
        rf"(?:(?:the|an?) )?(?:(?:first|second|next|other|correct) )?(?:{names})\b(?: {_NUMBER})?"
    )


def _lists(words: Collection[str]) -> str:
    """A pattern for three names or more in a row."""
    one = _one_of(words)
    return rf"\b{one}(?:,? (?:and |or |then )?{one}){{2,}}"


def _general(text: str, gone: Collection[str]) -> str:
    one = _one_of(gone)
    text = re.sub(rf"\ball (?:of )?{one}", "every place", text)
    for before, what in _PLACES:
        text = re.sub(rf"\b({before}) {one}", rf"\1 {what}", text)
    return re.sub(rf"\b{one}", _item, text)


_PLACES = (("from", "where it is"), ("to|in|on|in/on|into|at|under", "the right place"))


def _item(match: re.Match[str]) -> str:
    which = re.search(r"\b(first|second|next|other|correct)\b", match[0])
    return f"the {which[0]} item" if which else "the item"


def _with_article(text: str, things: Collection[str]) -> str:
    """`text` with an article before each name and no number behind it."""
    names = "|".join(sorted(map(re.escape, things), key=lambda w: (-len(w), w)))
    text = re.sub(rf"\b({names}) {_NUMBER}", r"\1", text)
    return re.sub(rf"(?P<before>\S+ |^)(?P<name>(?:{names})\b)", _articled, text)


_DETERMINERS = (
    "the a an all any another both each every first her his its my next no other our second same "
    "some such that their these this those which your correct more wrong"
)
_ARTICLES = frozenset(_DETERMINERS.split())


def _articled(match: re.Match[str]) -> str:
    before = match["before"]
    bare = not before or before.strip().lower() not in _ARTICLES
    return f"{before}the {match['name']}" if bare else match[0]
