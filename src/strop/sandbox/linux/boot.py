"""The first thing a worker process runs: finds its own modules by path, then becomes the worker.

Importing `strop` in the ordinary way would take time, and would need it installed where the tools
run. So the folder of this file stands for the packages above it, until everything is loaded;
afterwards no name of Strop is left for untrusted code to import.

Next file: `sandbox/granted.py`.
"""

import sys
import types

_PACKAGES = ("strop", "strop.sandbox", "strop.sandbox.linux")


def _boot() -> None:
    here = __file__.rpartition("/")[0]
    for name in _PACKAGES:
        package = types.ModuleType(name)
        package.__path__ = [here]
        sys.modules[name] = package
    from strop.sandbox.linux import worker  # only now can it be found

    for name in [name for name in sys.modules if name.startswith("strop")]:
        del sys.modules[name]
    sys.dont_write_bytecode = True
    worker.main()


if __name__ == "__main__":
    _boot()
