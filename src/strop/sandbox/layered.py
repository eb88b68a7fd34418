"""Several backends as one sandbox: the first that holds code to the level asked serves the call.

A backend is tried out (`probing.py`) before it first serves a level, and what was found is kept for
the life of the process. A process that forks leaves the backends to its parent and starts its own.

Next file: `sandbox/resolve.py`.
"""

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from strop.jsonvalue import JsonObject
from strop.permission import Level, Permissions
from strop.sandbox.base import Bounds, Outcome, Program, Sandbox, What
from strop.sandbox.probing import lacking
from strop.sandbox.refusing import BackendStatus, RefusingSandbox

__all__ = ["Backend", "LayeredSandbox"]

_BOUNDS = Bounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """How to have a backend.

    Attributes:
        name: Its name.
        levels: The levels that it is made for.
        missing: Says in a line what this machine lacks for it; empty if nothing is known to be.
        make: Makes one; called only where nothing is missing.
        fix: A command that may mend what is missing or does not hold; empty if there is none.
    """

    name: str
    levels: frozenset[Level]
    missing: Callable[[], str]
    make: Callable[[], Sandbox]
    fix: Callable[[], str]


class LayeredSandbox:
    """Serves each call by the first of its backends that holds code to the level asked.

    A call that one backend refuses (it is too much for it, or no process could be had) goes to the
    next; if all refuse, so does this, with the reason of each.

    Args:
        backends: In order of preference.
    """

    name: ClassVar[str] = "layered"

    def __init__(self, backends: Sequence[Backend]) -> None:
        self._backends = tuple(backends)
        self._lacks: dict[tuple[str, Level], str] = {}
        self._made: dict[str, Sandbox] = {}
        self._lock = threading.Lock()
        _alive.add(self)

    @property
    def levels(self) -> frozenset[Level]:
        """The levels that some backend holds here; asking tries them all out."""
        return frozenset(level for status in self.statuses() for level in status.levels)

    def statuses(self) -> tuple[BackendStatus, ...]:
        """What each backend can do here, in order of preference; asking tries them all out."""
        return tuple(self._status(backend) for backend in self._backends)

    def holder(self, level: Level) -> str | None:
        """The backend that serves calls at a level; `None` if none holds code to it here.

        Asking tries out those before it. A call that it refuses goes to the next.
        """
        held = (each.name for each in self._backends if not self._lacking(each, level))
        return next(held, None)

    def call(
        self,
        program: Program,
        args: JsonObject,
        *,
        permissions: Permissions,
        bounds: Bounds = _BOUNDS,
    ) -> Outcome:
        """See `Sandbox.call`."""
        refusals = []
        for backend in self._backends:
            reason = self._lacking(backend, permissions.level)
            if not reason:
                sandbox = self._sandbox(backend)
                found = sandbox.call(program, args, permissions=permissions, bounds=bounds)
                if found.failure is None or found.failure.what is not What.REFUSED:
                    return found
                reason = found.failure.message
            fix = backend.fix() if permissions.level in backend.levels else ""
            refusals.append(
                BackendStatus(name=backend.name, available=False, reason=reason, fix=fix)
            )
        refusing = RefusingSandbox(refusals)
        return refusing.call(program, args, permissions=permissions, bounds=bounds)

    def close(self) -> None:
        """End the backends' processes; a call after that starts them anew."""
        with self._lock:
            made = list(self._made.values())
        for sandbox in made:
            sandbox.close()

    def _sandbox(self, backend: Backend) -> Sandbox:
        with self._lock:
            if backend.name not in self._made:
                self._made[backend.name] = backend.make()
            return self._made[backend.name]

    def _lacking(self, backend: Backend, level: Level) -> str:
        """Why the backend does not serve the level; empty if it does."""
        if level not in backend.levels:
            return f"it does not hold code to level {level.value!r}"
        key = (backend.name, level)
        if key not in self._lacks:
            # Threads that ask at once may each try it out, and find the same.
            reason = backend.missing() or lacking(self._sandbox(backend), level)
            self._lacks[key] = reason
        return self._lacks[key]

    def _status(self, backend: Backend) -> BackendStatus:
        reasons = {level: self._lacking(backend, level) for level in Level}
        held = tuple(level for level in Level if not reasons[level])
        made_for = [reasons[level] for level in Level if level in backend.levels]
        reason = next((reason for reason in made_for if reason), "")
        fix = backend.fix() if reason else ""
        return BackendStatus(
            name=backend.name, available=bool(held), levels=held, reason=reason, fix=fix
        )

    def _start_anew(self) -> None:
        _abandoned.append(self._made)
        self._made = {}
        self._lock = threading.Lock()  # a thread of the parent's may have held the other


_alive: "weakref.WeakSet[LayeredSandbox]" = weakref.WeakSet()
_abandoned: list[dict[str, Sandbox]] = []  # the parent's: to let go of them could end them


def _after_fork() -> None:
    for sandbox in _alive:
        sandbox._start_anew()  # noqa: SLF001 - this file's own


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)
