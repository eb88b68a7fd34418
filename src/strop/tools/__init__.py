"""Tool items and what stands behind them.

A tool item is data (name, description, JSON schema of its parameters, body); this package turns it
into something callable. Here: *native* tools, Python functions that the user registered.

Next file: `tools/native.py`.
"""

from strop.tools.native import native_function, native_item

__all__ = ["native_function", "native_item"]
