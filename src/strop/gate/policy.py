"""`judge(comparison, policy) -> Verdict`: whether a candidate may replace the baseline.

Pure: no clock, no store, no randomness. The policy here is a plain margin on the mean paired
difference, with its standard error beside it; it is what anytime-valid evidence will be measured
against. Undecided is a decision of its own (`inconclusive`) and never ships.

Next file: `gate/kappa.py`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import fmean, stdev

from strop.errors import BadInput
from strop.gate.comparison import Comparison, Pair
from strop.jsonvalue import Json, JsonObject
from strop.propose.proposal import Aim

__all__ = ["Decision", "MarginPolicy", "Reason", "Verdict", "interval", "judge"]


class Decision(StrEnum):
    """What may be done with a candidate."""

    ACCEPT = "accept"
    REJECT = "reject"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason of a verdict: a code for programs, a sentence for people, and the figures."""

    code: str
    message: str
    data: JsonObject = field(default_factory=dict, hash=False)

    def to_json(self) -> dict[str, Json]:
        return {"code": self.code, "message": self.message, "data": self.data}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A decision with its reasons; never empty of reasons."""

    decision: Decision
    reasons: tuple[Reason, ...]

    def to_json(self) -> dict[str, Json]:
        return {
            "decision": self.decision.value,
            "reasons": [reason.to_json() for reason in self.reasons],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginPolicy:
    """Accept when the mean paired difference is large enough and clear of its standard error.

    Attributes:
        min_effect: Smallest mean difference worth a release, in score points of [0, 1].
        standard_errors: The difference must also exceed this many of its standard errors.
        min_tasks: Fewer scored pairs than this are inconclusive.
        max_missing: A larger share of missing scores is inconclusive.
        max_critical_drop: A critical category that loses more than this is a rejection.
        max_loss: What a candidate that promises only to be leaner may lose, in score points, as
            far as its interval reaches.
    """

    min_effect: float = 0.02
    standard_errors: float = 2.0
    min_tasks: int = 10
    max_missing: float = 0.1
    max_critical_drop: float = 0.0
    max_loss: float = 0.02

    def __post_init__(self) -> None:
        for name in (
            "min_effect",
            "standard_errors",
            "max_missing",
            "max_critical_drop",
            "max_loss",
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise BadInput(f"must be a number from 0, not {value!r}", where=f"policy.{name}")
        if self.min_tasks < 2:
            raise BadInput("must be 2 or more", where="policy.min_tasks")


def judge(comparison: Comparison, policy: MarginPolicy, *, aim: Aim = Aim.BETTER) -> Verdict:
    """Decide on a candidate, by what it promises.

    Is inconclusive on too many missing scores (an outage is no evidence in either direction);
    then rejects on a drop in a critical category, whatever else is true; is inconclusive on too few
    scored tasks, and when the difference is neither large enough to accept nor clearly too small. A
    missing score never helps: what is accepted would be accepted also if every missing score were
    the worst for the candidate.
    """
    missing = sum(pair.missing(trials=comparison.trials) for pair in comparison.pairs)
    if missing > policy.max_missing * len(comparison.pairs):
        return _too_many_missing(comparison, missing)
    drops = _critical_drops(comparison, policy)
    if drops:
        return Verdict(decision=Decision.REJECT, reasons=drops)
    scored, needed = len(comparison.scored), policy.min_tasks
    if scored < needed:
        message = f"{scored} tasks were scored under both specs; the policy asks for {needed}"
        return _undecided("too_few_tasks", message, {"scored": scored, "needed": needed})
    verdict = _by_margin(comparison.differences, policy, aim)
    accepted = verdict.decision is Decision.ACCEPT
    if missing and accepted and not _holds_at_worst(comparison, policy, aim):
        return _too_many_missing(comparison, missing)
    return verdict


def _holds_at_worst(comparison: Comparison, policy: MarginPolicy, aim: Aim) -> bool:
    """Whether the candidate is accepted if every missing score is the worst it could be."""
    worst = [pair.worst(trials=comparison.trials) for pair in comparison.pairs]
    return _by_margin(worst, policy, aim).decision is Decision.ACCEPT and all(
        fmean(pair.worst(trials=comparison.trials) for pair in pairs) >= -_lowest(policy)
        for pairs in _critical(comparison).values()
    )


def _too_many_missing(comparison: Comparison, missing: float) -> Verdict:
    tasks = len(comparison.pairs)
    message = f"scores are missing for {missing:g} of {tasks} tasks; run again to fill them"
    return _undecided("missing_scores", message, {"missing": missing, "tasks": tasks})


def _by_margin(differences: Sequence[float], policy: MarginPolicy, aim: Aim) -> Verdict:
    effect, error = fmean(differences), _standard_error(differences)
    half = policy.standard_errors * error
    low, high = max(-1.0, effect - half), min(1.0, effect + half)
    data: dict[str, Json] = {
        "effect": effect,
        "standard_error": error,
        "low": low,
        "high": high,
        "tasks": len(differences),
    }
    figures = f"{effect:+.3f} (interval {low:+.3f} to {high:+.3f}, {len(differences)} tasks)"
    if aim is Aim.LEANER:
        return _no_worse(low, high, policy, figures, data)
    if effect >= policy.min_effect and low > 0:
        return Verdict(
            decision=Decision.ACCEPT,
            reasons=(Reason(code="better", message=f"mean difference {figures}", data=data),),
        )
    if high < policy.min_effect or effect <= 0:
        code, verb = ("worse", "is worse") if high < 0 else ("not_better", "is not better")
        message = f"the candidate {verb}: mean difference {figures}"
        return Verdict(
            decision=Decision.REJECT, reasons=(Reason(code=code, message=message, data=data),)
        )
    message = f"mean difference {figures}: more held-out tasks are needed to tell"
    return _undecided("too_close", message, data)


def _no_worse(
    low: float, high: float, policy: MarginPolicy, figures: str, data: JsonObject
) -> Verdict:
    """Non-inferiority: the whole interval lies above what may be lost."""
    if low >= -policy.max_loss:
        message = f"leaner, and no worse: mean difference {figures}"
        reason = Reason(code="no_worse", message=message, data=data)
        return Verdict(decision=Decision.ACCEPT, reasons=(reason,))
    if high < 0:
        message = f"the candidate is worse: mean difference {figures}"
        reason = Reason(code="worse", message=message, data=data)
        return Verdict(decision=Decision.REJECT, reasons=(reason,))
    message = (
        f"mean difference {figures}: it may lose more than {policy.max_loss:g}; "
        "more held-out tasks are needed to tell"
    )
    return _undecided("too_close", message, data)


def _critical_drops(comparison: Comparison, policy: MarginPolicy) -> tuple[Reason, ...]:
    reasons = []
    for name, pairs in _critical(comparison).items():
        differences = [d for pair in pairs if (d := pair.difference) is not None]
        if differences and (effect := fmean(differences)) < -_lowest(policy):
            which = "tasks without a category" if name is None else f"category {name!r}"
            reasons.append(
                Reason(
                    code="critical_drop",
                    message=f"critical {which}: the score changes by {effect:+.3f}",
                    data={"category": name, "effect": effect, "tasks": len(differences)},
                )
            )
    return tuple(reasons)


def _critical(comparison: Comparison) -> dict[str | None, list[Pair]]:
    """The pairs of each category with a critical task; `None` for those without a category."""
    critical = {pair.category for pair in comparison.pairs if pair.critical}
    found: dict[str | None, list[Pair]] = {}
    for pair in comparison.pairs:
        if pair.critical or (pair.category is not None and pair.category in critical):
            found.setdefault(pair.category, []).append(pair)
    return found


def _lowest(policy: MarginPolicy) -> float:
    """The drop that a critical category may take; rounding of sums is no drop."""
    return policy.max_critical_drop + 1e-9


def _undecided(code: str, message: str, data: JsonObject) -> Verdict:
    return Verdict(
        decision=Decision.INCONCLUSIVE, reasons=(Reason(code=code, message=message, data=data),)
    )


def _standard_error(values: Sequence[float]) -> float:
    """Standard error of the mean.

    Equal differences on a few tasks do not make the mean certain: at least the error of one task
    in `n` that goes the other way by one point is assumed.
    """
    n = len(values)
    return max(stdev(values) / math.sqrt(n), 1.0 / n / math.sqrt(n))


def interval(values: Sequence[float], *, z: float = 1.96) -> tuple[float, float] | None:
    """Interval of the mean of scores in [0, 1], or `None` when there are none.

    Wilson's score interval, with the variance of graded scores bounded by that of 0/1 scores of
    the same mean (exact for 0/1 scores, wider than needed for graded ones). Source: E. B. Wilson,
    "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    n = len(values)
    if not n:
        return None
    p = fmean(values)
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # The mean itself is inside, also where rounding says otherwise (all 0 or all 1).
    return max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half))
