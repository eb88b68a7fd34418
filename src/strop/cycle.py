"""`Cycle`: what one improvement cycle did, proposal by proposal.

Values only; `loops.py` makes them.

Next file: `parts.py`.
"""

from dataclasses import dataclass

from strop.gate import Comparison, Decision, Verdict
from strop.jsonvalue import Json
from strop.mine import Finding
from strop.propose import Proposal
from strop.release import Release
from strop.spec import AgentSpec

__all__ = ["Attempt", "Cycle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One proposal and what became of it.

    Attributes:
        proposal: What was proposed.
        candidate: The spec it makes; `None` when nothing of it was left to try.
        comparison: The held-out comparison; `None` when there was none, or it stands from before.
        verdict: The decision.
        release: The release that came of it, or `None`.
    """

    proposal: Proposal
    candidate: AgentSpec | None = None
    comparison: Comparison | None = None
    verdict: Verdict
    release: Release | None = None

    def to_json(self) -> dict[str, Json]:
        return {
            "proposal": self.proposal.to_json(),
            "candidate": None if self.candidate is None else self.candidate.id,
            "comparison": None if self.comparison is None else self.comparison.to_json(),
            "verdict": self.verdict.to_json(),
            "release": None if self.release is None else self.release.to_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """What one improvement cycle did.

    Attributes:
        parent: The spec released when it began.
        findings: What was found in the runs.
        attempts: The proposals, in the order they were tried; each builds on what the ones before
            it released.
        failures: By proposer, why it could not propose (a model out of reach).
        stopped: Why the cycle ended before all proposers were heard, if it did.
    """

    parent: AgentSpec
    findings: tuple[Finding, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    stopped: Verdict | None = None

    @property
    def released(self) -> tuple[Attempt, ...]:
        """The attempts that were released."""
        return tuple(attempt for attempt in self.attempts if attempt.release is not None)

    @property
    def spec(self) -> str:
        """Id of the spec that serves when the cycle is over."""
        releases = [attempt.release for attempt in self.attempts if attempt.release is not None]
        return releases[-1].spec if releases else self.parent.id

    @property
    def summary(self) -> str:
        """One line for people: each proposer with its verdict, and why the cycle ended early."""
        said = [
            f"{a.proposal.proposer} {a.verdict.decision.value}: {a.verdict.reasons[0].message}"
            for a in self.attempts
        ]
        if self.stopped is not None:
            said.append(self.stopped.reasons[0].message)
        return "; ".join(said) or "nothing to propose"

    @property
    def undecided(self) -> bool:
        """Whether it ended early, or without a release and with something left open."""
        if self.stopped is not None:
            return True
        open_ones = [a for a in self.attempts if a.verdict.decision is Decision.INCONCLUSIVE]
        return bool(open_ones) and not self.released

    def to_json(self) -> dict[str, Json]:
        return {
            "schema": "strop.cycle/1",
            "parent": self.parent.id,
            "spec": self.spec,
            "findings": [finding.to_json() for finding in self.findings],
            "attempts": [attempt.to_json() for attempt in self.attempts],
            "failures": dict(self.failures),
            "stopped": None if self.stopped is None else self.stopped.to_json(),
        }
