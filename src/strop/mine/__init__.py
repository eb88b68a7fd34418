"""Findings: claims about runs, made without a model, with run ids as evidence.

Next file: `mine/finding.py`.
"""

from strop.mine.finding import Finding
from strop.mine.successes import mine_answers

__all__ = ["Finding", "mine_answers"]
