"""Findings: claims about runs, made without a model, with run ids as evidence.

Next file: `mine/finding.py`.
"""

from strop.mine.confusions import mine_confusions
from strop.mine.facts.miner import mine_facts
from strop.mine.failures.patterns import mine_failures
from strop.mine.failures.repairs import mine_repairs
from strop.mine.feedback import feedback_texts
from strop.mine.finding import Finding
from strop.mine.orders.patterns import mine_orders
from strop.mine.preferences import mine_preferences
from strop.mine.resolutions import Answered, mine_resolutions
from strop.mine.successes import mine_answers

__all__ = [
    "Answered",
    "Finding",
    "feedback_texts",
    "mine_answers",
    "mine_confusions",
    "mine_facts",
    "mine_failures",
    "mine_orders",
    "mine_preferences",
    "mine_repairs",
    "mine_resolutions",
]
