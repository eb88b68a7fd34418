"""One worker process and the confined children that it hands out, one per call.

Seen from the parent: start a worker for a set of permissions, take a child, run one call in it. It
knows nothing of what a job or an answer means (`reply.py`), and nothing of permissions beyond the
description that the worker gets (`plan.py`).

Next file: `sandbox/linux/exchange.py`.
"""

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from strop.jsonvalue import JsonObject
from strop.sandbox.base import Failure, What
from strop.sandbox.linux.relay import Relay

__all__ = ["Child", "Pool", "WorkerGoneError"]

_BOOT = str(Path(__file__).with_name("boot.py"))
_SPARE = 1  # children kept waiting beyond those that serve
_START = 60.0  # seconds; loading large modules on a busy machine takes some
_DOORS = 64  # the most descriptors that come with one message


class WorkerGoneError(Exception):
    """The worker ended, or never started; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A confined process that waits for its one job.

    Attributes:
        call: The socket that the job goes to and the answer comes from.
        printed: Descriptor to read what it prints from.
        status: Descriptor that tells how it ended: one int of 4 bytes, below 0 for a signal.
        process: Its pidfd.
    """

    call: socket.socket
    printed: int
    status: int
    process: int

    def close(self) -> None:
        self.call.close()
        for fd in (self.printed, self.status, self.process):
            os.close(fd)


class Pool:
    """A worker process and its children; threads may take from it at once.

    Args:
        python: The interpreter to run.
        asked: What the worker is to isolate itself to, see `plan.py`.
        targets: The real host and port behind each door, in the order of ``asked["doors"]``.

    Raises:
        WorkerGoneError: It could not be started, or not be confined.
    """

    def __init__(
        self, python: str, asked: JsonObject, targets: tuple[tuple[str, int], ...]
    ) -> None:
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        self._relay: Relay | None = None
        try:
            with theirs:
                self._process = _spawn(python, theirs, self._errors.fileno())
        except OSError as error:
            self._control.close()
            self._errors.close()
            message = f"cannot start {python}: {error.strerror}"
            raise WorkerGoneError(Failure(what=What.REFUSED, message=message)) from error
        try:
            self._start(asked, targets)
        except BaseException:
            self.close()
            raise

    def _start(self, asked: JsonObject, targets: tuple[tuple[str, int], ...]) -> None:
        assert self._process.stdin  # noqa: S101 - it was asked to be a pipe
        with contextlib.suppress(BrokenPipeError):  # if it has ended, `_receive` says why
            with self._process.stdin as pipe:
                pipe.write(json.dumps(asked).encode())
            for _ in range(_SPARE):
                self._control.send(b"f")
        doors = [socket.socket(fileno=fd) for fd in self._receive()]
        if doors:
            self._relay = Relay(doors, targets)

    def take(self) -> Child:
        """A child that nobody else gets; another one is made ready in the meantime.

        Raises:
            WorkerGoneError: The worker is gone.
        """
        with self._lock:
            try:
                self._control.send(b"f")
            except OSError:
                raise self._gone() from None
            call, printed, status, process = self._receive()
        return Child(
            call=socket.socket(fileno=call), printed=printed, status=status, process=process
        )

    def close(self) -> None:
        """End the worker, and with it every child."""
        self._control.close()
        self._process.kill()
        self._process.wait()
        self._errors.close()
        if self._relay is not None:
            self._relay.close()

    def _receive(self) -> list[int]:
        self._control.settimeout(_START)
        message: bytes = b""
        fds: list[int] = []
        with contextlib.suppress(OSError):
            try:
                message, fds, _, _ = socket.recv_fds(self._control, 4096, _DOORS)
            except (
                ConnectionResetError
            ):  # it ended with a wish of ours unread; what it said is here
                message, fds, _, _ = socket.recv_fds(self._control, 4096, _DOORS)
        if not message:
            raise self._gone()
        told = json.loads(message)
        if "error" in told:
            what, text = told["error"]
            raise WorkerGoneError(Failure(what=What(what), message=text))
        return list(fds)

    def _gone(self) -> WorkerGoneError:
        deadline = time.monotonic() + 1
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        size = os.fstat(self._errors.fileno()).st_size
        tail = os.pread(self._errors.fileno(), 400, max(0, size - 400)).decode(errors="replace")
        why = tail.strip().rpartition("\n")[2] or f"exit status {self._process.returncode}"
        message = f"the worker process ended: {why}"
        return WorkerGoneError(Failure(what=What.REFUSED, message=message))


def _spawn(python: str, theirs: socket.socket, errors: int) -> "subprocess.Popen[bytes]":
    """Start a worker with an empty environment, outside this terminal's reach."""
    environment = {
        "LANG": "C.UTF-8",
        "HOME": "/scratch",
        "TMPDIR": "/scratch",
        "OPENBLAS_NUM_THREADS": "1",  # a process that forks must have one thread
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",  # glibc's: 64 MB of the memory allowed for each thread
    }
    if "LD_LIBRARY_PATH" in os.environ:  # some interpreters find their own library by it
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    fd = theirs.fileno()
    return subprocess.Popen(  # noqa: S603 - no shell, our own file
        [python, "-I", _BOOT, str(fd)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        pass_fds=[fd],
        env=environment,
        cwd="/",
        start_new_session=True,
    )
