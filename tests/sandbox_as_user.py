"""A sandbox in another process, run by an ordinary user: what root's tests hand their calls to.

The same file is both ends: `sandbox_of_user` starts it and gives something that calls like a
sandbox does. Next file: `test_sandbox_contract.py`.
"""

import os
import site
import subprocess
import sys
import sysconfig
from contextlib import contextmanager
from multiprocessing.managers import BaseManager
from pathlib import Path

NOBODY = 65_534
_KEY = b"a test's"


class Manager(BaseManager):
    """Serves one sandbox, each client's thread by a thread of its own."""


class UsersSandbox:
    """Calls the other process; what holds of the sandbox there holds of this one."""

    def __init__(self, kind, proxy):
        self.name, self.levels = kind.name, kind.levels
        self._proxy = proxy

    def call(self, program, args, *, permissions, **bounds):
        return self._proxy.call(program, args, permissions=permissions, **bounds)

    def close(self):
        self._proxy.close()


def interpreter():
    """A Python of this version that everyone may run; `None` if there is none."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for path in (os.path.realpath(sys.executable), f"/usr/bin/{version}"):
        file = Path(path)
        if file.exists() and all(folder.stat().st_mode & 0o005 == 5 for folder in file.parents):
            return path
    return None


@contextmanager
def sandbox_of_user(kind):
    """A `kind` of sandbox in a process of nobody's."""
    import strop

    source = Path(strop.__file__).parents[1]
    script = Path(__file__).read_text()
    paths = [str(source), sysconfig.get_path("purelib"), *site.getsitepackages()]
    process = subprocess.Popen(
        [interpreter(), "-c", script, f"{kind.__module__}:{kind.__qualname__}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        user=NOBODY,
        group=NOBODY,
        extra_groups=(),
        cwd="/",
        env={
            **os.environ,
            "HOME": "/",
            # The user's interpreter may be another build, with no packages of its own.
            "PYTHONPATH": ":".join(paths),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MONTY_BIN": f"{sysconfig.get_path('scripts')}/monty",
        },
    )
    try:
        port = process.stdout.readline()
        assert port, "the other process did not start"
        Manager.register("sandbox", exposed=("call", "close"))
        manager = Manager(address=("127.0.0.1", int(port)), authkey=_KEY)
        manager.connect()
        yield UsersSandbox(kind, manager.sandbox())
    finally:
        process.stdin.close()
        process.kill()
        process.wait()
        process.stdout.close()


def _serve():
    import threading
    from importlib import import_module

    module, _, name = sys.argv[1].partition(":")
    sandbox = getattr(import_module(module), name)()
    Manager.register("sandbox", callable=lambda: sandbox, exposed=("call", "close"))
    server = Manager(address=("127.0.0.1", 0), authkey=_KEY).get_server()
    sys.stdout.write(f"{server.address[1]}\n")
    sys.stdout.flush()

    def end_with_parent():
        sys.stdin.read()
        sandbox.close()
        os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    _serve()
