"""What people asked for or corrected again and again.

Groups what `feedback.py` found by meaning, with vectors that are handed in: nothing here embeds,
and no model is asked. What only one task's people said is not claimed.

Next file: `mine/resolutions.py`.
"""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray

from strop.mine.feedback import Feedback
from strop.mine.finding import Finding
from strop.task import normalised

__all__ = ["mine_preferences"]

Bools = NDArray[np.bool_]

# Vectors put opposites close together, so what tells them apart is looked for in the words.
_CONTRAST = re.compile(
    r",?\s*\b(?:and\s+not|not|instead\s+of|rather\s+than)\s+(?:in\s+|with\s+|by\s+)?(\w+)",
    re.IGNORECASE,
)
_DENIES = re.compile(r"\b(?:not|no|never|stop|avoid|don't|do\s+not|\w+n't)\b", re.IGNORECASE)
_NAMES = re.compile(r"(?<=[\w,] )[A-Z]\w+|\d+")
_TOO = (
    (re.compile(r"\btoo\s+(?:long|wordy|verbose|detailed)\b", re.IGNORECASE), "shorter"),
    (re.compile(r"\btoo\s+(?:short|brief|vague)\b", re.IGNORECASE), "longer"),
    (re.compile(r"\btoo\s+formal\b", re.IGNORECASE), "informal"),
    (re.compile(r"\btoo\s+(?:informal|casual)\b", re.IGNORECASE), "formal"),
    (re.compile(r"\btoo\s+(?:technical|complicated)\b", re.IGNORECASE), "simpler"),
)
_AXES = tuple(
    (frozenset(one.split()), frozenset(other.split()))
    for one, other in (
        (
            "short shorter brief briefer concise succinct terse",
            "long longer detailed verbose wordy elaborate detail details",
        ),
        ("formal formally", "informal informally casual casually"),
        ("simple simpler plain", "technical complex"),
        ("less fewer", "more"),
        ("before", "after"),
        ("first", "last"),
        ("include add mention with", "omit skip leave drop remove without"),
    )
)


def mine_preferences(
    feedback: Sequence[Feedback],
    vectors: NDArray[np.float32],
    *,
    tasks: int = 2,
    alike: float = 0.6,
    most: int = 20,
) -> tuple[Finding, ...]:
    """What was asked for in several distinct tasks.

    The sentence that most tasks have one like it of names a group, and everything alike belongs to
    it; then the same with what is left (star clustering: J. A. Aslam, E. Pelekhov and D. Rus, "The
    star clustering algorithm for static and dynamic information organization", JGAA 8 (2004)).
    Sentences that deny one another (shorter and longer, do and do not) are never alike, and where
    people ask for both, neither is claimed unless twice as many tasks ask for it.

    Args:
        feedback: From `feedback_texts`.
        vectors: A unit row for the text of each, shape (n, dim).
        tasks: Distinct tasks that must have asked for it.
        alike: Cosine from which two sentences are taken to mean the same.
        most: At most this many findings, those of most tasks first.

    Returns:
        Findings of kind ``preference`` with ``text``, ``tasks`` and ``sources``.

    Raises:
        ValueError: There is not one row per feedback.
    """
    if len(vectors) != len(feedback):
        raise ValueError(f"{len(feedback)} texts need as many vectors, not {len(vectors)}")
    if not feedback:
        return ()
    near, against = _likeness(feedback, vectors, alike)
    groups = _stars(feedback, near, tasks)
    # What people contradict is counted in all that was said, groups or not.
    found = []
    for medoid, members in groups:
        asked = {feedback[int(j)].task for j in members}
        denied = {feedback[int(j)].task for j in np.flatnonzero(against[medoid])}
        if len(asked) >= 2 * len(denied):
            found.append(_finding(feedback, medoid, members))
    return tuple(found[:most])


