"""Sandboxes for Linux: confinement by the kernel, in processes forked ahead of the call.

`NamespaceSandbox` holds code to every level; `LandlockSandbox` is for where user namespaces are
forbidden. In reading order: `plan.py` (permissions to instructions), `pool.py`, `exchange.py`,
`reply.py`, `backend.py` in the parent; `boot.py`, `worker.py`, `root.py`, `network.py`,
`landlock.py`, `confine.py`, `seccomp.py`, `runner.py` in the worker.

Next file: `sandbox/linux/backend.py`.
"""

from strop.sandbox.linux.backend import LandlockSandbox, NamespaceSandbox

__all__ = ["LandlockSandbox", "NamespaceSandbox"]
