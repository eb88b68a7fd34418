"""The gate: held-out comparison, policy, verdict. Every kind of change takes this one path.

Imports neither models nor sandbox nor store: it is handed an `evaluate` callable.

Next file: `gate/comparison.py`.
"""

from strop.gate.agreement import AgreementPolicy, Graded, grades_of, judge_criteria, split_human
from strop.gate.comparison import Comparison, Pair
from strop.gate.evaluate import Evaluate, compare
from strop.gate.policy import Decision, MarginPolicy, Reason, Verdict, interval, judge

__all__ = [
    "AgreementPolicy",
    "Comparison",
    "Decision",
    "Evaluate",
    "Graded",
    "MarginPolicy",
    "Pair",
    "Reason",
    "Verdict",
    "compare",
    "grades_of",
    "interval",
    "judge",
    "judge_criteria",
    "split_human",
]
