"""Why a folder cannot be granted: what the Linux sandboxes ask before they show one.

A path is granted, not what a link on the way to it may come to mean: code that writes in a folder
can put a link there. So a granted path holds no link, and lies in no folder that is granted for
writing with it. Looked at anew at each call; what could change between the look and the mount is
the mount's business (`linux/nolinks.py`, `bubblewrap.py`).

Next file: `sandbox/bubblewrap_inner.py`.
"""

import os
from collections.abc import Iterable

from strop.permission import Permissions

__all__ = ["unfit"]


def unfit(permissions: Permissions, nowhere: Iterable[str]) -> str | None:
    """Why one of the folders cannot be granted, in a line; `None` where all can.

    Args:
        permissions: What is granted.
        nowhere: Places of which nothing is granted, as absolute paths; of ``/`` only itself.
    """
    places = tuple(nowhere)
    for path in (*permissions.read, *permissions.write):
        problem = _alone(path, places)
        if problem:
            return problem
    written = sorted({_plain(path) for path in permissions.write})
    for path in (*permissions.read, *permissions.write):
        for outer in written:
            if _plain(path) != outer and _within(_plain(path), outer):
                return (
                    f"the folder {path!r} lies in {outer!r}, which is granted for writing, so code "
                    f"could put another in its place; grant {outer!r} alone, or a folder elsewhere"
                )
    return None


def _alone(path: str, places: Iterable[str]) -> str | None:
    """Why a path cannot be granted, whatever else is."""
    try:
        there, real = os.path.exists(path), os.path.realpath(path)  # noqa: PTH110
    except (OSError, ValueError):  # it went while it was looked at; or no file name can be that
        there, real = False, path
    if any(_within(each, place) for each in (_plain(path), real) for place in places):
        return f"the folder {path!r} cannot be granted; name a folder of files"
    if not there:
        return f"the folder {path!r}, which is granted, is not there"
    if real != _plain(path):
        return (
            f"the folder {path!r} is reached through a link, which others could change; "
            f"if {real!r} is what should be granted, grant it by that path"
        )
    return None


def _plain(path: str) -> str:
    """A path without what changes nothing: doubled slashes, single dots, a slash at its end."""
    return "/" + "/".join(name for name in path.split("/") if name not in {"", "."})


def _within(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder}/")
