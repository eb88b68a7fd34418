"""Finding out whether a sandbox holds code to a level on this machine: by trying what must fail.

A probe is a call like any other, of code that every backend can run, Monty included. It tries what
escapes begin with; that it fails says that the confinement is switched on, not that it is perfect.
It also loads a module that nothing has loaded before: where the interpreter is in a folder of
root's, a sandbox that gives up being root protects well and runs nothing.

Next file: `sandbox/layered.py`.
"""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strop.permission import Level, Permissions
from strop.sandbox.base import Bounds, Program, Sandbox

__all__ = ["lacking"]

_BOUNDS = Bounds(seconds=10)
_PROBE = Program(
    source="""
def read(path, port):
    open(path).read()

def write(path, port):
    with open(path, "a") as file:
        file.write("x")

def connect(path, port):
    import socket
    socket.create_connection(("127.0.0.1", port), 1).close()

def fork(path, port):
    import os
    if os.fork() == 0:
        os._exit(0)

def loads():
    import sys
    if sys.platform == "monty":
        return True
    try:
        import colorsys
    except ImportError:
        return False
    return True

def probe(path, port, connects, writes):
    if not loads():
        return "confined code cannot load Python's library (is it readable for every user?)"
    tries = [("read a file of the host", read), ("write a file of the host", write),
             ("start a process", fork)]
    if not connects:
        tries.append(("connect to the host", connect))
    for what, act in tries:
        try:
            act(path, port)
        except Exception:
            continue
        return "confined code could " + what
    if writes:
        write("/scratch/probe", port)
        if open("/scratch/probe").read() != "x":
            return "the scratch folder does not keep what is written"
    return ""
""",
    function="probe",
)


def lacking(sandbox: Sandbox, level: Level) -> str:
    """Why the sandbox does not hold code to the level here; empty if it does."""
    if level not in sandbox.levels:
        return f"it does not hold code to level {level.value!r}"
    with _bait() as (path, port):
        found = sandbox.call(
            _PROBE,
            {
                "path": path,
                "port": port,
                "connects": level is Level.FULL,
                "writes": level is not Level.SANDBOX,
            },
            permissions=Permissions(level=level),
            bounds=_BOUNDS,
        )
    if found.failure is not None:
        return found.failure.message
    return str(found.value)


@contextmanager
def _bait() -> Iterator[tuple[str, int]]:
    """A file that everyone may read and write, and a port that listens on this machine."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as listener:
        Path(folder).chmod(0o755)
        file = Path(folder) / "bait"
        file.write_text("bait", encoding="utf-8")
        file.chmod(0o666)  # so that only the confinement can be what stops it
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield str(file), int(listener.getsockname()[1])
