"""Landlock: what this process may still open, connect to and signal, taken away for good.

It works without privileges and below everything else: a file outside the rules stays closed even
if a mount was forgotten. It does not cover a file's metadata, UDP, or unix sockets with a path;
the seccomp filter does. Used in worker processes only: standard library, nothing of Strop.

Source: landlock(7); linux/landlock.h.

Next file: `sandbox/linux/selftest.py`.
"""

import os
import stat
import struct
from collections.abc import Iterable

from strop.sandbox.linux import kernel

__all__ = ["READ", "READ_WRITE", "USE", "restrict", "version"]

_WRITE_FILE, _READ_FILE, _READ_DIR = 2, 4, 8
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 16, 32, 128, 256
_MAKE_SYM, _REFER, _TRUNCATE = 4096, 8192, 16384

READ = _READ_FILE | _READ_DIR
"""Files below may be read and folders listed."""
USE = _READ_FILE | _WRITE_FILE | _TRUNCATE
"""A device such as /dev/null may be read and written."""
READ_WRITE = READ | USE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_SYM | _REFER
"""Also files, folders and symbolic links made, moved and removed; no devices, pipes or sockets."""

_ON_FILES = _READ_FILE | _WRITE_FILE | _TRUNCATE
# Rights that each version of the interface knows: on files, on the network, on others.
_FILES = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_CONNECT = 2


def version() -> int:
    """The kernel's version of the interface; 0 where Landlock is missing or switched off."""
    try:
        return kernel.call("landlock_create_ruleset", None, 0, 1)
    except OSError:
        return 0


def restrict(rules: Iterable[tuple[str | int, int]], *, ports: Iterable[int] | None = ()) -> None:
    """Leave this process, for good, only what the rules name.

    Args:
        rules: Path and rights; a path that is not there is left out. A descriptor (O_PATH) may
            stand for a path; it is closed.
        ports: TCP ports that may be connected to; `None` for any. Binding is never taken away
            where connecting is free.

    Raises:
        OSError: No Landlock here.
    """
    abi = version()
    known = 2 ** _FILES.get(abi, 16) - 1
    network = 0 if abi < 4 else (3 if ports is not None else 0)
    scoped = 3 if abi >= 6 else 0  # abstract unix sockets, signals
    value = struct.pack("<QQQ", known, network, scoped)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = kernel.call("landlock_create_ruleset", value, len(value), 0)
    try:
        for path, rights in rules:
            _allow(ruleset, path, rights & known)
        for port in (ports or ()) if network else ():
            kernel.call("landlock_add_rule", ruleset, 2, struct.pack("<QQ", _CONNECT, port), 0)
        kernel.prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
        kernel.call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str | int, rights: int) -> None:
    try:
        fd = path if isinstance(path, int) else os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _ON_FILES
        kernel.call("landlock_add_rule", ruleset, 1, struct.pack("<Qi", rights, fd), 0)
    finally:
        os.close(fd)
