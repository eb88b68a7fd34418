"""What is Monty's alone; what it shares with others is in `test_sandbox_contract.py`."""

import sys

import pytest

from strop.permission import Level, Permissions
from strop.sandbox import Bounds, MontySandbox, Program, What

pytest.importorskip("pydantic_monty")


def run(source, args=None, permissions=None, **bounds):
    program = Program(source=source, function="f")
    permissions = permissions or Permissions()
    return MontySandbox().call(
        program, args or {}, permissions=permissions, bounds=Bounds(**bounds)
    )


def failed(outcome, what):
    assert outcome.failure is not None
    assert outcome.failure.what is what, outcome.failure
    return outcome.failure


@pytest.mark.parametrize(
    ("source", "says", "line"),
    [
        ("def g():\n    yield 1\ndef f():\n    return list(g())", "yield", 2),
        ("class Odd(Exception):\n    pass\ndef f():\n    pass", "inheritance", 1),
        ("import sqlite3\ndef f():\n    pass", "no module 'sqlite3'", 1),
        ("def f():\n    import xml.dom\n    return 1", "no module 'xml'", 2),
        ("def f():\n    raise SystemExit(3)", "Internal error", None),
    ],
)
def test_what_the_subset_lacks_is_refused_not_failed(source, says, line):
    failure = failed(run(source), What.REFUSED)
    assert failure.message.startswith("monty runs a subset of Python: ")
    assert says in failure.message
    assert failure.line == line


def test_what_no_python_has_is_a_failure():
    assert failed(run("import no_such_thing\ndef f(): pass"), What.INVALID).line == 1
    source = "def f():\n    import no_such_thing"
    assert failed(run(source), What.RAISED).message.startswith("ModuleNotFoundError")
    source = "def f():\n    raise NotImplementedError('not by us')"
    assert failed(run(source), What.RAISED).message == "NotImplementedError: not by us"
    source = "def f():\n    raise TimeoutError('of its own')"
    assert failed(run(source), What.RAISED).message == "TimeoutError: of its own"


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydantic_monty", None)
    failure = failed(run("def f(): pass"), What.REFUSED)
    assert "pip install 'strop[monty]'" in failure.message


def test_a_worker_that_does_not_start_is_a_refusal(monkeypatch):
    monkeypatch.setenv("MONTY_BIN", "/nowhere/monty")
    assert "monty does not run" in failed(run("def f(): pass"), What.REFUSED).message


def test_a_worker_that_does_not_look_at_its_clock_is_killed():
    source = """
def f():
    text = "a" * 2_000_000
    return [text.find("a" * 1_000_000 + "b" + str(n)) for n in range(10_000)]
"""
    assert min(failed_after(source) for _ in range(2)) < 0.8


def failed_after(source):
    outcome = run(source, seconds=0.3)
    failed(outcome, What.TIMEOUT)
    return outcome.seconds


def test_sleeping_takes_no_time():
    outcome = run("import time\ndef f():\n    time.sleep(1000)\n    return 1", seconds=2)
    assert (outcome.value, outcome.seconds < 2) == (1, True)


def test_a_program_may_shadow_what_the_call_needs():
    source = """
def isinstance(*_): return False
json = len = str = dict = type = ValueError = None
def f(n):
    return {"n": [n]}
"""
    assert run(source, {"n": 1}).value == {"n": [1]}


def test_a_forged_answer_is_read_as_what_it_is():
    source = "def __strop_text(value, bound):\n    return '[1'\ndef f():\n    return 1"
    assert "not JSON" in failed(run(source), What.RESULT).message
    source = "def __strop_text(value, bound):\n    return 5\ndef f():\n    return 1"
    failed(run(source), What.RESULT)
    source = "def __strop_text(value, bound):\n    return '[' * 100_000\ndef f():\n    return 1"
    failed(run(source), What.RESULT)


def test_lines_are_counted_as_python_does():
    for end in ("\n", "\r\n", "\r"):
        failure = failed(run(f"def f():{end}    n = 0{end}    return 1 / n{end}"), What.RAISED)
        assert failure.line == 3


def test_it_holds_one_level_without_folders():
    assert MontySandbox.levels == {Level.SANDBOX}
    failed(run("def f(): pass", permissions=Permissions(read=("/usr",))), What.REFUSED)


def test_arguments_that_are_not_json():
    failure = failed(run("def f(n): return n", {"n": float("inf")}), What.INVALID)
    assert "args.n" in failure.message
    failed(run("def f(n): return n", {"n": "\ud800"}), What.INVALID)
