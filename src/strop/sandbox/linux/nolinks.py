"""Opens and makes paths of which no part is a symbolic link.

A granted folder may lie where code wrote before; a link there, made between the look at the path
and the mount, would show what nobody granted. So each part is opened by itself, from the one
above it, and a link is an error. Used in worker processes, and by `bubblewrap.py`: standard
library, nothing of Strop.

Source: open(2), O_NOFOLLOW with O_PATH; path_resolution(7).

Next file: `sandbox/linux/landlock.py`.
"""

import errno
import os
import stat

__all__ = ["made", "opened"]

_HOLD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def opened(path: str) -> int:
    """A descriptor (O_PATH) of what is at an absolute path.

    Raises:
        OSError: Nothing is there, or a link is on the way (ELOOP).
    """
    return _walked(path, last=None)


def made(path: str, *, folder: bool) -> int:
    """As `opened`; what is not there is made: folders, and an empty file where it is to be one."""
    return _walked(path, last=folder)


def _walked(path: str, *, last: bool | None) -> int:
    names = [name for name in path.split("/") if name not in {"", "."}]
    at = os.open("/", _HOLD)
    for i, name in enumerate(names, 1):
        above = at
        try:
            folder = None if last is None else last or i < len(names)
            at = _step(above, name, folder=folder)
        finally:
            os.close(above)
        if stat.S_ISLNK(os.fstat(at).st_mode):
            os.close(at)
            raise OSError(errno.ELOOP, "a link is on the way to the folder that is granted", path)
    return at


def _step(above: int, name: str, *, folder: bool | None) -> int:
    """What lies in a folder by that name; made if `folder` says as what."""
    try:
        return os.open(name, _HOLD, dir_fd=above)
    except FileNotFoundError:
        if folder is None:
            raise
    if folder:
        os.mkdir(name, 0o755, dir_fd=above)
    else:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=above))
    return os.open(name, _HOLD, dir_fd=above)
