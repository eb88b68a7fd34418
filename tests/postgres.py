"""A real Postgres for the tests: a throw-away server on loopback, gone when the tests end.

Uses the server binaries of the machine (Debian: ``apt-get install postgresql``); tests that need them
are skipped, with that reason, where there are none. `STROP_TEST_POSTGRES` names a running server
instead, where the user may create databases.

Next file: `test_store.py`.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import pytest

__all__ = ["new_database", "postgres", "sql"]


@pytest.fixture(scope="session")
def postgres():
    """URL of a server, without a database."""
    given = os.environ.get("STROP_TEST_POSTGRES")
    if given:
        yield given
        return
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    binaries = _binaries()
    if binaries is None:
        pytest.skip("no Postgres server on this machine (apt-get install postgresql)")
    with _server(binaries) as url:
        yield url


@contextlib.contextmanager
def new_database(server: str):
    """URL of a fresh, empty database; dropped at the end."""
    name = f"strop_{uuid4().hex[:12]}"
    sql(f"{server.rstrip('/')}/postgres", f"CREATE DATABASE {name}")
    yield f"{server.rstrip('/')}/{name}"
    sql(f"{server.rstrip('/')}/postgres", f"DROP DATABASE {name} WITH (FORCE)")


def sql(url: str, *statements: str) -> None:
    """Run statements as another client would."""
    import psycopg  # an optional dependency: these tests are skipped without it

    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def _binaries() -> Path | None:
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    folders = sorted(debian, key=lambda folder: float(folder.parent.name))
    on_path = shutil.which("postgres")
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    whole = [
        Path(f) for f in folders if Path(f, "initdb").exists() and Path(f, "postgres").exists()
    ]
    return whole[-1] if whole else None


@contextlib.contextmanager
def _server(binaries: Path):
    user = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="strop-postgres-"))
    try:
        if user is not None:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        data, port = folder / "data", _free_port()
        options = ["--username=strop", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run(
            [binaries / "initdb", "-D", data, *options],
            check=True,
            user=user,
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [
                    binaries / "postgres",
                    "-D",
                    data,
                    "-p",
                    str(port),
                    "-h",
                    "127.0.0.1",
                    "-k",
                    "",
                    "-F",
                ],
                user=user,
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        try:
            url = f"postgresql://strop@127.0.0.1:{port}"
            _wait_for(url, server, folder / "log")
            yield url
        finally:
            server.send_signal(signal.SIGQUIT)  # at once: nothing on its disk is wanted any more
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> str | None:
    """Postgres refuses to run as root; somebody else to run it as then."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    import psycopg

    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(f"{url}/postgres").close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Postgres did not start:\n{log.read_text()}") from None
            time.sleep(0.05)
        else:
            return
