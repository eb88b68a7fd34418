"""`ChainRules`: when calls in a row count as a chain.

Why each is as it is: docs/decisions/recurring-calls.md.

Next file: `mine/chains/leaves.py`.
"""

from dataclasses import dataclass

__all__ = ["ChainRules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRules:
    """When calls in a row count as a chain.

    Attributes:
        min_tasks: Distinct tasks that must show it.
        follows: Share of the first call's occurrences that go on to the last step; each task
            counts as one.
        covered: Share of a list's items that agents called for, where a step goes through a list.
        holds: Share of instances in which every mapped argument must be right, on the tasks that
            the mapping was made from and on those held back.
        held: Share of the tasks held back.
        fails: Share of a step's calls that may fail.
        always: Tasks that must show a step that changes something, which then follows every time.
        steps: Calls of one chain at most.
        items: Items of a list at most.
        waste: What a call that agents never made costs, in calls saved.
        most: Chains at most.
        reads: Tools that are known to only read, whatever they are called.
    """

    min_tasks: int = 3
    follows: float = 0.5
    covered: float = 1 / 3
    holds: float = 0.98
    held: float = 0.2
    fails: float = 0.2
    always: int = 10
    steps: int = 5
    items: int = 20
    waste: float = 0.25
    most: int = 20
    reads: frozenset[str] = frozenset()
