"""Sandboxes for Linux: confinement by the kernel, in processes forked ahead of the call.

`NamespaceSandbox` holds code to every level; `LandlockSandbox` is for where user namespaces are
forbidden. `plan.py` to `backend.py` run in the parent; `boot.py` to `runner.py` in the worker, with
the standard library alone.

Next file: `sandbox/linux/seccomp.py`.
"""

from strop.sandbox.linux.backend import LandlockSandbox, NamespaceSandbox

__all__ = ["LandlockSandbox", "NamespaceSandbox"]
