"""The guard that keeps tests on this machine does so."""

import asyncio
import socket
import urllib.request

import pytest

from conftest import NetworkRefusedError, is_local


@pytest.mark.parametrize(
    ("family", "address", "local"),
    [
        (socket.AF_INET, ("127.0.0.1", 80), True),
        (socket.AF_INET, ("127.8.9.10", 80), True),
        (socket.AF_INET, ("localhost", 80), True),
        (socket.AF_INET, ("0.0.0.0", 80), False),
        (socket.AF_INET, ("10.0.0.1", 80), False),
        (socket.AF_INET, ("192.0.2.1", 80), False),
        (socket.AF_INET, ("127.0.0.1.example.org", 80), False),
        (socket.AF_INET6, ("::1", 80, 0, 0), True),
        (socket.AF_INET6, ("2001:db8::1", 80, 0, 0), False),
        (socket.AF_UNIX, "/run/some.sock", True),
    ],
)
def test_what_is_local(family, address, local):
    assert is_local(family, address) is local


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_a_connection_beyond_loopback_is_refused(method):
    with socket.socket() as outside, pytest.raises(NetworkRefusedError):
        getattr(outside, method)(("192.0.2.1", 9))  # TEST-NET-1: nobody is there in any case


def test_libraries_are_refused_too():
    with pytest.raises(NetworkRefusedError):
        urllib.request.urlopen("http://192.0.2.1:9/", timeout=1)


@pytest.mark.anyio
async def test_so_is_asyncio():
    with pytest.raises(NetworkRefusedError):
        await asyncio.open_connection("192.0.2.1", 9)


def test_loopback_works():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())
