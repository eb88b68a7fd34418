"""What a mined tool needs of the sandbox, guessed from what it calls.

Writes and child processes raise the level; the names of hosts are not guessed. It is a declaration
that people and the ladder read: a tool that needs more than it declares fails in the sandbox.

Next file: `mine/snippets/kept.py`.
"""

import re
from collections.abc import Sequence

from strop.permission import Level, Permissions

__all__ = ["needs_of_calls"]

_NETWORK = re.compile(r"(?:socket|urllib|requests|httpx|http|ftplib|smtplib|aiohttp|ssl)\b")
_WRITES = re.compile(
    r"(?:os|shutil|tempfile|subprocess|sqlite3|pathlib)\b"
    r"|\.(?:write|writelines|write_text|write_bytes|mkdir|touch|unlink|rename|save|savefig|dump)$"
)
_READS_ONLY = re.compile(r"os(?::|\.)(?:getcwd|listdir|environ|getenv|path|sep|stat|walk)\b")


def needs_of_calls(calls: Sequence[str]) -> Permissions:
    """The level for calls as `calls_in` writes them; no folders and no hosts."""
    if any(_NETWORK.match(call) for call in calls):
        return Permissions(level=Level.FULL)
    if any(_WRITES.search(call) and not _READS_ONLY.match(call) for call in calls):
        return Permissions(level=Level.RESTRICTED)
    return Permissions()
