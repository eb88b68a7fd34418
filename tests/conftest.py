"""What every test gets: no network beyond this machine, asyncio, and one hypothesis profile."""

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "strop",
    deadline=None,  # two shared cores: how long an example takes says nothing
    database=None,  # a checkout stays as it is
    max_examples=20 if os.environ.get("CI") else 30,
    phases=[phase for phase in Phase if phase is not Phase.explain],  # minutes, with a database
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("strop")


class NetworkRefusedError(AssertionError):
    """A test tried to reach another machine; no `except OSError` swallows this."""


def is_local(family: int, address: Any) -> bool:
    """Whether a socket address is on this machine: 127.0.0.0/8, ::1 or a unix socket."""
    if family == getattr(socket, "AF_UNIX", None):
        return True
    if not isinstance(address, tuple):
        return False
    host = str(address[0])
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name, which only a name server knows


def guarded(connect: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
    def guard(self: socket.socket, address: Any) -> Any:
        if not is_local(self.family, address):
            raise NetworkRefusedError(f"tests stay on this machine, not {address!r}")
        return connect(self, address)

    return guard


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Refuse connections beyond loopback, for fixtures of every scope and for all threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
        yield


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
