"""`strop mcp`: the released tools for any agent that speaks MCP.

Next file: `cli/evaluating.py`.
"""

import sys
from contextlib import redirect_stdout
from pathlib import Path

from strop.cli.assembling import opened_agent
from strop.cli.output import note

__all__ = ["mcp"]


def mcp(config: Path, *, http: bool, host: str, port: int) -> int:
    """Serve until the client, or Ctrl-C, ends it."""
    # Imported here because the protocol's package takes half a second to load.
    from strop.serving import http_app, serve_stdio

    with opened_agent(config, will_run=False) as parts:
        if not http:
            # The protocol takes the real one, and sends what tools print to stderr by itself.
            with redirect_stdout(sys.__stdout__):
                serve_stdio(parts)
            return 0
        import uvicorn

        app = http_app(parts, host=host)
        note(f"tools of {parts.base.name} at http://{host}:{port}/mcp; Ctrl-C ends it")
        uvicorn.run(app, host=host, port=port, log_level="warning")
    return 0
