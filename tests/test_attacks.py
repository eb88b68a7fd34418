"""Hostile tools have no effect on the host: as whoever runs the tests, and as an ordinary user."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from strop.sandbox import Outcome
from strop.sandbox.base import Failure, What

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these sandboxes are Linux's")

sys.path.append(str(Path(__file__).resolve().parents[1]))  # the benchmarks are beside the tests
if sys.platform == "linux":
    from bench.tools import attacks, host

    from strop.sandbox.linux import LandlockSandbox, NamespaceSandbox

FEWEST = {"own": 60, "shared": 40}


def swept(who, which):
    if which == "shared" and not attacks.SHARED.exists():
        pytest.skip("../shared/attacks is not there")
    if who == "user" and os.geteuid() != 0:
        pytest.skip("these tests run as an ordinary user already")
    python = sys.executable
    if who == "user":
        python = host.readable_python()
        if python is None:
            pytest.skip("no interpreter here that an ordinary user can run")
    command = [python, "-m", "bench.tools.attacks", "--quick", "--only-me", "--set", which]
    environment = {"PYTHONPATH": f"{attacks.ROOT}/src:{attacks.ROOT}", "PATH": os.defpath}
    run = subprocess.run(
        command,
        cwd="/",
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        **(host.as_user() if who == "user" else {}),
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("which", ["own", pytest.param("shared", marks=pytest.mark.realdata)])
@pytest.mark.parametrize("who", ["me", "user"])
def test_no_attack_has_an_effect_and_every_control_works(who, which):
    report = swept(who, which)
    rows = [row for row in report.values() if isinstance(row, dict) and row["available"]]
    if not rows:
        pytest.skip(f"no sandbox on this machine: {report}")
    for row in rows:
        assert row["effects"] == {}
        assert set(row["controls"].values()) <= {"ok", "not installed"}
        assert row["controls"].get("ok_add", "ok") == "ok"
    if report["namespaces"]["available"]:
        assert report["namespaces"]["attacks"] >= FEWEST[which]


class Unconfined:
    """Runs code right here: what the judge must see through."""

    levels = frozenset()

    def call(self, program, args, *, permissions, bounds):
        space = {}
        exec(program.source, space)
        try:
            return Outcome(value=space[program.function](**args))
        except Exception as error:  # noqa: BLE001
            return Outcome(failure=Failure(what=What.RAISED, message=str(error)))


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("def tool(**k):\n return open(k['canary']).read()", "it told"),
        ("def tool(**k):\n return open('/etc/passwd').read()", "it told"),
        ("import os\ndef tool(**k):\n return dict(os.environ)", "it told"),
        ("def tool(**k):\n open(k['outside'] + '/w1', 'w').close()", "a file was made"),
        ("def tool(**k):\n open('/tmp/toolsyn' + k['rid'], 'w').close()", "a file was made"),
        (
            "import socket\ndef tool(**k):\n s = socket.create_connection(('127.0.0.1', k['tcp']))\n s.sendall(b'pwned')",
            "a listener heard",
        ),
        (
            "import socket\ndef tool(**k):\n s = socket.socket(socket.AF_UNIX)\n s.connect(k['upath'])\n s.sendall(b'pwned')",
            "a listener heard",
        ),
        (
            "import socket\ndef tool(**k):\n s = socket.socket(socket.AF_UNIX)\n s.connect('\\0' + k['uabs'])\n s.sendall(b'pwned')",
            "a listener heard",
        ),
        (
            "import socket\ndef tool(**k):\n s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n s.sendto(b'pwned', ('127.0.0.1', k['udp']))",
            "a listener heard",
        ),
        ("import os\ndef tool(**k):\n os.kill(k['vpid'], 9)", "the bystander was killed"),
        ("import os\ndef tool(**k):\n os.kill(k['hpid'], 10)", "the host was sent signal"),
        ("import builtins\ndef tool(**k):\n builtins.MARK = 1", "the next call saw"),
        (
            "import subprocess\ndef tool(**k):\n subprocess.Popen(['sleep', '2.5'])",
            "processes survived",
        ),
        ("def tool(**k):\n return 'x' * 3000000", "the result is larger"),
    ],
)
def test_the_judge_sees_what_an_unconfined_tool_does(source, seen, tmp_path):
    import builtins

    try:
        found = attacks.attack(Unconfined(), attacks.Level.SANDBOX, source, tmp_path)
    finally:
        if hasattr(builtins, "MARK"):
            del builtins.MARK
        for path in Path("/tmp").glob("toolsynr*"):
            path.unlink()
    assert any(seen in text for text in found), found


def test_at_least_one_sandbox_is_there_on_this_machine():
    if not (NamespaceSandbox.probe()[0] or LandlockSandbox.probe()[0]):
        pytest.skip("; ".join(kind.probe()[1] for kind in (NamespaceSandbox, LandlockSandbox)))
