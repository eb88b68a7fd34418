"""Failures of calls: which errors recur, and what got runs past them.

    templates     errors without what differs from one to the next
    patterns      `mine_failures`: the errors that recur, with counts
    trust         what of a run may be said in a lesson, and what somebody may have planted
    diff          what changed between a call that failed and the next one that did not
    next_steps    what runs did after an error, against what they do anyway
    table         the same change added up over runs
    words, claims from counts to sentences
    repairs       `mine_repairs`: lessons that held in several tasks

Next file: `mine/failures/templates.py`.
"""

from strop.mine.failures.patterns import FailureMiner, mine_failures
from strop.mine.failures.repairs import RepairMiner, mine_repairs

__all__ = ["FailureMiner", "RepairMiner", "mine_failures", "mine_repairs"]
