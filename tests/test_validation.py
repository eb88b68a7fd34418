"""A code tool tried: in a real sandbox, on recorded and on generated arguments."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.errors import ToolCallFailed
from strop.jsonvalue import checked
from strop.permission import Level, Permissions
from strop.sandbox.base import Bounds, Failure, Outcome, What
from strop.sandbox.fake import FakeSandbox
from strop.sandbox.resolve import best_sandbox
from strop.spec import Item, Kind
from strop.tools import Toolbox
from strop.tools.same import agrees
from strop.tools.validation import Instance, validate

QUICK = Bounds(seconds=1.0)
WORKS = '{"a": 5, "b": 6}'


@pytest.fixture(scope="module")
def sandbox():
    best = best_sandbox()
    if best.levels != frozenset(Level):
        pytest.skip("no sandbox here that holds all levels")
    yield best
    best.close()


def code(*lines, parameters=None, **more):
    source = "\n".join(["def f(text):", '    """Does it."""', *(f"    {line}" for line in lines)])
    return whole(source, parameters, **more)


def whole(source, parameters=None, **more):
    text = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    return Item(
        id="tool-f",
        kind=Kind.TOOL,
        content={
            "name": "f",
            "description": "Does it.",
            "parameters": parameters or text,
            "body": {"kind": "code", "source": source, "function": "f", "imports": []},
            **more,
        },
    )


def seen(text, result=None, **more):
    return Instance(args={"text": text}, result=result, **more)


def test_good_code_passes_on_what_was_recorded_and_what_was_not(sandbox):
    item = code("return text.strip().upper()")
    found = validate(item, [seen("a b", "A B\n"), seen("zoë", known=False)], sandbox=sandbox)
    assert found.ok, found
    assert (found.agreed, found.declined) == (1, 0)
    assert found.tried == 22


def test_a_result_that_differs_fails_with_the_input(sandbox):
    found = validate(code("return text.upper()"), [seen("a", "b")], sandbox=sandbox, generated=0)
    (failure,) = found.failures
    assert (failure.check, failure.args) == ("result", {"text": "a"})
    assert (failure.expected, failure.got) == ("b", "A")
    assert failure.message == 'gave A where b was recorded, on {"text": "a"}'


@pytest.mark.parametrize(
    ("lines", "check"),
    [
        (["return txt"], "raised"),
        (["return text.no_such()"], "raised"),
        (["return text + 1"], "raised"),
        (["import os", "os.mkdir('a')", "return 1"], "raised"),
        (["while True: pass"], "timeout"),
        (["return [text] * 10**9"], "memory"),
        (["return {1, 2}"], "result"),
        (["return 'x' * 5_000_000"], "result"),
        (["a = []", "a.append(a)", "return a"], "result"),
        (["import os", "os._exit(0)"], "died"),
        (["import time", "return time.time()"], "repeat"),
        (["import random", "return random.random()"], "repeat"),
        (["return None"], "works"),
        (["raise ValueError(text)"], "works"),
        (["return"], "works"),
    ],
)
def test_code_that_breaks_fails(sandbox, lines, check):
    found = validate(code(*lines), [], sandbox=sandbox, bounds=QUICK, generated=6)
    assert check in [failure.check for failure in found.failures]


def test_code_that_hangs_is_not_waited_for_twice(sandbox):
    began = time.perf_counter()
    found = validate(code("while True: pass"), [seen("a", "b")] * 9, sandbox=sandbox, bounds=QUICK)
    assert time.perf_counter() - began < 5
    assert [failure.check for failure in found.failures] == ["timeout"]


@pytest.mark.parametrize(
    "lines",
    [
        ["return int(text[6])"],
        ["return text.split(',')[1]"],
        ["import json", "return json.loads(text)['a']"],
        ["import re", "return re.match('{', text).group()"],
        ["import re", "found = re.search('b', text)", "return found and found.start()"],
        [f"if text != {WORKS!r}: raise LookupError('no such text')", "return 1"],
        ["if len(text) < 3: raise TypeError('on purpose')", "return 1"],
        ["return 1 / len(text)"],
    ],
)
def test_generated_input_may_be_refused(sandbox, lines):
    works = seen(WORKS, known=False)
    found = validate(code(*lines), [works], sandbox=sandbox)
    assert found.failures == ()
    assert found.declined


def test_a_wrong_type_is_a_defect_where_nothing_is_proven(sandbox):
    item = code("import json", "return json.loads(text)['a']")
    found = validate(item, [], sandbox=sandbox)
    assert "TypeError: 'int' object is not subscriptable" in found.failures[0].message


def test_what_a_run_used_may_not_be_refused(sandbox):
    found = validate(code("return int(text)"), [seen("a", 1)], sandbox=sandbox)
    assert [failure.check for failure in found.failures] == ["raised"]
    assert "ValueError: invalid literal" in found.failures[0].message
    nothing = validate(code("return None"), [seen("a", known=False)], sandbox=sandbox, generated=0)
    assert [failure.check for failure in nothing.failures][:1] == ["works"]
    assert validate(code("return None"), [seen("a", None)], sandbox=sandbox, generated=0).ok


def test_it_runs_at_the_lowest_level_whatever_it_needs(sandbox):
    lines = ["open('a', 'w').write(text)", "return open('a').read()"]
    item = code(*lines, needs={"level": "restricted"})
    found = validate(item, [seen("a", "a")], sandbox=sandbox, generated=0)
    assert [failure.check for failure in found.failures] == ["raised"]
    more = Permissions(level=Level.RESTRICTED)
    assert validate(item, [seen("a", "a")], sandbox=sandbox, permissions=more).ok


def test_a_damaged_item_and_a_sandbox_that_refuses_are_told():
    fake = FakeSandbox({})
    (failure,) = validate(whole("def g(): ..."), [], sandbox=fake).failures
    assert (failure.check, fake.calls) == ("schema", [])
    refused = Outcome(failure=Failure(what=What.REFUSED, message="nothing protects here"))
    found = validate(code("return 1"), [], sandbox=FakeSandbox({"f": refused}))
    assert [failure.check for failure in found.failures] == ["refused"]
    assert found.tried == 1


def test_code_without_parameters_is_called_once(sandbox):
    item = whole(
        'def f():\n    """Does it."""\n    return [1]', {"type": "object", "properties": {}}
    )
    assert validate(item, [], sandbox=sandbox).tried == 1


# --- hostile code, called by an agent's toolbox ---------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["import os", "os.fork()", "return 1"], "f failed: "),
        (["while True: pass"], "ask for less, or do without it"),
        (["print('x' * 200_000_000)", "return 1"], None),
        (["return 'x' * 300_000_000"], "f failed: "),
        (["a = {}", "a['a'] = a", "return a"], "f failed: "),
        (["import socket", "socket.create_connection(('127.0.0.1', 80), 1)"], "f failed: "),
        (["raise SystemExit(text)"], "f failed: "),
        (["return [[]] * 50_000"], "can be shown, ask for less"),
        (["raise KeyboardInterrupt"], "f failed: "),
        (["def g(): return g()", "return g()"], "f failed: RecursionError"),
    ],
)
async def test_hostile_code_is_a_failed_call(sandbox, lines, message):
    uses = []
    box = Toolbox(sandbox=lambda: sandbox, record=uses.append, bounds=Bounds(seconds=1.5))
    item = code(*lines)
    assert box.inert([item]) == {}
    try:
        result, said = await box.call("f", {"text": "a"}, items=[item]), ""
    except ToolCallFailed as error:
        result, said = None, str(error)
    if message is None:
        assert result == 1
    else:
        assert message in said
    assert len(said) < 1_000
    assert [use.ok for use in uses] == [message is None]
    assert await box.call("f", {"text": "a"}, items=[code("return text")]) == "a"


# --- whether a result is the recorded one ----------------------------------------------------------


@pytest.mark.parametrize(
    ("got", "recorded"),
    [
        ("a", " a\n"),
        ([1, 2], "[1, 2]"),
        ({"a": [True, None]}, "{'a': [True, None]}"),
        ({"a": [True, None]}, '{"a": [true, null]}'),
        ([1, 2], "(1, 2)\n"),
        (["a", "b"], "{'b', 'a'}"),
        (0.1 + 0.2, 0.3),
        (3, 3.0),
        (12, "12"),
        (True, "True"),
        (None, "None"),
        (None, None),
    ],
)
def test_results_that_agree(got, recorded):
    assert agrees(got, recorded)


@pytest.mark.parametrize(
    ("got", "recorded"),
    [
        ("a", "b"),
        (1, True),
        (0, None),
        ("12", 12),
        ([1], [1, 2]),
        ({"a": 1}, {"b": 1}),
        (10**40, 10**40 + 1),
        (1.0, "one"),
        (10**400, 1.5),
        ([1], "[" * 5_000),
    ],
)
def test_results_that_do_not(got, recorded):
    assert not agrees(got, recorded)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_a_value_agrees_with_itself_and_with_its_print(value):
    assert agrees(checked(value), checked(value))
    assert agrees(checked(value), repr(value)) or isinstance(value, str)
