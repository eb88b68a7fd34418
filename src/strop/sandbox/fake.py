"""A sandbox for tests: it runs no code, gives the outcomes it was told to, and records the calls.

It checks nothing and confines nothing. A test of what code does needs a real backend.

Next file: `sandbox/probing.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import TypeAlias

from strop.jsonvalue import JsonObject
from strop.permission import Level, Permissions
from strop.sandbox.base import Bounds, Failure, Outcome, Program, What

__all__ = ["FakeCall", "FakeSandbox"]

_BOUNDS = Bounds()
Script: TypeAlias = "Mapping[str, Outcome] | Callable[[Program, JsonObject], Outcome]"


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeCall:
    """One call that a `FakeSandbox` was asked for."""

    program: Program
    args: JsonObject
    permissions: Permissions
    bounds: Bounds


class FakeSandbox:
    """Gives scripted outcomes.

    Args:
        script: By name of the function the outcome of a call; or a function that makes it from the
            program and the arguments. A function that is not in the mapping is `What.INVALID`.
        levels: The levels that it says it holds; a call at another is refused.

    Attributes:
        calls: What it was asked for, in order.
    """

    name = "fake"

    def __init__(self, script: Script, *, levels: frozenset[Level] = frozenset(Level)) -> None:
        self.levels = levels
        self.calls: list[FakeCall] = []
        self._script = script
        self._lock = Lock()

    def call(
        self,
        program: Program,
        args: JsonObject,
        *,
        permissions: Permissions,
        bounds: Bounds = _BOUNDS,
    ) -> Outcome:
        """See `Sandbox.call`."""
        asked = FakeCall(program=program, args=args, permissions=permissions, bounds=bounds)
        with self._lock:
            self.calls.append(asked)
        if permissions.level not in self.levels:
            message = f"fake does not hold code to level {permissions.level.value!r}"
            return Outcome(failure=Failure(what=What.REFUSED, message=message))
        if isinstance(self._script, Mapping):
            message = f"the script has no outcome for {program.function!r}"
            missing = Outcome(failure=Failure(what=What.INVALID, message=message))
            return self._script.get(program.function, missing)
        return self._script(program, args)

    def close(self) -> None:
        """Nothing to end."""
