"""Running untrusted code under a permission level.

Next file: `tools/__init__.py`.
"""

from strop.sandbox.base import (
    SCRATCH,
    Bounds,
    Failure,
    Outcome,
    Program,
    Sandbox,
    What,
)

__all__ = ["SCRATCH", "Bounds", "Failure", "Outcome", "Program", "Sandbox", "What"]
