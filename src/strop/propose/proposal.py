"""`Proposal`: changes to a parent spec, and the findings behind them.

Next file: `propose/brief.py`.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from strop.jsonvalue import Json
from strop.mine.finding import Finding
from strop.run import Usage
from strop.spec import Change

__all__ = ["Aim", "Proposal"]


class Aim(StrEnum):
    """What a proposal promises, which is what the gate holds it to."""

    BETTER = "better"
    """A higher score."""
    LEANER = "leaner"
    """No lower score, with less to show, to store or to ask a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Changes that somebody thinks would make a spec better; the gate decides.

    Attributes:
        parent: Id of the spec the changes apply to.
        changes: What to do to it; never empty.
        findings: Ids of the findings behind the changes.
        proposer: Who proposes, for example ``mined:examples``.
        summary: One line for people.
        cost: What making the proposal took (nothing, when mined).
        made: Findings that came of making it (a model's diagnosis), to be kept beside it.
        aim: What it promises.
    """

    parent: str
    changes: tuple[Change, ...]
    findings: tuple[str, ...]
    proposer: str
    summary: str
    cost: Usage = Usage()
    made: tuple[Finding, ...] = field(default=(), hash=False)
    aim: Aim = Aim.BETTER

    def to_json(self) -> dict[str, Json]:
        return {
            "parent": self.parent,
            "changes": [change.to_json() for change in self.changes],
            "findings": list(self.findings),
            "proposer": self.proposer,
            "summary": self.summary,
            "cost": self.cost.to_json(),
            "aim": self.aim.value,
        }
