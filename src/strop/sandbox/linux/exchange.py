"""One call with one confined child: job in, answer and print-out back, then the child is ended.

Everything that the child sends is bounded in size and time, and kept as bytes: what it means is
`reply.py`'s business. It does not start children (`pool.py`).

Next file: `sandbox/linux/reply.py`.
"""

import contextlib
import os
import select
import signal
import struct
import time
from dataclasses import dataclass

from strop.sandbox.base import Bounds
from strop.sandbox.linux.pool import Child

__all__ = ["READY", "Exchange", "exchange"]

READY = b"{}\n"
"""What a child says once it is confined; anything else says why it is not."""

_CHUNK = 256 * 1024
_WAIT_READY = 30.0  # seconds for a child to say that it is confined
_ENDING = 5.0  # seconds for a killed process to be gone
_SLACK = 64 * 1024  # bytes of an answer beyond its result: a failure's message, the frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What was seen of a call.

    Attributes:
        ready: `READY`, or what the child said instead; empty if nothing.
        answer: The line that it answered, without the newline; `None` if it did not.
        printed: The first bytes of its print-out.
        timed_out: Whether it was stopped because its time was up.
        too_large: Whether it was stopped because its answer did not end within the bound.
        status: How its process ended, if by itself: below 0 for a signal.
    """

    ready: bytes = b""
    answer: bytes | None = None
    printed: bytes = b""
    timed_out: bool = False
    too_large: bool = False
    status: int | None = None


def exchange(child: Child, job: bytes, bounds: Bounds) -> Exchange:
    """Run one job in a child; when this returns, the child is gone and its descriptors closed."""
    talk = _Talk(child, job, bounds)
    try:
        talk.get_ready()
        if talk.ready == READY:
            talk.run()
        status = talk.status()
    finally:
        talk.end()
    return Exchange(
        ready=talk.ready,
        answer=talk.answer,
        printed=bytes(talk.printed),
        timed_out=talk.timed_out,
        too_large=talk.too_large,
        status=status,
    )


class _Talk:
    def __init__(self, child: Child, job: bytes, bounds: Bounds) -> None:
        self.child, self.bounds = child, bounds
        self.left = memoryview(job)
        self.buffer = bytearray()
        self.printed = bytearray()
        self.ready = b""
        self.answer: bytes | None = None
        self.timed_out = self.too_large = False

    def get_ready(self) -> None:
        self.child.call.settimeout(_WAIT_READY)
        try:
            self.ready = self.child.call.recv(4096)
        except OSError:
            self.ready = b""
        # One that says why it cannot begin has ended, too: that is to be heard.
        if self.ready == READY and _readable(self.child.process, 0):
            self.ready = b""  # it died with its worker while it waited: the job goes to another
        self.child.call.setblocking(False)

    def run(self) -> None:
        """Send, receive and drain until there is an answer, an end, or no time left."""
        deadline = time.monotonic() + self.bounds.seconds
        call = self.child.call.fileno()
        poll = select.poll()
        poll.register(call, select.POLLIN | select.POLLOUT)
        poll.register(self.child.printed, select.POLLIN)
        while self.answer is None and not self.too_large:
            wait = deadline - time.monotonic()
            if wait <= 0:
                self.timed_out = True
                return
            for fd, event in poll.poll(wait * 1000 + 1):
                if fd == self.child.printed:
                    if not self._drain():
                        poll.unregister(fd)
                    continue
                if event & select.POLLOUT and self.left and not self._send():
                    poll.modify(call, select.POLLIN)
                if event & ~select.POLLOUT and not self._receive():
                    return

    def _send(self) -> bool:
        """Pass on some of the job; false when there is no more to send."""
        try:
            self.left = self.left[self.child.call.send(self.left[:_CHUNK]) :]
            if not self.left:
                self.child.call.shutdown(1)  # SHUT_WR
        except BlockingIOError:
            return True
        except OSError:  # it closed its end; whether it answered is seen on reading
            self.left = self.left[:0]
        return bool(self.left)

    def _receive(self) -> bool:
        """Take in some of the answer; false when no more will come."""
        try:
            data = self.child.call.recv(_CHUNK)
        except (BlockingIOError, ConnectionResetError):  # after the second, what was sent follows
            return True
        except OSError:
            return False
        end = data.find(b"\n")
        if end >= 0:
            self.answer = bytes(self.buffer) + data[:end]
        self.buffer += data
        self.too_large = len(self.buffer) > self.bounds.result + _SLACK
        return bool(data)

    def _drain(self) -> bool:
        """Take in some of the print-out, and drop what is beyond the bound."""
        data = os.read(self.child.printed, _CHUNK)
        self.printed += data[: self.bounds.printed - len(self.printed)]
        return bool(data)

    def status(self) -> int | None:
        """How the process ended, where it ended by itself; it gets a moment to do so."""
        if self.answer is not None or self.timed_out or self.too_large:
            return None
        if not _readable(self.child.process, 0.5) or not _readable(self.child.status, _ENDING):
            return None
        told = os.read(self.child.status, 4)
        return int(struct.unpack("<i", told)[0]) if len(told) == 4 else None

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # it may be gone already
            signal.pidfd_send_signal(self.child.process, signal.SIGKILL)
        _readable(self.child.process, _ENDING)
        os.set_blocking(self.child.printed, False)
        try:
            while len(self.printed) < self.bounds.printed and self._drain():
                pass
        except BlockingIOError:
            pass
        self.child.close()


def _readable(fd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