def _stars(
    feedback: Sequence[Feedback], near: Bools, tasks: int
) -> list[tuple[int, NDArray[np.intp]]]:
    """Groups as (medoid, members), those of most tasks first.

    Counts only fall as sentences are taken, so one that still leads when counted anew does lead.
    """
    left = np.ones(len(feedback), dtype=bool)

    def count(i: int) -> int:
        return len({feedback[int(j)].task for j in np.flatnonzero(near[i] & left)})

    queue = [(-count(i), i) for i in range(len(feedback))]
    heapify(queue)
    groups = []
    while queue:
        _, i = heappop(queue)
        now = count(i) if left[i] else 0
        if now < tasks:
            continue
        if queue and (-now, i) > queue[0]:
            heappush(queue, (-now, i))
            continue
        members = np.flatnonzero(near[i] & left)
        left[members] = False
        groups.append((i, members))
    return groups


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What tells sentences of like vectors apart: names, what is denied, which side is taken."""

    words: frozenset[str]
    names: frozenset[str]
    refused: frozenset[str]  # the word after "not", "instead of"
    denies: bool
    sides: tuple[int, ...]  # per axis of `_AXES`: -1, 0 or 1


def _said(text: str) -> _Said:
    for pattern, meant in _TOO:
        text = pattern.sub(meant, text)
    words = frozenset(normalised(text).split())
    # "Euros, not dollars" refuses dollars and denies nothing; "do not" denies the whole sentence.
    plain = re.sub(r"\b(do|did|does)\s+not\b", r"\1n't", text, flags=re.IGNORECASE)
    refused = frozenset(word.lower() for word in _CONTRAST.findall(plain))
    return _Said(
        words=words,
        names=frozenset(_NAMES.findall(text)),
        refused=refused,
        denies=bool(_DENIES.search(_CONTRAST.sub(" ", plain))),
        sides=tuple(bool(words & one) - bool(words & other) for one, other in _AXES),
    )


def _likeness(
    feedback: Sequence[Feedback], vectors: NDArray[np.float32], alike: float
) -> tuple[Bools, Bools]:
    """Which sentences mean the same, and which ask for the opposite; shape (n, n) each."""
    rows = vectors.astype(np.float32, copy=False)
    close = (rows @ rows.T >= alike) | _equal([normalised(one.text) for one in feedback])
    np.fill_diagonal(close, val=True)
    said = [_said(one.text) for one in feedback]
    opposite = _opposite(said)
    np.fill_diagonal(opposite, val=False)
    named = np.array([bool(one.names) for one in said])
    others = named[:, None] & named & ~_equal([one.names for one in said])
    return close & ~opposite & ~others, close & opposite


def _equal(values: Sequence[Hashable]) -> Bools:
    number: dict[Hashable, int] = {}
    codes = np.array([number.setdefault(value, len(number)) for value in values])
    same: Bools = codes[:, None] == codes
    return same


def _opposite(said: Sequence[_Said]) -> Bools:
    """Which pairs ask for what the other asks not to have; a double denial is none."""
    denies = np.array([one.denies for one in said])
    sides = np.array([one.sides for one in said])
    one, other = (sides > 0).astype(np.int16), (sides < 0).astype(np.int16)
    opposed = one @ other.T
    opposed = (opposed + opposed.T) % 2 == 1
    found: Bools = (denies[:, None] != denies) != opposed
    refusing: dict[str, list[int]] = {}
    for i, each in enumerate(said):
        for word in each.refused:
            refusing.setdefault(word, []).append(i)
    for i, each in enumerate(said):
        for word in each.words - each.refused:
            found[i, refusing.get(word, [])] = True
            found[refusing.get(word, []), i] = True
    return found


def _finding(feedback: Sequence[Feedback], medoid: int, members: NDArray[np.intp]) -> Finding:
    said = [feedback[int(i)] for i in members]
    asked = list(dict.fromkeys(f.task for f in said))
    sources = {source: sum(f.source == source for f in said) for source in ("score", "message")}
    return Finding(
        kind="preference",
        claim=f"{feedback[medoid].text} (asked for in {len(asked)} tasks)",
        runs=tuple(dict.fromkeys(f.run for f in said))[:50],
        data={
            "text": feedback[medoid].text,
            "tasks": list(asked[:64]),
            "in_tasks": len(asked),
            "sources": sources,
        },
    )
