"""The one tool that the agent is given: it may write Python, which runs in the sandbox.

What that code may reach is named by the operator, in the environment: nothing but the endpoint.

Next file: `__main__.py`.
"""

import os
import textwrap

from strop.permission import Level, Permissions
from strop.sandbox import Program, best_sandbox

__all__ = ["run_python"]


def run_python(code: str) -> str:
    """Run Python code and return what it prints."""
    source = "def main():\n" + textwrap.indent(code, "    ") + "\n    return 0\n"
    outcome = best_sandbox().call(
        Program(source=source, function="main"),
        {},
        permissions=Permissions(level=Level.FULL, hosts=(os.environ["HELPDESK_ENDPOINT"],)),
    )
    if outcome.failure is not None:
        raise RuntimeError(outcome.failure.message)
    return outcome.printed.rstrip()
