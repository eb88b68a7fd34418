"""Several miners in one pass over the runs: reading runs costs as much as mining them.

Next file: `mine/successes.py`.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from strop.mine.calls import Call, calls_of
from strop.mine.finding import Finding
from strop.run import ScoredRun

__all__ = ["Miner", "mine_stream"]


class Miner(Protocol):
    """Takes in runs one at a time and keeps no more of them than it needs."""

    def add(self, scored: ScoredRun, calls: tuple[Call, ...]) -> None:
        """One more run, with its calls (`calls_of`)."""
        ...

    def findings(self) -> tuple[Finding, ...]:
        """What the runs so far show."""
        ...


def mine_stream(runs: Iterable[ScoredRun], miners: Sequence[Miner]) -> tuple[Finding, ...]:
    """The findings of all miners, in their order.

    Args:
        runs: Scored runs, oldest first; read once, none is kept.
        miners: What to look for.
    """
    for scored in runs:
        calls = calls_of(scored.run)
        for miner in miners:
            miner.add(scored, calls)
    return tuple(finding for miner in miners for finding in miner.findings())
