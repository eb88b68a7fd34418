"""The two Linux sandboxes: `NamespaceSandbox`, and `LandlockSandbox` for where those are forbidden.

Both keep pools of confined processes (`pool.py`) and differ in what a worker is asked to isolate
itself by. What each layer stops, and what none does: docs/decisions/sandbox.md.

Next file: `sandbox/linux/idmap.py`.
"""

import atexit
import functools
import itertools
import json
import os
import sys
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from strop.jsonvalue import JsonObject
from strop.permission import Level, Permissions
from strop.sandbox.base import Bounds, Failure, Outcome, Program, What
from strop.sandbox.linux import selftest
from strop.sandbox.linux.exchange import READY, Exchange, exchange
from strop.sandbox.linux.plan import Plan, plan, spare_user
from strop.sandbox.linux.pool import Pool, WorkerGoneError
from strop.sandbox.linux.reply import outcome

__all__ = ["LandlockSandbox", "NamespaceSandbox"]

_BOUNDS = Bounds()
_MOST_POOLS = 8
_TRIES = 3
_workers = itertools.count()


class NamespaceSandbox:
    """Confines by namespaces, a root of its own, Landlock, seccomp and limits; every level.

    Args:
        python: The interpreter to run tools in; its installed modules are what they may import.
    """

    name = "namespaces"
    levels = frozenset(Level)

    def __init__(self, *, python: str = sys.executable) -> None:
        self._caller = _Caller(python, namespaces=True)

    def call(
        self,
        program: Program,
        args: JsonObject,
        *,
        permissions: Permissions,
        bounds: Bounds = _BOUNDS,
    ) -> Outcome:
        """See `Sandbox.call`."""
        return self._caller.call(program, args, permissions, bounds)

    def close(self) -> None:
        """End its processes; a call after that starts them anew."""
        self._caller.close()

    @staticmethod
    def probe(python: str = sys.executable) -> tuple[bool, str]:
        """Whether it protects on this machine, tried out once, and why not."""
        return _probe(NamespaceSandbox, python)


class LandlockSandbox:
    """Confines by Landlock, seccomp and limits, without namespaces; only `Level.SANDBOX`.

    For containers and hosts that forbid namespaces. A scratch folder could not be capped, so it
    has none. Where it is root, workers run as a user that nobody is, so the interpreter must be
    readable for everyone.

    Args:
        python: The interpreter to run tools in; its installed modules are what they may import.
    """

    name = "landlock"
    levels = frozenset({Level.SANDBOX})

    def __init__(self, *, python: str = sys.executable) -> None:
        self._caller = _Caller(python, namespaces=False)

    def call(
        self,
        program: Program,
        args: JsonObject,
        *,
        permissions: Permissions,
        bounds: Bounds = _BOUNDS,
    ) -> Outcome:
        """See `Sandbox.call`."""
        if permissions.level not in self.levels:
            message = f"without namespaces there is no level {permissions.level.value!r}"
            return Outcome(failure=Failure(what=What.REFUSED, message=message))
        return self._caller.call(program, args, permissions, bounds)

    def close(self) -> None:
        """End its processes; a call after that starts them anew."""
        self._caller.close()

    @staticmethod
    def probe(python: str = sys.executable) -> tuple[bool, str]:
        """Whether it protects on this machine, tried out once, and why not."""
        return _probe(LandlockSandbox, python)


@functools.cache
def _probe(kind: type[NamespaceSandbox] | type[LandlockSandbox], python: str) -> tuple[bool, str]:
    missing = selftest.missing()
    if missing:
        return False, missing
    sandbox = kind(python=python)
    try:
        return selftest.judge(
            sandbox.call(selftest.PROGRAM, {}, permissions=Permissions(), bounds=selftest.BOUNDS)
        )
    finally:
        sandbox.close()


