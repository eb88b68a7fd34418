"""The network of code that may connect to named hosts only: an empty one, with doors in it.

In a network namespace of its own only loopback is there. For every host and port granted, a socket
listens on an address there; it is handed to the process outside, which connects to the real host
(`relay.py`). What is not granted cannot be reached because there is nothing to reach it by.
Used in worker processes only: standard library, nothing of Strop.

Source: network_namespaces(7), netdevice(7); a socket stays in the namespace it was made in.

Next file: `sandbox/linux/confine.py`.
"""

import fcntl
import socket
import struct

__all__ = ["listen"]

_SIOCSIFADDR, _SIOCSIFFLAGS = 0x8916, 0x8914
_UP_AND_RUNNING = 0x1 | 0x40


def listen(doors: list[tuple[str, int]]) -> list[socket.socket]:
    """Listening sockets for these addresses of the network namespace that this process is in.

    Args:
        doors: IPv4 address and port; addresses beyond 127.0.0.0/8 are given to loopback too.

    Raises:
        OSError: The kernel refuses.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", _UP_AND_RUNNING)
        fcntl.ioctl(control, _SIOCSIFFLAGS, request)
        outside = sorted({address for address, _ in doors if not address.startswith("127.")})
        for i, address in enumerate(outside):
            name = f"lo:{i}".encode()
            where = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(control, _SIOCSIFADDR, struct.pack("16s16s8x", name, where))
    found = []
    for at in doors:
        door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(at)
        door.listen(64)
        found.append(door)
    return found
