"""The file system that confined code sees: a new root that holds what Python needs, and no more.

A tmpfs becomes the root; the interpreter's libraries, the shared libraries of the system and the
granted folders are bound into it at their own paths, read-only unless granted for writing. There is
no /home, /proc, /sys or /etc/passwd. It does not drop privileges. Used in worker processes only:
standard library, nothing of Strop.

Source: mount_namespaces(7), pivot_root(2), mount_setattr(2); the order of steps is bubblewrap's.

Next file: `sandbox/linux/worker.py`.
"""

import os
import stat
import sys
from collections.abc import Iterable

from strop.sandbox.linux import idmap, kernel, nolinks

__all__ = ["DEVICES", "build", "libraries", "scratch"]

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")
_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo")
_OLD = "/.old"
_MS_PRIVATE, _MS_REC, _MNT_DETACH = 1 << 18, 16384, 2
_NOSUID, _NODEV, _NOEXEC = 2, 4, 8
_READ_ONLY = 1


def libraries() -> tuple[str, ...]:
    """Folders and files that Python and its installed modules are made of, parents first.

    Of `sys.path` only what lies under the interpreter's own prefixes: the checkout that an editable
    install points to is not a library.
    """
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    modules = [path for path in sys.path if any(_within(path, prefix) for prefix in prefixes)]
    folders = [*_SYSTEM, *(f"{prefix}/lib" for prefix in prefixes), *modules, *_FILES]
    return _parents_first(path for path in folders if os.path.exists(path))  # noqa: PTH110


def build(
    system: Iterable[str],
    granted: dict[str, bool],
    texts: dict[str, str],
    *,
    owner: tuple[int, int] | None,
) -> None:
    """Make the new root this process's, in the mount namespace that it is in.

    Args:
        system: Folders and files to show read-only.
        granted: Folders to show, and whether they may be written; no part of them is a link.
        texts: Small files to make: path to content.
        owner: To show what is granted as owned by another user: a descriptor of /proc, and the
            user; `None` to show it as it is.

    Raises:
        OSError: The kernel refuses, or a folder is not there.
    """
    shown = [path for path in system if path not in granted]
    # Where symbolic links lead is settled while the old root is still the root.
    source = {path: os.path.realpath(path, strict=True) for path in (*shown, *DEVICES)}
    held = {path: nolinks.opened(path) for path in granted}
    links = {path: os.readlink(path) for path in _SYSTEM if os.path.islink(path)}  # noqa: PTH114, PTH115
    base = next(path for path in ("/tmp", "/var", "/usr") if os.path.isdir(path))  # noqa: PTH112, S108
    kernel.mount("none", "/", None, _MS_PRIVATE | _MS_REC)
    kernel.mount("tmpfs", base, "tmpfs", _NOSUID | _NODEV, "size=1m,nr_inodes=4k,mode=755")
    os.mkdir(base + _OLD)  # noqa: PTH102
    kernel.call("pivot_root", os.fsencode(base), os.fsencode(base + _OLD))
    os.chdir("/")
    for path, text in texts.items():
        _make(path, text)
    for path, target in links.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        os.symlink(target, path)  # noqa: PTH211
    for path in sorted((*shown, *held), key=lambda path: (path.count("/"), path)):
        if path in held:
            _grant(held[path], path, writable=granted[path], owner=owner)
        elif path not in links:
            _show(source[path], path)
    for path in DEVICES:
        _make(path, "")
        kernel.bind(_OLD + source[path], path)
    os.makedirs("/scratch", exist_ok=True)  # noqa: PTH103
    kernel.call("umount2", _OLD.encode(), _MNT_DETACH)
    os.rmdir(_OLD)  # noqa: PTH106
    kernel.set_attributes("/", _READ_ONLY, below=False)


def scratch(size: int, files: int) -> None:
    """Mount an empty folder at /scratch that holds at most so many bytes and files."""
    options = f"size={size},nr_inodes={files + 1},mode=700"  # one for the folder itself
    kernel.mount("tmpfs", "/scratch", "tmpfs", _NOSUID | _NODEV | _NOEXEC, options)


def _show(source: str, path: str) -> None:
    if os.path.isdir(_OLD + source):  # noqa: PTH112
        os.makedirs(path, exist_ok=True)  # noqa: PTH103
    elif not os.path.exists(path):  # noqa: PTH110
        _make(path, "")
    kernel.bind(_OLD + source, path)
    kernel.set_attributes(path, _NOSUID | _NODEV | _READ_ONLY)


def _grant(source: int, path: str, *, writable: bool, owner: tuple[int, int] | None) -> None:
    """Show a folder by its descriptor, which is closed: its path could lead elsewhere by now."""
    tree = kernel.copied(source)
    if owner is not None:
        idmap.shift(tree, proc=owner[0], user=owner[1])
    kernel.set_attributes(tree, _NOSUID | _NODEV | (0 if writable else _READ_ONLY))
    target = nolinks.made(path, folder=stat.S_ISDIR(os.fstat(source).st_mode))
    kernel.place(tree, target)
    for fd in (source, tree, target):
        os.close(fd)


def _make(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _parents_first(paths: Iterable[str]) -> tuple[str, ...]:
    """Each path once, without those that lie within another."""
    kept: list[str] = []
    for path in sorted(set(paths), key=lambda path: (path.count("/"), path)):
        if not any(_within(path, folder) for folder in kept):
            kept.append(path)
    return tuple(kept)
