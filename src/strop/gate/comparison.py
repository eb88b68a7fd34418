"""`Comparison`: paired held-out scores of a baseline and a candidate.

Pure data and its summaries: means, paired differences, per category. It neither runs the
evaluations (`evaluate.py`) nor decides (`policy.py`).

Next file: `gate/evaluate.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from strop.jsonvalue import Json
from strop.run import Usage
from strop.task import Split

__all__ = ["Comparison", "Pair"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One held-out task under both specs, a score per trial.

    A trial whose scorer failed, or whose model could not be reached, is missing from its tuple: it
    is no score, and certainly not 0.
    """

    task: str
    category: str | None
    critical: bool
    baseline: tuple[float, ...]
    candidate: tuple[float, ...]

    @property
    def difference(self) -> float | None:
        """Candidate's mean minus baseline's; `None` where either has no score."""
        if not self.baseline or not self.candidate:
            return None
        return fmean(self.candidate) - fmean(self.baseline)

    def worst(self, *, trials: int) -> float:
        """The difference if each missing score of `trials` were as bad for the candidate as can be.

        That is 0 for the candidate and 1 for the baseline. Source: C. F. Manski, "Nonparametric
        bounds on treatment effects", American Economic Review 80 (1990).
        """
        candidate, baseline = len(self.candidate), len(self.baseline)
        trials = max(trials, candidate, baseline)
        return (sum(self.candidate) - sum(self.baseline) - (trials - baseline)) / trials

    def missing(self, *, trials: int) -> float:
        """The share of `trials` without a score, on the side that lacks more, in [0, 1]."""
        return 1.0 - min(trials, len(self.candidate), len(self.baseline)) / trials

    def to_json(self) -> dict[str, Json]:
        return {
            "task": self.task,
            "category": self.category,
            "critical": self.critical,
            "baseline": list(self.baseline),
            "candidate": list(self.candidate),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Held-out scores of two specs on the same tasks.

    Attributes:
        baseline: Id of the spec that is released now.
        candidate: Id of the spec that would replace it.
        split: Where the tasks are from.
        pairs: A pair per task, also where a score is missing.
        looks: How many candidates these held-out tasks have judged so far, this one included.
        trials: Scores that each side of a pair should have.
        baseline_usage: What the baseline's runs took (also when they came from the cache).
        candidate_usage: What the candidate's runs took.
    """

    baseline: str
    candidate: str
    split: Split
    pairs: tuple[Pair, ...]
    looks: int
    trials: int = 1
    baseline_usage: Usage = Usage()
    candidate_usage: Usage = Usage()

    @property
    def scored(self) -> tuple[Pair, ...]:
        """The pairs with a score on both sides."""
        return tuple(pair for pair in self.pairs if pair.difference is not None)

    @property
    def differences(self) -> tuple[float, ...]:
        """Paired differences, candidate minus baseline, of the scored pairs."""
        return tuple(d for pair in self.pairs if (d := pair.difference) is not None)

    @property
    def baseline_mean(self) -> float | None:
        """Mean score of the baseline over the scored pairs; `None` when there are none."""
        return _mean([fmean(pair.baseline) for pair in self.scored])

    @property
    def candidate_mean(self) -> float | None:
        """Mean score of the candidate over the scored pairs; `None` when there are none."""
        return _mean([fmean(pair.candidate) for pair in self.scored])

    @property
    def effect(self) -> float | None:
        """Mean paired difference; `None` when nothing was scored on both sides."""
        return _mean(self.differences)

    def by_category(self) -> dict[str, "Comparison"]:
        """One comparison per category; tasks without a category are left out."""
        names = sorted({pair.category for pair in self.pairs if pair.category is not None})
        return {
            name: replace(self, pairs=tuple(p for p in self.pairs if p.category == name))
            for name in names
        }

    def to_json(self) -> dict[str, Json]:
        return {
            "baseline": self.baseline,
            "candidate": self.candidate,
            "split": self.split.value,
            "looks": self.looks,
            "trials": self.trials,
            "baseline_mean": self.baseline_mean,
            "candidate_mean": self.candidate_mean,
            "effect": self.effect,
            "pairs": [pair.to_json() for pair in self.pairs],
            "baseline_usage": self.baseline_usage.to_json(),
            "candidate_usage": self.candidate_usage.to_json(),
        }


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
