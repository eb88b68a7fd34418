"""Heuristics: what runs that succeed do and others do not, tested task by task.

    sequences     runs as sequences of tools, and the patterns tried on them
    strata        a pattern against the outcome within tasks: counts, p-values, effects
    patterns      `mine_orders`: what may be claimed after so many have been tried

Next file: `mine/orders/sequences.py`.
"""

from strop.mine.orders.patterns import mine_orders

__all__ = ["mine_orders"]
