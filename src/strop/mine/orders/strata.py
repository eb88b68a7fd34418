"""Comparing two ways of going about it within strata: counts to a p-value, an effect, a guard.

Easy tasks have short runs and good scores, so runs are compared with runs of the same stratum (the
same task, as a rule). Pure numpy over counts; what the strata are and which patterns are worth
comparing is `orders.py`'s business.

Next file: `mine/orders/patterns.py`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["Effect", "Table", "adjusted", "false_discovery", "table"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_EXACT = 100  # informative strata up to which the exact distribution is worked out
_Z = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A difference in success rates, with its interval.

    Attributes:
        difference: Rate of the runs that did less the rate of those that did not, in [-1, 1].
        low: Lower end of the 95 % interval.
        high: Upper end.
    """

    difference: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One 2 x 2 table per stratum: did or did not, succeeded or failed. Each array has shape (k,).

    Attributes:
        did: Runs that did.
        did_well: Those of them that succeeded.
        other: Runs that did not.
        other_well: Those of them that succeeded.
    """

    did: Ints
    did_well: Ints
    other: Ints
    other_well: Ints

    @property
    def informative(self) -> Bools:
        """The strata in which some did and some did not, some succeeded and some failed."""
        well, n = self.did_well + self.other_well, self.did + self.other
        known: Bools = (self.did > 0) & (self.other > 0) & (well > 0) & (well < n)
        return known

    def p_values(self) -> tuple[float, float]:
        """The p-value of no association within strata, and the least that was attainable.

        Exact, conditional on all margins (the sum of hypergeometric counts; with one stratum this
        is Fisher's test), two-sided by doubling. With many informative strata the normal
        approximation with continuity correction (W. G. Cochran 1954; N. Mantel and W. Haenszel,
        "Statistical aspects of the analysis of data from retrospective studies of disease", JNCI 22
        (1959)). The least attainable p depends on the margins alone.
        """
        use = self.informative
        if not use.any():
            return 1.0, 1.0
        did, other = self.did[use], self.other[use]
        well = self.did_well[use] + self.other_well[use]
        seen = int(self.did_well[use].sum())
        low = np.maximum(0, well - other)
        if len(did) > _EXACT:
            return _approximate(did, other, well, seen)
        mass = np.ones(1)
        for margins in zip(did.tolist(), other.tolist(), well.tolist(), strict=True):
            mass = np.convolve(mass, _hypergeometric(*margins))
        at = seen - int(low.sum())
        tail = min(float(mass[: at + 1].sum()), float(mass[at:].sum()))
        return min(1.0, 2 * tail), min(1.0, 2 * min(float(mass[0]), float(mass[-1])))

    def effect(self) -> Effect | None:
        """The Mantel-Haenszel difference in success rates; `None` where no stratum has both.

        Variance by T. Sato, "On the variance estimator for the Mantel-Haenszel risk difference",
        Biometrics 45 (1989), which holds for few large strata and for many small ones.
        """
        use = (self.did > 0) & (self.other > 0)
        if not use.any():
            return None
        n1, n0 = self.did[use].astype(float), self.other[use].astype(float)
        a, c = self.did_well[use].astype(float), self.other_well[use].astype(float)
        n = n1 + n0
        weight = float((n1 * n0 / n).sum())
        difference = float(((a * n0 - c * n1) / n).sum()) / weight
        p = float(((n1**2 * c - n0**2 * a + n1 * n0 * (n0 - n1) / 2) / n**2).sum())
        q = float(((a * (n0 - c) + c * (n1 - a)) / (2 * n)).sum())
        half = _Z * math.sqrt(max(0.0, difference * p + q)) / weight
        return Effect(
            difference=difference,
            low=max(-1.0, difference - half),
            high=min(1.0, difference + half),
        )


def table(stratum: Ints, did: Bools, well: Bools) -> Table:
    """Count runs into one table per stratum; all arrays have a row per run."""
    cell = 4 * stratum + 2 * did + well
    size = 4 * (int(stratum.max()) + 1) if len(stratum) else 0
    counts = np.bincount(cell, minlength=size).astype(np.int64).reshape(-1, 4)
    return Table(
        did=counts[:, 2] + counts[:, 3],
        did_well=counts[:, 3],
        other=counts[:, 0] + counts[:, 1],
        other_well=counts[:, 1],
    )


def _approximate(did: Ints, other: Ints, well: Ints, seen: int) -> tuple[float, float]:
    n = (did + other).astype(float)
    mean = float((did * well / n).sum())
    variance = float((did * other * well * (n - well) / (n**2 * (n - 1))).sum())
    ends = (int(np.maximum(0, well - other).sum()), int(np.minimum(well, did).sum()))

    def two_sided(count: int) -> float:
        z = max(0.0, abs(count - mean) - 0.5) / math.sqrt(variance)
        return math.erfc(z / math.sqrt(2))

    return two_sided(seen), min(two_sided(end) for end in ends)


@lru_cache(maxsize=4096)
def _hypergeometric(did: int, other: int, well: int) -> Floats:
    """Probabilities of each number of successes among those that did, all margins given."""
    counts = range(max(0, well - other), min(well, did) + 1)
    logs = [_log_choose(did, k) + _log_choose(other, well - k) for k in counts]
    mass = np.exp(np.array(logs) - _log_choose(did + other, well))
    return np.asarray(mass / mass.sum())


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def adjusted(stratum: Ints, did: Bools, well: Bools, elapsed: Floats) -> float | None:
    """The p-value of no difference once the length of runs is allowed for, two-sided.

    Least squares of success on having done it and on `elapsed`, all within strata (analysis of
    covariance with one intercept per stratum).

    Args:
        stratum: Stratum of each run, shape (n,).
        did: Which runs did.
        well: Which succeeded.
        elapsed: Covariates, shape (n, c).

    Returns:
        The p-value; `None` where length and doing it cannot be told apart.
    """
    counts = np.maximum(np.bincount(stratum), 1)

    def within(values: Floats) -> Floats:
        mean = np.bincount(stratum, weights=values) / counts
        return np.asarray(values - mean[stratum])

    y, x = within(well.astype(float)), within(did.astype(float))
    z = np.stack([within(column) for column in elapsed.T], axis=1)
    covariates = int(np.linalg.matrix_rank(z))
    # What is left of each once the covariates are taken out (Frisch, Waugh and Lovell).
    x_left = x - z @ np.linalg.lstsq(z, x, rcond=None)[0]
    y_left = y - z @ np.linalg.lstsq(z, y, rcond=None)[0]
    spread = float(x_left @ x_left)
    freedom = len(y) - len(np.unique(stratum)) - covariates - 1
    if spread < 1e-3 * float(x @ x) + 1e-9 or freedom < 1:
        return None
    slope = float(x_left @ y_left) / spread
    rest = y_left - x_left * slope
    error = math.sqrt(max(float(rest @ rest), 1e-9) / freedom / spread)
    return _two_sided(slope / error, freedom)


def _two_sided(t: float, freedom: int) -> float:
    """Student's t to a p-value (D. L. Wallace, "Bounds on normal approximations", 1959)."""
    squared = freedom * math.log1p(t * t / freedom)
    z = math.sqrt(squared) * (8 * freedom + 1) / (8 * freedom + 3)
    return math.erfc(z / math.sqrt(2))


def false_discovery(p_values: Sequence[float]) -> list[float]:
    """The adjusted p-value of each: claiming those under a level holds the false discovery rate.

    Source: Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate", JRSS B 57 (1995).
    """
    order = sorted(range(len(p_values)), key=lambda i: (p_values[i], i), reverse=True)
    least, found = 1.0, [1.0] * len(p_values)
    for rank, index in zip(range(len(order), 0, -1), order, strict=True):
        least = min(least, p_values[index] * len(p_values) / rank)
        found[index] = least
    return found
