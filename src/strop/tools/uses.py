"""`Use`: a record of one call of a code or chain tool, which is what its standing is judged by.

What is recorded is what the tool did. A call whose arguments do not fit the tool's schema is not
recorded: nothing ran, and the mistake is the caller's. What follows from uses is the permission
ladder's business.

Next file: `tools/schemas.py`.
"""

from dataclasses import dataclass

from strop.jsonvalue import Json
from strop.permission import Level

__all__ = ["DECLINED", "STEP_FAILED", "TOO_LARGE", "Use", "ignore"]

DECLINED = "declined"
"""`Use.what` of code that refused its arguments (`tools/refusals.py`), as it may."""

STEP_FAILED = "step"
"""`Use.what` of a chain that stopped at one of its steps."""
TOO_LARGE = "too large"
"""`Use.what` where the result is more than a model can be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One call of a code or chain tool.

    Attributes:
        tool: Its name.
        digest: Of its behaviour (`code_digest`): a changed tool has a record of its own.
        ok: Whether it gave a result.
        what: Kind of failure, `None` where it went well: a `sandbox.What`, or a name of this file.
            ``refused`` says nothing of the tool: there was no sandbox that could hold it.
        message: Why it failed, in one line.
        at: When it was called, in seconds since the epoch.
        seconds: How long it took, as the caller waited for it.
        level: What it ran under; for a chain, the highest that its steps need.
        run: Id of the run it was called in, where that is known.
        chain: Whether it is a chain, which is granted nothing. Not kept in the store.
    """

    tool: str
    digest: str
    ok: bool
    what: str | None = None
    message: str | None = None
    at: float = 0.0
    seconds: float = 0.0
    level: Level = Level.SANDBOX
    run: str | None = None
    chain: bool = False

    def to_json(self) -> dict[str, Json]:
        return {
            "tool": self.tool,
            "digest": self.digest,
            "ok": self.ok,
            "what": self.what,
            "message": self.message,
            "at": self.at,
            "seconds": self.seconds,
            "level": self.level.value,
            "run": self.run,
        }


def ignore(use: Use) -> None:
    """Keeps no record."""
