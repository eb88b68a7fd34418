"""The gate: held-out comparison, policy, verdict. Every kind of change takes this one path.

Imports neither models nor sandbox nor store: it is handed an `evaluate` callable.

Next file: `gate/comparison.py`.
"""

from strop.gate.comparison import Comparison, Pair
from strop.gate.evaluate import Evaluate, compare
from strop.gate.policy import Decision, MarginPolicy, Reason, Verdict, interval, judge

__all__ = [
    "Comparison",
    "Decision",
    "Evaluate",
    "MarginPolicy",
    "Pair",
    "Reason",
    "Verdict",
    "compare",
    "interval",
    "judge",
]
