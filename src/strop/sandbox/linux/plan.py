"""From permissions to what a worker is asked to isolate itself to, or why it cannot be done.

Pure but for looking which files exist and who we are. `worker.py` reads what is written here.

Next file: `sandbox/linux/kernel.py`.
"""

import base64
import functools
import ipaddress
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from strop.jsonvalue import Json
from strop.permission import Level, Permissions
from strop.sandbox.base import Bounds, Failure, What
from strop.sandbox.granted import unfit
from strop.sandbox.linux import seccomp

__all__ = ["Plan", "plan", "spare_user"]

_NOWHERE = ("/", "/proc", "/sys", "/dev", "/scratch", "/.old")
_NETWORK_FILES = (
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/ssl/certs",
    "/etc/pki/tls/certs",
    "/usr/share/ca-certificates",
)
_SPARE_USERS = 0x7000_0000  # far above any user that has a name, below where numbers go negative
_MOST_HOSTS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a pool is for.

    Attributes:
        asked: The worker's instructions, plain JSON; the user to become is still missing.
        targets: The real host and port behind each door, in the order of ``asked["doors"]``.
    """

    asked: dict[str, Json] = field(hash=False)
    targets: tuple[tuple[str, int], ...] = ()


def plan(
    permissions: Permissions, imports: Iterable[str], bounds: Bounds, *, namespaces: bool
) -> Plan | Failure:
    """What to ask of a worker for these permissions; a `Failure` says why none can serve them."""
    problem = unfit(permissions, _NOWHERE)
    if problem is None and not namespaces:
        problem = _unreadable(permissions.read)
    if problem:
        return Failure(what=What.REFUSED, message=problem)
    any_host = permissions.level is Level.FULL and not permissions.hosts
    try:
        doors = _doors(permissions.hosts)
    except ValueError as error:
        return Failure(what=What.REFUSED, message=str(error))
    writes = permissions.level is not Level.SANDBOX
    numbers = sorted({port for _, _, port in doors})
    ports: Json = None if any_host else list(numbers)
    asked: dict[str, Json] = {
        "namespaces": namespaces,
        "imports": list(imports),
        "read": [path for path in permissions.read if path not in permissions.write],
        "write": list(permissions.write),
        "system": [p for p in _NETWORK_FILES if Path(p).exists()] if any_host else [],
        "texts": {} if any_host or not doors else _texts(doors),
        "any_host": any_host,
        "doors": [[address, port] for _, address, port in doors],
        "ports": ports,
        "scratch": [bounds.scratch, bounds.files] if writes else None,
        "file_size": bounds.scratch if writes else 0,
        "filter": _filter(permissions.level, any_host=any_host),
    }
    return Plan(asked=asked, targets=tuple((host, port) for host, _, port in doors))


@functools.cache
def _filter(level: Level, *, any_host: bool) -> str:
    return base64.b64encode(seccomp.program(level, any_host=any_host)).decode()


def _unreadable(paths: Iterable[str]) -> str | None:
    for path in paths:
        if not os.access(path, os.R_OK | os.X_OK):
            return f"the folder {path!r}, which is granted, cannot be read"
    return None


def _doors(hosts: Iterable[str]) -> list[tuple[str, str, int]]:
    """Host, address inside and port of each; every name gets an address of its own.

    Raises:
        ValueError: An address of a kind that cannot be had inside, or too many.
    """
    names: dict[str, str] = {"localhost": "127.0.0.1"}
    found: dict[tuple[str, int], str] = {}
    for text in hosts:
        host, _, number = text.rpartition(":")
        key = host.lower()
        if key not in names:
            names[key] = _address(key, len(names))
        found.setdefault((names[key], int(number)), host)
    if len(found) > _MOST_HOSTS:
        raise ValueError(f"{len(found)} hosts are granted; the most is {_MOST_HOSTS}")
    return [(host, address, port) for (address, port), host in found.items()]


def _address(host: str, n: int) -> str:
    try:
        literal = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return f"127.77.{n // 250}.{n % 250 + 1}"
    if literal.version == 6 or literal.is_unspecified or literal.is_multicast:
        raise ValueError(f"the address {host!r} cannot be granted; use a name or an IPv4 address")
    return str(literal)


def _texts(doors: Iterable[tuple[str, str, int]]) -> dict[str, Json]:
    """The files by which names are resolved inside: from a list, with no server to ask."""
    lines = sorted({f"{address} {host}\n" for host, address, _ in doors if address != host})
    return {
        "/etc/hosts": "127.0.0.1 localhost\n" + "".join(lines),
        "/etc/nsswitch.conf": "hosts: files\n",
    }


def spare_user(n: int) -> int | None:
    """A user number that nobody has, for the n-th worker of this process; `None` if not root.

    Also `None` where root is only root of a user namespace that has no further users.
    """
    if os.geteuid() != 0 or platform.system() != "Linux":
        return None
    wanted = _SPARE_USERS + os.getpid() % 2**16 * 256 + n % 256
    for line in Path("/proc/self/uid_map").read_text(encoding="utf-8").splitlines():
        first, _, count = map(int, line.split())
        if first <= wanted < first + count:
            return wanted
    return None
