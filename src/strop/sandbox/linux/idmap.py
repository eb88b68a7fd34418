"""Shows a folder to another user as if it were that user's own.

A worker that starts as root runs tools as a user that nobody is, who could not read a granted
folder that is for its owner only, nor write in any. Through an id-mapped mount the folder's owner
and that user are the same one, and files made there belong to the owner. Used in worker processes
only, by root: standard library, nothing of Strop.

Source: mount_setattr(2), "ID-mapped mounts"; user_namespaces(7).

Next file: `sandbox/linux/network.py`.
"""

import os
import struct

from strop.sandbox.linux import kernel

__all__ = ["attach"]

_OPEN_TREE_CLONE, _CLOEXEC = 1, 0o2000000
_AT_RECURSIVE, _AT_EMPTY_PATH, _MOVE_EMPTY_PATH = 0x8000, 0x1000, 4
_MOUNT_ATTR_IDMAP = 0x0010_0000
_AT_FDCWD = -100


def attach(source: str, target: str, *, proc: int, user: int) -> bool:
    """Mount a folder at `target` with its owner shown as `user`; false where that cannot be had.

    Args:
        source: The folder.
        target: Where to show it; an empty folder.
        proc: A descriptor of a /proc that shows this process.
        user: The user, and group, that the tools run as.
    """
    owner = os.stat(source)  # noqa: PTH116 - pathlib costs worker processes 5 ms
    try:
        mapping = _mapping(proc, {"uid_map": owner.st_uid, "gid_map": owner.st_gid}, user)
    except OSError:
        return False
    flags = _OPEN_TREE_CLONE | _CLOEXEC | _AT_RECURSIVE
    tree = kernel.call("open_tree", _AT_FDCWD, os.fsencode(source), flags)
    try:
        value = struct.pack("<QQQQ", _MOUNT_ATTR_IDMAP, 0, 0, mapping)
        kernel.call("mount_setattr", tree, b"", _AT_EMPTY_PATH, value, len(value))
        kernel.call("move_mount", tree, b"", _AT_FDCWD, os.fsencode(target), _MOVE_EMPTY_PATH)
    except OSError:  # a file system that knows nothing of it
        return False
    finally:
        os.close(tree)
        os.close(mapping)
    return True


def _mapping(proc: int, owners: dict[str, int], user: int) -> int:
    """A user namespace, as a descriptor, in which an owner and `user` have changed places."""
    ready, go = os.pipe()
    end, stop = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            kernel.unshare(kernel.NEWUSER)
            os.write(go, b"x")
            os.close(stop)
            os.read(end, 1)
        finally:
            os._exit(0)
    try:
        os.close(go)
        if os.read(ready, 1):
            for name, owner in owners.items():
                _write(proc, f"{pid}/{name}", _swapped(owner, user))
        return os.open(f"{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    finally:
        for fd in (ready, end, stop):
            os.close(fd)
        os.waitpid(pid, 0)


def _swapped(one: int, other: int) -> str:
    """Every number for itself, but these two for each other; lines of a uid_map."""
    low, high = sorted((one, other))
    lines = [(0, 0, low), (low, high, 1), (low + 1, low + 1, high - low - 1), (high, low, 1)]
    return "".join(f"{a} {b} {count}\n" for a, b, count in lines if count)


def _write(proc: int, name: str, text: str) -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
