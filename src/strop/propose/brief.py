"""`Brief`: all that a proposer may see; and `Proposer`, what every proposer is.

Next file: `propose/examples.py`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from strop.mine import Finding
from strop.propose.proposal import Proposal
from strop.run import Score, ScoredRun
from strop.spec import AgentSpec
from strop.task import Task

__all__ = ["KEYS", "KEY_CHARS", "Brief", "Embed", "Proposer", "Tried"]

KEYS = 16
"""Inputs of tasks that one memory or heuristic is found by, at most."""
KEY_CHARS = 2000
"""Characters of each."""

Embed: TypeAlias = Callable[[Sequence[str]], Awaitable[NDArray[np.float32]]]
"""Texts to unit rows, shape (n, dim)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """An earlier proposal for this agent and what the gate said: what not to propose again.

    Attributes:
        proposer: Who proposed it.
        summary: One line for people.
        texts: The texts of the clauses, memories and heuristics that it would have put in.
        decision: ``accept``, ``reject`` or ``inconclusive``; or ``outdated``, a rejection by
            another policy or scorer, or on other held-out tasks.
        message: Why.
        added: Ids of the items that it would have added.
        removed: Ids of those that it would have taken out.
    """

    proposer: str
    summary: str
    texts: tuple[str, ...]
    decision: str
    message: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What a proposer has to go by. It holds nothing of held-out tasks.

    Attributes:
        spec: The parent.
        findings: Claims about the runs so far.
        tasks: The tasks that may teach, by id.
        runs: Scored runs of those tasks, oldest first, whole: for proposers that read traces.
        tried: Earlier proposals with their verdicts, oldest first.
        good: Score from which a run counts as a success.
        poor: Score under which a run counts as a failure.
        judged: Runs of those tasks with the judge's scores, where people scored them too.
        human: What people gave those, by run id.
        now: Seconds since the epoch.
        embed: Makes vectors of texts, by the spec's embedder.
    """

    spec: AgentSpec
    findings: tuple[Finding, ...]
    tasks: Mapping[str, Task]
    embed: Embed
    runs: tuple[ScoredRun, ...] = ()
    tried: tuple[Tried, ...] = ()
    judged: tuple[ScoredRun, ...] = ()
    human: Mapping[str, Score] = field(default_factory=dict, hash=False)
    good: float = 0.8
    poor: float = 0.7
    now: float = 0.0


class Proposer(Protocol):
    """Makes a proposal for one lever, or none."""

    @property
    def name(self) -> str:
        """For example ``mined:lessons``: how it is made, and what it makes."""
        ...

    async def __call__(self, brief: Brief) -> Proposal | None:
        """The proposal, or `None` where there is nothing to propose.

        Raises:
            ModelFailed: The model that it asks cannot be reached or never answers usably.
        """
        ...
