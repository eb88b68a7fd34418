"""Shows a folder to another user as if it were that user's own.

A worker that starts as root runs tools as a user that nobody is, who could not read a granted
folder that is for its owner only, nor write in any. Through an id-mapped mount the folder's owner
and that user are the same one, and files made there belong to the owner. Used in worker processes
only, by root: standard library, nothing of Strop.

Source: mount_setattr(2), "ID-mapped mounts"; user_namespaces(7).

Next file: `sandbox/linux/network.py`.
"""

import os

from strop.sandbox.linux import kernel

__all__ = ["shift"]

_MOUNT_ATTR_IDMAP = 0x0010_0000


def shift(tree: int, *, proc: int, user: int) -> bool:
    """Show the owner of a folder as `user`; false where that cannot be had.

    Args:
        tree: The folder: a copy of it that is mounted nowhere yet (`kernel.copied`).
        proc: A descriptor of a /proc that shows this process.
        user: The user, and group, that the tools run as.
    """
    owner = os.fstat(tree)
    try:
        mapping = _mapping(proc, {"uid_map": owner.st_uid, "gid_map": owner.st_gid}, user)
    except OSError:
        return False
    try:
        kernel.set_attributes(tree, _MOUNT_ATTR_IDMAP, below=False, users=mapping)
    except OSError:  # a file system that knows nothing of it
        return False
    finally:
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
