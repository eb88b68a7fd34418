"""Finding out whether a sandbox protects on this machine: by trying what must fail.

Next file: `sandbox/linux/backend.py`.
"""

import platform

from strop.sandbox.base import Bounds, Outcome, Program
from strop.sandbox.linux import landlock, seccomp

__all__ = ["BOUNDS", "PROGRAM", "judge", "missing"]

BOUNDS = Bounds(seconds=10)

PROGRAM = Program(
    source="""
import os, socket

def worked(act):
    try:
        act()
    except OSError:
        return False
    return True

def check():
    try:
        import colorsys  # in the standard library, and nobody has loaded it yet
    except ImportError:
        return "cannot load a module: let every user read the interpreter's files"
    tries = {
        "read a file of the host": lambda: open("/etc/passwd").close(),
        "list a folder of the host": lambda: os.listdir("/proc/1"),
        "write a file": lambda: open("/tmp/strop-selftest", "w").close(),
        "open a socket": lambda: socket.socket().close(),
        "start a process": lambda: os.fork() or os._exit(0),
        "send a signal": lambda: os.kill(os.getpid(), 0),
    }
    return next(("can " + name for name, act in tries.items() if worked(act)), "")
""",
    function="check",
)


def missing() -> str:
    """What this machine lacks for either sandbox, one line; empty if nothing."""
    if platform.system() != "Linux":
        return f"it needs Linux, and this is {platform.system()}"
    if platform.machine() not in seccomp.ARCHITECTURES:
        return f"there is no table of system calls for {platform.machine()}"
    if landlock.version() < 3:
        return "it needs Landlock version 3 (Linux 6.2), switched on"
    return ""


def judge(outcome: Outcome) -> tuple[bool, str]:
    """Whether the self-test's outcome says that the sandbox holds, and why not."""
    if outcome.failure is not None:
        return False, outcome.failure.message
    if outcome.value != "":
        return False, f"confined code {outcome.value}"
    return True, ""