@dataclass(slots=True)
class _Slot:
    """Room for a pool, which is started by whoever comes first."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    pool: Pool | None = None
    calls: int = 0


class _Caller:
    """Calls into pools, one per set of permissions; the ones least used lately are ended."""

    def __init__(self, python: str, *, namespaces: bool) -> None:
        self._python = python
        self._namespaces = namespaces
        self._lock = threading.Lock()
        self._slots: OrderedDict[object, _Slot] = OrderedDict()
        _open.add(self)

    def call(
        self, program: Program, args: JsonObject, permissions: Permissions, bounds: Bounds
    ) -> Outcome:
        start = time.monotonic()
        job = _job(program, args, bounds)
        seen: Exchange | Failure = Failure(what=What.REFUSED, message="no process could be had")
        # A worker may have died since its last call, and the child that it had made ready with it.
        for _ in range(_TRIES):
            with self._slot(program, permissions, bounds) as slot:
                found = self._once(slot, program, permissions, bounds, job)
            if found is not None:
                seen = found
                break
        seconds = time.monotonic() - start
        if isinstance(seen, Failure):
            return Outcome(failure=seen, seconds=seconds)
        return outcome(seen, bounds, seconds=seconds)

    def _once(
        self, slot: _Slot, program: Program, permissions: Permissions, bounds: Bounds, job: bytes
    ) -> Exchange | Failure | None:
        """One try: what was seen, why it cannot be had at all, or `None` to try again."""
        try:
            pool = self._pool(slot, program, permissions, bounds)
        except WorkerGoneError as error:
            return error.failure
        try:
            seen = exchange(pool.take(), job, bounds)
        except WorkerGoneError as error:
            self._discard(slot, pool)
            return error.failure if error.failure.what is not What.REFUSED else None
        if seen.ready == READY:
            return seen
        return _unready(seen.ready) if seen.ready else None

    def forget(self) -> None:
        """In a forked copy of this process: the pools are the other one's, and so is the lock."""
        self._lock = threading.Lock()
        self._slots = OrderedDict()

    def close(self) -> None:
        with self._lock:
            slots = list(self._slots.values())
            self._slots.clear()
        for slot in slots:
            _end(slot)

    @contextmanager
    def _slot(self, program: Program, permissions: Permissions, bounds: Bounds) -> Iterator[_Slot]:
        """The slot for these, in use until the block ends."""
        imports = tuple(sorted(set(program.imports)))
        scratch: tuple[int, ...] = (bounds.scratch, bounds.files)  # fixed when it is mounted
        # A folder that was removed and made again is another one, and a worker holds the old one.
        folders = tuple(_which(path) for path in (*permissions.read, *permissions.write))
        scratch = scratch if permissions.level is not Level.SANDBOX else ()
        key = (permissions, folders, imports, scratch)
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            slot.calls += 1
            idle = [k for k, s in self._slots.items() if not s.calls]
            surplus = idle[: max(0, len(self._slots) - _MOST_POOLS)]
            ended = [self._slots.pop(k) for k in surplus]
        for old in ended:
            _end(old)
        try:
            yield slot
        finally:
            with self._lock:
                slot.calls -= 1

    def _pool(
        self, slot: _Slot, program: Program, permissions: Permissions, bounds: Bounds
    ) -> Pool:
        with slot.lock:
            if slot.pool is None:
                planned = plan(
                    permissions,
                    sorted(set(program.imports)),
                    bounds,
                    namespaces=self._namespaces,
                )
                if isinstance(planned, Failure):
                    raise WorkerGoneError(planned)
                slot.pool = self._start(planned)
            return slot.pool

    def _start(self, planned: Plan) -> Pool:
        uid = spare_user(next(_workers))
        own = {"uid": uid, "own_user": self._namespaces or uid is not None}
        return Pool(self._python, {**planned.asked, **own}, planned.targets)

    def _discard(self, slot: _Slot, pool: Pool) -> None:
        with slot.lock:
            if slot.pool is pool:  # not yet replaced by another thread
                pool.close()
                slot.pool = None


def _which(path: str) -> tuple[str, int, int] | None:
    """Which folder is at a path now, and where links lead; `None` where none is."""
    try:
        found = Path(path).stat()
        return os.path.realpath(path), found.st_dev, found.st_ino
    except (OSError, ValueError):
        return None


_open: "weakref.WeakSet[_Caller]" = weakref.WeakSet()


def _forget_all() -> None:
    for caller in list(_open):
        caller.forget()


os.register_at_fork(after_in_child=_forget_all)


@atexit.register
def _close_all() -> None:
    for caller in list(_open):
        caller.close()


def _end(slot: _Slot) -> None:
    with slot.lock:
        if slot.pool is not None:
            slot.pool.close()
        slot.pool = None


def _job(program: Program, args: JsonObject, bounds: Bounds) -> bytes:
    job = {
        "source": program.source,
        "function": program.function,
        "args": args,
        "result": bounds.result,
        "printed": bounds.printed,
        "memory": bounds.memory,
        "cpu": int(bounds.seconds * (os.cpu_count() or 1)) + 2,  # threads count together
    }
    return json.dumps(job).encode()


def _unready(said: bytes) -> Failure:
    try:
        message = str(json.loads(said)["failure"]["message"])[:500]
    except (ValueError, KeyError, TypeError):
        message = "a process could not be confined, and did not say why"
    return Failure(what=What.REFUSED, message=message)
