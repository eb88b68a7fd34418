"""A sentence about oneself ("I should have taken the cup") as an instruction ("Take the cup").

English, by patterns and a table of irregular verbs: no grammar, no model. A sentence that is an
instruction already, or that no pattern fits, keeps its wording.

Next file: `mine/texts/names.py`.
"""

import re

__all__ = ["imperative"]

_OPENING = re.compile(
    r"^(?:(?:in the (?:next|future) ?(?:trial|attempt)?s?|next time|in (?:the )?future|"
    r"additionally|then|however|instead|therefore|so|also|finally|furthermore|to do this|"
    r"in this environment),? )+",
    re.IGNORECASE,
)
_A_PLAN = re.compile(r"^.{0,80}?\bplan (?:would be|is|was) to ", re.IGNORECASE)
_BUT = re.compile(r"^.{0,400}?[,;.]? (?:but|and) (?=I (?:should|will|must)\b)")
_HAVE = re.compile(r"\bI should(?:n't| not)? have (?:also |first |then |instead )*(?P<verb>[a-z]+)")
_CHAINED = re.compile(r"(?P<link>(?:, and|, or|,|\band|\bthen)(?: then| also)? )(?P<verb>[a-z]+)\b")
_WILL = re.compile(
    r"\bI (?:will|should|must|need to|have to|would|'ll|can) (?:also |then |first |instead |next )*"
    r"(?:(?:try|remember|attempt|be sure) to (?:also )?)*(?P<not>not )?",
)
_NEGATED = re.compile(r"\bI should(?:n't| not) have ")
_SELF = (
    (re.compile(r"\bI am\b"), "you are"),
    (re.compile(r"\bI was\b"), "you were"),
    (re.compile(r"\bI\b"), "you"),
    (re.compile(r"\bmyself\b"), "yourself"),
    (re.compile(r"\bmy\b"), "your"),
    (re.compile(r"\bme\b"), "you"),
)
_IRREGULAR = {
    "been": "be", "begun": "begin", "bought": "buy", "broken": "break", "brought": "bring",
    "built": "build", "chosen": "choose", "come": "come", "done": "do", "drawn": "draw",
    "driven": "drive", "felt": "feel", "found": "find", "given": "give", "gone": "go",
    "got": "get", "gotten": "get", "held": "hold", "kept": "keep", "known": "know", "left": "leave",
    "let": "let", "made": "make", "meant": "mean", "met": "meet", "paid": "pay", "put": "put",
    "read": "read", "run": "run", "said": "say", "seen": "see", "sent": "send", "set": "set",
    "shown": "show", "spent": "spend", "spoken": "speak", "stood": "stand", "taken": "take",
    "told": "tell", "thought": "think", "tried": "try", "understood": "understand",
    "went": "go", "won": "win", "written": "write",
}  # fmt: skip
# Verbs on e that the endings below do not tell.
_WORDS_ON_E = (
    "assume bake compare complete compute consume create decide declare define delete describe "
    "determine divide elaborate encode ensure examine execute explore file hide ignore "
    "imagine improve include inquire merge name note observe outline prepare provide quote refine "
    "refuse release remove rename require resolve retire save scale schedule secure share solve "
    "store tie type unite use write"
)
_ON_E = frozenset(_WORDS_ON_E.split())
_E_LOST = re.compile(r"(?:[^aeo]at|[iy]z|v|u|c|ng|[aei]g|rg|dg|[bcdfgkptz]l|[^aeiou]ys|ers|iquir)$")
_NO_E = re.compile(r"(?:ong|ing)$")


def imperative(sentence: str) -> str:
    """`sentence` as an instruction; its first letter a capital, ending in a full stop."""
    text = _OPENING.sub("", _A_PLAN.sub("", sentence.strip()))
    if text.startswith(("I ", "You ")) and not _WILL.match(text):
        text = _BUT.sub("", text)  # "I assumed this, but I should have ..."
    negated = bool(_NEGATED.search(text))
    if _HAVE.search(text):
        text = _CHAINED.sub(lambda m: m["link"] + _chained(m["verb"]), text)
        text = _HAVE.sub(lambda m: ("do not " if negated else "") + base(m["verb"]), text)
    text = _WILL.sub(lambda m: "do not " if m["not"] else "", text)
    text = re.sub(r"(^|, )and to ", r"\1and ", text)
    for pattern, by in _SELF:
        text = pattern.sub(by, text)
    text = re.sub(r"\s+([,.;:])", r"\1", text).strip(" ,;:")
    if not text:
        return sentence.strip()
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?" else text + "."


def base(verb: str) -> str:
    """The base form of a past participle; a word that is none comes back as it is."""
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if not verb.endswith("ed") or verb.endswith("eed") or len(verb) < 4:  # "need", "bed"
        return verb
    stem = verb[:-2]
    if verb.endswith("ied"):
        return verb[:-3] + "y"
    if stem + "e" not in _ON_E and stem[-1] == stem[-2] and stem[-1] not in "lsfz":
        return stem[:-1]  # stopped
    on_e = stem + "e" in _ON_E or (_E_LOST.search(stem) and not _NO_E.search(stem))
    return stem + "e" if on_e else stem


def _chained(verb: str) -> str:
    """A verb further on in a chain: only what is surely a participle is changed."""
    return base(verb) if verb in _IRREGULAR or verb.endswith("ed") else verb
