"""The sandbox of last resort: it runs nothing, and says why and what to install.

Also `BackendStatus`, what is known of one backend. It looks at nothing itself: `resolve.py` does.

Next file: `sandbox/fake.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from strop.jsonvalue import Json, JsonObject
from strop.permission import Level, Permissions
from strop.sandbox.base import Bounds, Failure, Outcome, Program, What

__all__ = ["BackendStatus", "RefusingSandbox"]


_BOUNDS = Bounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendStatus:
    """What a backend can do on this machine.

    Attributes:
        name: The backend's name.
        available: Whether it holds code to any level here.
        levels: The levels that it was seen to hold, lowest first.
        reason: Why it does not hold the others that it is made for; empty if it does.
        fix: A command that mends that, where one can.
    """

    name: str
    available: bool
    levels: tuple[Level, ...] = ()
    reason: str = ""
    fix: str = ""

    def to_json(self) -> dict[str, Json]:
        return {
            "name": self.name,
            "available": self.available,
            "levels": [level.value for level in self.levels],
            "reason": self.reason,
            "fix": self.fix,
        }


class RefusingSandbox:
    """Refuses every call, with the reason of each backend that is not available.

    Args:
        statuses: What each backend lacks.
    """

    name: ClassVar[str] = "none"
    levels: ClassVar[frozenset[Level]] = frozenset()

    def __init__(self, statuses: Sequence[BackendStatus] = ()) -> None:
        self._statuses = tuple(statuses)

    def call(
        self,
        program: Program,  # noqa: ARG002 - it runs nothing
        args: JsonObject,  # noqa: ARG002
        *,
        permissions: Permissions,
        bounds: Bounds = _BOUNDS,  # noqa: ARG002
    ) -> Outcome:
        """See `Sandbox.call`."""
        message = f"nothing here runs this at level {permissions.level.value!r}"
        told = "; ".join(_told(status) for status in self._statuses)
        return Outcome(
            failure=Failure(what=What.REFUSED, message=f"{message}: {told}" if told else message)
        )

    def close(self) -> None:
        """Nothing to end."""


def _told(status: BackendStatus) -> str:
    fix = f" ({status.fix})" if status.fix else ""
    return f"{status.name}: {status.reason or 'not asked'}{fix}"
