"""What bwrap starts: takes the last powers away, loads modules, and runs the one job.

bwrap has made the namespaces and the mounts before. This is what it cannot do itself: a scratch
folder that holds a number of files at most, and a filter that forbids execve too, which bwrap's own
would have to allow. It runs as `/inner.py` in an interpreter of its own, with `sandbox/linux`
bound at `/strop`: standard library, nothing of Strop but that.

On standard input comes what to confine itself to, as JSON: `path` (for `sys.path`), `imports`,
`folders` (path, device and inode of each that is granted: it ends where another one is there),
`scratch` ([bytes, files] or null), `file_size` (bytes) and `filter` (base64). On descriptor
``argv[1]``, a socket, it says that it is ready, gets the job and answers (`runner.py`).

Next file: `sandbox/bubblewrap.py`.
"""

import base64
import importlib
import json
import os
import sys
import types
from typing import Any, NoReturn

_PACKAGES = ("strop", "strop.sandbox", "strop.sandbox.linux")
_MNT_DETACH = 2


def main(call: int) -> NoReturn:
    """Confine this process, say so, and run the job."""
    asked = json.load(sys.stdin)
    try:
        run = _confined(asked)
        os.write(call, b"{}\n")
    except BaseException as error:  # noqa: BLE001 - nothing may run in half a sandbox
        what = "invalid" if isinstance(error, _NotLoadedError) else "refused"
        message = " ".join(f"{error}".split())[:500]
        os.write(call, json.dumps({"what": what, "message": message}).encode() + b"\n")
        os._exit(1)
    run(call, call)
    os._exit(0)


class _NotLoadedError(Exception):
    """A module that should be loaded ahead cannot be."""


def _confined(asked: dict[str, Any]) -> Any:
    """The runner's `main`, once nothing but the job is left to do."""
    for name in _PACKAGES:
        package = types.ModuleType(name)
        package.__path__ = ["/strop"]
        sys.modules[name] = package
    from strop.sandbox.linux import confine, kernel, root, runner  # only now can they be found

    for name in [name for name in sys.modules if name.startswith("strop")]:
        del sys.modules[name]
    for folder, device, inode in asked["folders"]:
        shown = os.stat(folder)  # noqa: PTH116 - pathlib takes time to load
        if (shown.st_dev, shown.st_ino) != (device, inode):
            message = f"the folder {folder!r} became another one while it was granted"
            raise PermissionError(message)
    sys.path[:] = asked["path"]
    sys.dont_write_bytecode = True
    runner.STATM.append(os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC))
    for folder in ("/proc", "/strop"):
        kernel.call("umount2", folder.encode(), _MNT_DETACH)
    if asked["scratch"]:
        root.scratch(*asked["scratch"])
        os.chdir("/scratch")
    os.dup2(1, 2)  # bwrap's own complaints came before
    confine.limit(file_size=asked["file_size"], tasks=True)
    confine.drop_capabilities()
    for module in asked["imports"]:
        try:
            importlib.import_module(module)
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            message = f"the module {module!r} cannot be loaded ({told})"
            raise _NotLoadedError(message) from error
    confine.filter_calls(base64.b64decode(asked["filter"]))
    return runner.main


if __name__ == "__main__":
    main(int(sys.argv[1]))
