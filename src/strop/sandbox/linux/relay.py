"""Carries bytes between the doors of a confined network and the real hosts behind them.

Each door is a listening socket inside a network namespace where nothing else is (`network.py`).
Whoever connects to it talks to one host and port, chosen by whoever granted it. It looks at no
byte, and resolves names anew for each connection.

Next file: `sandbox/linux/pool.py`.
"""

import contextlib
import select
import socket
import threading

__all__ = ["Relay"]

_AT_ONCE = 64  # connections; more wait until one ends
_CONNECT = 10.0  # seconds
_LOOK_AROUND = 500  # milliseconds between checks that it is still wanted
_CHUNK = 256 * 1024


class Relay:
    """Accepts at the doors, in a thread, until closed.

    Args:
        doors: Listening sockets.
        targets: Host and port behind each.
    """

    def __init__(self, doors: list[socket.socket], targets: tuple[tuple[str, int], ...]) -> None:
        self._doors = {door.fileno(): (door, to) for door, to in zip(doors, targets, strict=True)}
        self._closed = threading.Event()
        self._room = threading.BoundedSemaphore(_AT_ONCE)
        self._thread = threading.Thread(target=self._accept, name="strop-relay", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop accepting; connections end within a second."""
        self._closed.set()
        self._thread.join()

    def _accept(self) -> None:
        poll = select.poll()
        for fd, (door, _) in self._doors.items():
            door.setblocking(False)
            poll.register(fd, select.POLLIN)
        while not self._closed.is_set():
            for fd, _ in poll.poll(_LOOK_AROUND):
                door, target = self._doors[fd]
                if not self._room.acquire(timeout=0.05):
                    continue
                try:
                    near, _ = door.accept()
                except OSError:
                    self._room.release()
                    continue
                threading.Thread(target=self._serve, args=(near, target), daemon=True).start()
        for door, _ in self._doors.values():
            door.close()

    def _serve(self, near: socket.socket, target: tuple[str, int]) -> None:
        try:
            # A host that cannot be reached looks like one that hangs up at once.
            with (
                near,
                contextlib.suppress(OSError),
                socket.create_connection(target, timeout=_CONNECT) as far,
            ):
                self._pump(near, far)
        finally:
            self._room.release()

    def _pump(self, near: socket.socket, far: socket.socket) -> None:
        """Copy both ways until both have said their last, or one is gone."""
        other = {near.fileno(): (near, far), far.fileno(): (far, near)}
        near.settimeout(60)
        far.settimeout(60)
        poll = select.poll()
        for fd in other:
            poll.register(fd, select.POLLIN)
        while other and not self._closed.is_set():
            for fd, _ in poll.poll(_LOOK_AROUND):
                source, sink = other[fd]
                data = source.recv(_CHUNK)
                if data:
                    sink.sendall(data)
                    continue
                sink.shutdown(socket.SHUT_WR)
                poll.unregister(fd)
                del other[fd]
