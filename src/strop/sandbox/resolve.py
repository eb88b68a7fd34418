"""Which sandbox this process uses: every backend that there is, and the best of them.

`STROP_SANDBOX` in the environment names the one backend to use, or ``none`` to run no code at all.
There is no backend that is a plain subprocess: where nothing protects, calls are refused.

Next file: `tools/__init__.py`.
"""

import atexit
import os
import shutil
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

from strop.errors import BadInput
from strop.permission import Level
from strop.sandbox.base import Sandbox
from strop.sandbox.layered import Backend, LayeredSandbox
from strop.sandbox.monty import MontySandbox
from strop.sandbox.refusing import BackendStatus, RefusingSandbox

__all__ = ["NONE", "VARIABLE", "backends", "best_sandbox", "known_backends"]

VARIABLE = "STROP_SANDBOX"
"""Environment variable that forces a backend."""
NONE = "none"
"""Its value where no code may run."""

_ALL = frozenset(Level)
_SWITCHES = (  # file, the value that forbids user namespaces, the command that allows them
    ("kernel/unprivileged_userns_clone", 0, "sysctl kernel.unprivileged_userns_clone=1"),
    ("user/max_user_namespaces", 0, "sysctl user.max_user_namespaces=15000"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        1,
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)
_lock = threading.Lock()
_best: dict[str, LayeredSandbox] = {}


def known_backends() -> tuple[Backend, ...]:
    """Every backend, in order of preference, whether it works here or not."""
    return (
        Backend(
            name="namespaces",
            levels=_ALL,
            missing=_no_linux,
            make=_namespaces,
            fix=_allow_namespaces,
        ),
        Backend(
            name="landlock",
            levels=frozenset({Level.SANDBOX}),
            missing=_no_linux,
            make=_landlock,
            fix=lambda: "",
        ),
        Backend(
            name="bubblewrap",
            levels=_ALL,
            missing=_no_bubblewrap,
            make=_bubblewrap,
            fix=_fix_bubblewrap,
        ),
        Backend(
            name="monty",
            levels=MontySandbox.levels,
            missing=_no_monty,
            make=MontySandbox,
            fix=lambda: "pip install 'strop[monty]'" if _no_monty() else "",
        ),
    )


def backends() -> tuple[BackendStatus, ...]:
    """What each backend can do here, in order of preference, whichever is forced.

    Each is tried out once per process; the first time takes a second or two.
    """
    return _layered("").statuses()


def best_sandbox() -> Sandbox:
    """This process's sandbox: the same one every time, ended when the process ends.

    It tries a backend out when a call first needs it, so that asking for it costs nothing.

    Raises:
        BadInput: `STROP_SANDBOX` names no backend.
    """
    wanted = os.environ.get(VARIABLE, "").strip()
    if wanted == NONE:
        status = BackendStatus(name=NONE, available=False, reason=f"{VARIABLE}={NONE}")
        return RefusingSandbox([status])
    return _layered(wanted)


def _layered(wanted: str) -> LayeredSandbox:
    chosen = [backend for backend in known_backends() if wanted in {"", backend.name}]
    if not chosen:
        names = ", ".join(backend.name for backend in known_backends())
        raise BadInput(
            f"there is no sandbox {wanted!r}; they are {names}, and {NONE} to run no code",
            where=VARIABLE,
        )
    with _lock:
        if wanted not in _best:
            _best[wanted] = LayeredSandbox(chosen)
            atexit.register(_best[wanted].close)
        return _best[wanted]


def _forget_lock() -> None:
    global _lock  # noqa: PLW0603 - a thread of the parent's may have held it
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)


# What is imported below is for Linux only: elsewhere the modules do not load.


def _namespaces() -> Sandbox:
    from strop.sandbox.linux import NamespaceSandbox

    return NamespaceSandbox()


def _landlock() -> Sandbox:
    from strop.sandbox.linux import LandlockSandbox

    return LandlockSandbox()


def _bubblewrap() -> Sandbox:
    from strop.sandbox.bubblewrap import BubblewrapSandbox

    return BubblewrapSandbox()


def _no_linux() -> str:
    if sys.platform != "linux":
        return "it needs Linux"
    from strop.sandbox.linux import selftest

    return selftest.missing()


def _no_bubblewrap() -> str:
    if sys.platform != "linux":
        return "it needs Linux"
    return "" if shutil.which("bwrap") else "bwrap is not installed"


def _no_monty() -> str:
    return "" if find_spec("pydantic_monty") else "pydantic-monty is not installed"


def _fix_bubblewrap() -> str:
    if sys.platform == "linux" and _no_bubblewrap():
        return "apt install bubblewrap"
    return _allow_namespaces()


def _allow_namespaces() -> str:
    """The command that switches user namespaces on, where a switch is what forbids them."""
    for name, forbids, command in _SWITCHES:
        try:
            value = (Path("/proc/sys") / name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if value == str(forbids):
            return command
    return ""
