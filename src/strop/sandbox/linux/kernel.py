"""The system calls that Python's standard library does not offer, through ctypes.

Each wrapper raises OSError with the call's name where the kernel refuses. Used in worker processes
only: standard library, nothing of Strop.

Source: the man pages of section 2 of each call; numbers from asm/unistd.h.

Next file: `sandbox/linux/nolinks.py`.
"""

import ctypes
import os
import platform
import struct

__all__ = [
    "NEWIPC",
    "NEWNET",
    "NEWNS",
    "NEWPID",
    "NEWUSER",
    "NEWUTS",
    "bind",
    "call",
    "clone",
    "copied",
    "mount",
    "place",
    "prctl",
    "set_attributes",
    "unshare",
]

NEWNS, NEWUTS, NEWIPC = 0x0002_0000, 0x0400_0000, 0x0800_0000
NEWUSER, NEWPID, NEWNET = 0x1000_0000, 0x2000_0000, 0x4000_0000

_MACHINE = platform.machine()
# name: (x86_64, aarch64); the later calls have one number everywhere
_NUMBERS = {
    "capset": (126, 91),
    "clone": (56, 220),
    "mount": (165, 40),
    "pivot_root": (155, 41),
    "seccomp": (317, 277),
    "setgroups": (116, 159),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "close_range": (436, 436),
    "mount_setattr": (442, 442),
    "landlock_create_ruleset": (444, 444),
    "landlock_add_rule": (445, 445),
    "landlock_restrict_self": (446, 446),
}
# PyDLL keeps the interpreter's lock during the call: clone needs that, and the others are short.
_libc = ctypes.PyDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

_SIGCHLD = 17
_CHILD_SETTID, _CHILD_CLEARTID = 0x0100_0000, 0x0020_0000
_GET_TID_ADDRESS = 40
_MS_BIND, _MS_REC = 4096, 16384
_AT_RECURSIVE, _AT_EMPTY_PATH = 0x8000, 0x1000
_OPEN_TREE_CLONE, _CLOEXEC = 1, 0o2000000
_FROM_EMPTY_PATH, _TO_EMPTY_PATH = 4, 0x40


def call(name: str, *args: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """Make a system call by name; texts are passed as bytes.

    Raises:
        OSError: What the kernel answers.
    """
    number = _NUMBERS[name][0 if _MACHINE == "x86_64" else 1]
    passed = [ctypes.c_ulong(arg & 2**64 - 1) if isinstance(arg, int) else arg for arg in args]
    found = int(_libc.syscall(ctypes.c_long(number), *passed))
    if found < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return found


def prctl(option: int, *args: int) -> int:
    """Set or ask something of this process; what is not given is 0. See man 2 prctl."""
    found = int(_libc.prctl(option, *[ctypes.c_ulong(arg) for arg in (*args, 0, 0, 0, 0)[:4]]))
    if found < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl {option}: {os.strerror(error)}")
    return found


def unshare(flags: int) -> None:
    """Move this process into new namespaces."""
    call("unshare", flags)


def clone(flags: int) -> int:
    """Fork into new namespaces; like `os.fork`, it returns 0 in the child.

    The C library keeps the number of the running thread where its own fork would renew it; it is
    told of the address so that the kernel does that.
    """
    address = ctypes.c_ulong(0)
    try:
        prctl(_GET_TID_ADDRESS, ctypes.addressof(address))
        flags |= _CHILD_SETTID | _CHILD_CLEARTID
    except OSError:  # a kernel without checkpoint/restore: a stale number, which nothing here uses
        address.value = 0
    tail = (address.value, 0) if _MACHINE == "x86_64" else (0, address.value)
    ctypes.pythonapi.PyOS_BeforeFork()
    try:
        pid = call("clone", flags | _SIGCHLD, 0, 0, *tail)
    except OSError:
        ctypes.pythonapi.PyOS_AfterFork_Parent()
        raise
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
    else:
        ctypes.pythonapi.PyOS_AfterFork_Parent()
    return pid


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Mount a file system, or change how one is mounted. See man 2 mount."""
    call(
        "mount",
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() if kind else None,
        flags,
        options.encode() or None,
    )


def bind(source: str, target: str) -> None:
    """Show a folder or file, with all that is mounted below it, at another place."""
    mount(source, target, None, _MS_BIND | _MS_REC)


def copied(source: int) -> int:
    """A copy, mounted nowhere yet, of what a descriptor stands for and all that is mounted below.

    Unlike `bind` it goes by no path, which could lead elsewhere by now.
    """
    flags = _OPEN_TREE_CLONE | _CLOEXEC | _AT_RECURSIVE | _AT_EMPTY_PATH
    return call("open_tree", source, b"", flags)


def place(tree: int, target: int) -> None:
    """Mount a copy (see `copied`) at the folder or file that a descriptor stands for."""
    call("move_mount", tree, b"", target, b"", _FROM_EMPTY_PATH | _TO_EMPTY_PATH)


def set_attributes(
    target: str | int, attributes: int, *, below: bool = True, users: int = 0
) -> None:
    """Add attributes to a mount and those below it (mount_setattr, Linux 5.12).

    Args:
        target: Its path, or a descriptor of a copy.
        attributes: MOUNT_ATTR_* bits.
        below: Whether those below it get them too.
        users: For MOUNT_ATTR_IDMAP: descriptor of the user namespace.
    """
    value = struct.pack("<QQQQ", attributes, 0, 0, users)
    flags = _AT_RECURSIVE if below else 0
    if isinstance(target, int):
        call("mount_setattr", target, b"", flags | _AT_EMPTY_PATH, value, len(value))
    else:
        call("mount_setattr", -100, os.fsencode(target), flags, value, len(value))  # AT_FDCWD
