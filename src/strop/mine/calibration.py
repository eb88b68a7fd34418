"""From which confidence on are the answers right often enough? A threshold with a bound that holds.

Takes confidences and whether each answer was right, on tasks that the answering model had not seen.
It knows nothing of models, answers or tables.

Next file: `mine/texts/__init__.py`.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Certificate", "at_least", "at_most", "certify", "fewest_needed", "lower_bound"]

_STARTS = 5
_STEPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A threshold and what was seen at it.

    Attributes:
        threshold: Answers of at least this confidence are given.
        answered: How many of the tasks that is.
        correct: How many of those were right.
        lower: Lower confidence bound on the share that is right, all thresholds tried counted in.
    """

    threshold: float
    answered: int
    correct: int
    lower: float


def fewest_needed(floor: float, alpha: float) -> int:
    """How many answers, all right, it takes to show at level `alpha` that `floor` is met."""
    return math.ceil(math.log(alpha) / math.log(floor))


def certify(
    confidence: NDArray[np.float64],
    right: NDArray[np.bool_],
    *,
    floor: float,
    level: float = 0.95,
    lowest: float = -math.inf,
) -> Certificate | None:
    """The lowest threshold from which answers are right at least `floor` of the time.

    With probability `level` or more over the draw of the tasks, the share of right answers among
    new tasks of that confidence is at least `floor` (and at least the returned bound). Trying many
    thresholds does not spoil it: they are tested one after the other from strict to lax, each by an
    exact binomial test, and the first that fails ends it, so the chance of ever passing a bad one
    is that of a single test. Since one unlucky answer at the strict end would end it early, up to
    five such sequences begin at different thresholds, each at a fifth of the error. Sources:
    Angelopoulos, Bates, Candès, Jordan & Lei, "Learn then Test", arXiv:2110.01052 (fixed sequence
    testing with several starts); Bauer, "Multiple testing in clinical trials", Statistics in
    Medicine 10 (1991); the bound is Clopper & Pearson's, Biometrika 26 (1934).

    Which thresholds are tried depends on the confidences alone, never on what was right.

    Args:
        confidence: Shape (n,), of independent tasks.
        right: Whether each answer was right, shape (n,).
        floor: In (0, 1).
        level: In (0, 1).
        lowest: No threshold under this one is tried.

    Returns:
        The certificate, or `None` where no threshold passes.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked, good = confidence[order], np.cumsum(right[order])
    # Thresholds as "the k most confident", where k ends a run of equal confidences.
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) + 1 if len(ranked) else ranked
    ends = ends[ranked[ends - 1] >= lowest] if len(ends) else ends
    if not len(ends):
        return None
    least = fewest_needed(floor, (1 - level) / _STARTS)
    tries = ends[
        np.unique(np.searchsorted(ends, np.linspace(min(least, ends[-1]), ends[-1], _STEPS)))
    ]
    firsts = {int(np.searchsorted(tries, max(least, tries[-1] / 2**j))) for j in range(_STARTS)}
    firsts = {first for first in firsts if first < len(tries)}
    alpha = (1 - level) / max(len(firsts), 1)
    best, hits = 0, 0
    for first in sorted(firsts):
        for k in tries[first:].tolist():
            right_ones = int(good[k - 1])
            if at_most(k - right_ones, of=k, floor=floor) > alpha:
                break
            if k > best:
                best, hits = k, right_ones
    if not best:
        return None
    return Certificate(
        threshold=float(ranked[best - 1]),
        answered=best,
        correct=hits,
        lower=lower_bound(hits, of=best, alpha=alpha),
    )


def at_most(misses: int, *, of: int, floor: float) -> float:
    """The chance of at most so many misses in `of` answers of which `floor` are right on average.

    The exact binomial tail, summed in logarithms.
    """
    if not 0.0 < floor < 1.0:
        return 1.0 if floor <= 0.0 or misses >= 0 else 0.0
    several = np.arange(min(misses, of) + 1)
    steps = np.log((of - several[:-1]) / (several[:-1] + 1.0))
    ways = np.concatenate([[0.0], np.cumsum(steps)])
    terms = ways + several * math.log1p(-floor) + (of - several) * math.log(floor)
    return min(1.0, float(np.exp(terms).sum()))


def at_least(misses: int, *, of: int, rate: float) -> float:
    """The chance of at least so many misses in `of` answers that miss at `rate`."""
    return 1.0 if misses <= 0 else max(0.0, 1.0 - at_most(misses - 1, of=of, floor=1 - rate))


def lower_bound(correct: int, *, of: int, alpha: float) -> float:
    """Clopper & Pearson's one-sided lower bound on a share, at error `alpha`; by bisection."""
    low, high = 0.0, correct / of
    for _ in range(50):
        middle = (low + high) / 2
        if at_most(of - correct, of=of, floor=middle) > alpha:
            high = middle
        else:
            low = middle
    return low
