"""Tool items and what stands behind them.

A tool item is data (name, description, JSON schema of its parameters, body); this package turns it
into something callable. *Native* tools are Python functions that the user registered, *code* runs
in the sandbox only, a *chain* calls other tools; a *table* (`resolution.py`) answers before any is
called.

Next file: `tools/native.py`.
"""

from strop.tools.identity import code_digest, needs_of, program_of, tools_by_name
from strop.tools.native import native_function, native_item
from strop.tools.toolbox import Toolbox
from strop.tools.uses import Use, ignore

__all__ = [
    "Toolbox",
    "Use",
    "code_digest",
    "ignore",
    "native_function",
    "native_item",
    "needs_of",
    "program_of",
    "tools_by_name",
]
