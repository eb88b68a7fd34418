"""Running untrusted code under a permission level.

`best_sandbox()` is what to call; `backends()` says what it is made of here. The Linux sandboxes are
exported where they load.

Next file: `sandbox/base.py`.
"""

import sys

from strop.sandbox.base import (
    SCRATCH,
    Bounds,
    Failure,
    Outcome,
    Program,
    Sandbox,
    What,
)
from strop.sandbox.fake import FakeCall, FakeSandbox
from strop.sandbox.layered import LayeredSandbox
from strop.sandbox.monty import MontySandbox
from strop.sandbox.refusing import BackendStatus, RefusingSandbox
from strop.sandbox.resolve import backends, best_sandbox

__all__ = [
    "SCRATCH",
    "BackendStatus",
    "Bounds",
    "Failure",
    "FakeCall",
    "FakeSandbox",
    "LayeredSandbox",
    "MontySandbox",
    "Outcome",
    "Program",
    "RefusingSandbox",
    "Sandbox",
    "What",
    "backends",
    "best_sandbox",
]

if sys.platform == "linux":
    from strop.sandbox.bubblewrap import BubblewrapSandbox
    from strop.sandbox.linux import LandlockSandbox, NamespaceSandbox

    __all__ += ["BubblewrapSandbox", "LandlockSandbox", "NamespaceSandbox"]
