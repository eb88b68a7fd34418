"""`agreement`: how well a judge's scores agree with people's, chance allowed for, with an interval.

Statistics only: what gain is asked for is `agreement.py`'s business.

Next file: `gate/agreement.py`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from strop.errors import BadInput
from strop.jsonvalue import Json

__all__ = ["Agreement", "agreement", "binned", "kappas", "moments", "resampled", "tail"]

Floats = NDArray[np.float64]
_RESAMPLES = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How well a judge agrees with people.

    Attributes:
        kappa: Quadratic weighted kappa, from -1 to 1; `None` where it is undefined, because the
            people gave all runs the same level.
        low: Lower end of the 95 % interval; `None` with `kappa`.
        high: Upper end.
        n: Pairs of scores.
        levels: Levels that the scores were binned to.
    """

    kappa: float | None
    low: float | None
    high: float | None
    n: int
    levels: int

    def to_json(self) -> dict[str, Json]:
        return {
            "kappa": self.kappa,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "levels": self.levels,
        }


def agreement(
    human: Sequence[float], judge: Sequence[float], *, levels: int = 5, seed: int = 0
) -> Agreement:
    """Quadratic weighted kappa of two sequences of scores.

    Source: J. Cohen, "Weighted kappa: nominal scale agreement with provision for scaled
    disagreement or partial credit", Psychological Bulletin 70 (1968). The interval is a percentile
    bootstrap over pairs, widened for few of them (`tail`).

    Args:
        human: Scores in [0, 1] by people.
        judge: Scores in [0, 1] by a judge, of the same runs in the same order.
        levels: Scores are binned to the nearest of this many levels, evenly spaced from 0 to 1.
        seed: Of the bootstrap.

    Raises:
        BadInput: Sequences of different length, a score outside [0, 1], or fewer than two levels.
    """
    if len(human) != len(judge):
        raise BadInput(f"{len(human)} scores by people and {len(judge)} by the judge")
    if levels < 2:
        raise BadInput("must be 2 or more", where="levels")
    if not all(0.0 <= value <= 1.0 for value in (*human, *judge)):
        raise BadInput("scores lie in [0, 1]")
    n = len(human)
    if not n:
        return Agreement(kappa=None, low=None, high=None, n=0, levels=levels)
    sums = moments(binned(human, levels), binned(judge, levels), np.arange(n))
    kappa = float(kappas(sums.sum(axis=0)[None])[0])
    if math.isnan(kappa):
        return Agreement(kappa=None, low=None, high=None, n=n, levels=levels)
    drawn = kappas(resampled(n, seed) @ sums)
    drawn = drawn[~np.isnan(drawn)]
    at = tail(0.025, n)
    low, high = (float(v) for v in np.quantile(drawn, [at, 1 - at])) if len(drawn) else (-1, 1)
    return Agreement(kappa=kappa, low=min(low, kappa), high=max(high, kappa), n=n, levels=levels)


def binned(values: Sequence[float], levels: int) -> Floats:
    """The nearest level of each score, as a number from 0."""
    return np.floor(np.asarray(values, dtype=np.float64) * (levels - 1) + 0.5)


def moments(human: Floats, judge: Floats, owner: NDArray[np.intp]) -> Floats:
    """Per owner (a task, or a pair): n, sums, squares, squared differences; shape (k, 6)."""
    columns = (np.ones_like(human), human, judge, human**2, judge**2, (human - judge) ** 2)
    return np.stack([np.bincount(owner, weights=column) for column in columns], axis=1)


def kappas(sums: Floats) -> Floats:
    """Quadratic weighted kappa from summed moments, shape (m, 6) -> (m,); NaN where undefined.

    With quadratic weights, the disagreement expected by chance is a matter of means and variances:
    kappa = 1 - E(x - y)^2 / (var x + var y + (mean x - mean y)^2).
    """
    n = sums[:, 0]
    mean_x, mean_y = sums[:, 1] / n, sums[:, 2] / n
    var_x = np.maximum(sums[:, 3] / n - mean_x**2, 0.0)
    var_y = np.maximum(sums[:, 4] / n - mean_y**2, 0.0)
    chance = var_x + var_y + (mean_x - mean_y) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        found = 1.0 - sums[:, 5] / n / chance
    return np.where(var_x > 1e-9, found, np.nan)


def resampled(n: int, seed: int) -> Floats:
    """How often each of `n` is drawn in each resample, shape (resamples, n)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES).astype(np.float64)


def tail(alpha: float, n: int) -> float:
    """The quantile to read so that a percentile interval of few units is wide enough.

    Source: T. C. Hesterberg, "What teachers should know about the bootstrap", The American
    Statistician 69 (2015), the expanded percentile interval; the t quantile by its expansion in
    1 / n (Abramowitz and Stegun 26.7.5).
    """
    normal = NormalDist()
    z = normal.inv_cdf(alpha)
    v = max(n - 1, 1)
    t = z + (z**3 + z) / (4 * v) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
    return normal.cdf(t * math.sqrt(n / v))
