"""`Finding`: a claim about runs, with the runs that show it.

Next file: `mine/calls.py`.
"""

from dataclasses import dataclass, field

from strop.jsonvalue import Json, JsonObject, checked, digest

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A claim about runs: a failure pattern, reusable successes, a recurring snippet, a fact.

    Attributes:
        kind: What sort of claim it is, for example ``successes`` or ``corrections``.
        claim: One sentence for people.
        runs: Ids of the runs that show it; never empty.
        data: What a proposer needs beside the runs.
    """

    kind: str
    claim: str
    runs: tuple[str, ...]
    data: JsonObject = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.runs:
            raise ValueError("a finding needs at least one run as evidence")
        object.__setattr__(self, "data", checked(self.data, where="finding.data"))

    @property
    def id(self) -> str:
        """Digest of kind, claim and evidence: the same claim about the same runs has one id."""
        return digest([self.kind, self.claim, sorted(self.runs), self.data])[:16]

    def to_json(self) -> dict[str, Json]:
        return {
            "id": self.id,
            "kind": self.kind,
            "claim": self.claim,
            "runs": list(self.runs),
            "data": self.data,
        }
