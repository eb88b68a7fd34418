"""The host that hostile tools are let loose on, and what is seen there afterwards.

Whether an attack worked is judged by what happened here: what listeners got, which files, processes
and memory are there, whether the bystander lives. Not by the exception that the tool saw.

Next file: `attacks.py`.
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

SECRET = "CANARY-7f3a91"
_SHARED_FOLDERS = ("/tmp", "/dev/shm", "/var/tmp")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Host:
    """A canary file, listeners, a bystander process; one per attack.

    Attributes:
        kwargs: What a tool gets to know of it.
        base: The folder that holds its files; none of it is granted.
    """

    def __init__(self, base: Path, data: Path) -> None:
        self.base, self.data = base, data
        self.rid = f"r{time.monotonic_ns() % 10**12}"
        self.heard: list[bytes] = []
        self.signalled: list[int] = []
        self._stop = threading.Event()
        base.chmod(0o755)
        for name in ("secret", "outside"):
            (base / name).mkdir()
            (base / name).chmod(0o777)
        self.canary = base / "secret" / "canary.txt"
        self.canary.write_text(SECRET)
        os.environ["TOOLSYN_SECRET"] = SECRET
        # A descriptor that every careless child would inherit.
        self._open = os.open(self.canary, os.O_RDONLY)
        os.set_inheritable(self._open, True)
        self._listeners = self._listen()
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()
        self._handler = signal.signal(signal.SIGUSR1, lambda n, _: self.signalled.append(n))
        self.bystander = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL)
        self._files = self._shared_files()

    def _listen(self) -> dict[str, socket.socket]:
        tcp, udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        path, name = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        for listener in (tcp, udp):
            listener.bind(("127.0.0.1", 0))
        path.bind(str(self.base / "unix"))
        (self.base / "unix").chmod(0o777)
        name.bind("\0" + self.rid)
        for listener in (tcp, path, name):
            listener.listen(16)
        return {"tcp": tcp, "udp": udp, "path": path, "name": name}

    @property
    def kwargs(self) -> dict[str, Any]:
        return {
            "canary": str(self.canary),
            "sdir": str(self.base / "secret"),
            "outside": str(self.base / "outside"),
            "data": str(self.data),
            "work": "/scratch",
            "tcp": self.port,
            "udp": self._listeners["udp"].getsockname()[1],
            "upath": str(self.base / "unix"),
            "uabs": self.rid,
            "hpid": os.getpid(),
            "vpid": self.bystander.pid,
            "rid": self.rid,
            "xs": [1, 2, 3],
        }

    @property
    def port(self) -> int:
        return int(self._listeners["tcp"].getsockname()[1])

    def _hear(self) -> None:
        poll = select.poll()
        sockets = {s.fileno(): s for s in self._listeners.values()}
        for fd in sockets:
            poll.register(fd, select.POLLIN)
        while not self._stop.is_set():
            for fd, _ in poll.poll(50):
                with contextlib.suppress(OSError):
                    if sockets[fd].type == socket.SOCK_DGRAM:
                        self.heard.append(sockets[fd].recv(100))
                        continue
                    near, _ = sockets[fd].accept()
                    with near:
                        near.settimeout(1)
                        self.heard.append(near.recv(100) or b"connected")

    def effects(self) -> list[str]:
        """What an attack did to this host, one line each."""
        time.sleep(0.02)
        found = [f"a listener heard {data!r}" for data in self.heard if data != b"good"]
        found += [f"the host was sent signal {number}" for number in self.signalled]
        if self.bystander.poll() is not None:
            found.append("the bystander was killed")
        found += [f"a file was made: {path}" for path in (self.base / "outside").rglob("*")]
        found += [f"a file was made: {path}" for path in self._shared_files() - self._files]
        if self.canary.read_text() != SECRET:
            found.append("the canary was changed")
        found += [f"process {pid} survived" for pid in self._named()]
        return found

    def _shared_files(self) -> set[str]:
        """Files that any tool could have left in folders that everybody may write to."""
        marks = ("toolsyn", "pwned", self.rid)
        found: set[str] = set()
        for folder in _SHARED_FOLDERS:
            with contextlib.suppress(OSError):
                found |= {str(p) for p in Path(folder).iterdir() if p.name.startswith(marks)}
        return found

    def _named(self) -> list[int]:
        """Processes that call themselves after this run."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and (entry / "comm").read_text().strip() == self.rid[:15]:
                    found.append(int(entry.name))
        return found

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        for listener in self._listeners.values():
            listener.close()
        os.close(self._open)
        signal.signal(signal.SIGUSR1, self._handler)
        self.bystander.kill()
        self.bystander.wait()


@contextmanager
def host(data: Path) -> Iterator[Host]:
    """A host in a folder of its own, that goes with it; `data` is the folder that is granted."""
    with tempfile.TemporaryDirectory(prefix="host") as folder:
        made = Host(Path(folder), data)
        try:
            yield made
        finally:
            made.close()


class Watch:
    """Looks, all the time, how many processes and threads this one has below it, and how large."""

    def __init__(self) -> None:
        self.processes = self.threads = self.bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.1):
            below = descendants(os.getpid())
            self.processes = max(self.processes, len(below))
            for pid in below:
                with contextlib.suppress(OSError, ValueError, IndexError):
                    threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
                    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                    self.threads = max(self.threads, threads)
                    self.bytes = max(self.bytes, pages * _PAGE)


def descendants(top: int) -> set[int]:
    """Processes whose chain of parents leads to `top`."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                status = (entry / "stat").read_text()
                parents[int(entry.name)] = int(status.rpartition(")")[2].split()[1])
    found = {top}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {top}


def readable_python() -> str | None:
    """An interpreter that an ordinary user can run too; `None` if there is none here."""
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        code = "import sys; raise SystemExit(sys.version_info < (3, 11))"
        with contextlib.suppress(OSError):
            run = subprocess.run([python, "-Ic", code], cwd="/", check=False, **as_user())
            if run.returncode == 0:
                return python
    return None


def as_user() -> dict[str, Any]:
    """How to start a process as an ordinary user, where this one is root."""
    return {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
