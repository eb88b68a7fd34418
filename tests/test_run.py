"""Runs and scores, and their JSON lines."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import runs, scored_runs, steps, usages
from strop.errors import BadInput
from strop.run import (
    CodeRun,
    Message,
    ModelCall,
    Run,
    RunError,
    Score,
    ScoredRun,
    ScoreFailure,
    ToolCall,
    Usage,
    load_runs,
    run_lines,
    step_from_json,
)
from strop.task import Split

RUN = Run(id="r", task="t", input="x", split=Split.TRAIN)


def through(value):
    return json.loads(json.dumps(value))


# --- JSON ----------------------------------------------------------------------------------------


@given(steps)
def test_a_step_survives_json(step):
    assert step_from_json(through(step.to_json())) == step


@given(runs)
def test_a_run_survives_json(run):
    assert Run.from_json(through(run.to_json())) == run


@given(scored_runs)
def test_a_scored_run_survives_json(scored):
    again = ScoredRun.from_json(through(scored.to_json()))
    assert again == scored
    assert again.value == scored.value


@given(st.lists(scored_runs, max_size=3))
def test_runs_survive_a_file(tmp_path_factory, many):
    path = tmp_path_factory.getbasetemp() / "runs.jsonl"
    path.write_text("".join(run_lines(many)), encoding="utf-8")
    assert list(load_runs(path)) == many


def test_a_line_of_another_agent_needs_little():
    scored = ScoredRun.from_json({"id": "r", "task": "t", "score": 1, "extra": [1], "usage": None})
    assert scored.run == Run(id="r", task="t", input=None, split=Split.PRODUCTION)
    assert scored.score == Score(name="imported", value=1.0)


def test_steps_as_other_agents_write_them():
    call = {"kind": "message", "role": "assistant", "content": None, "tool_calls": []}
    assert step_from_json(call) == Message(role="assistant", content="")
    parts = {"kind": "message", "role": "user", "content": [{"type": "text", "text": "hi"}]}
    assert step_from_json(parts) == Message(role="user", content='[{"text": "hi", "type": "text"}]')
    failed = {"kind": "tool_call", "tool": "find", "args": {}, "error": {"code": 404}}
    assert step_from_json(failed) == ToolCall(tool="find", error='{"code": 404}')
    assert step_from_json({"kind": "model", "model": "m", "usage": None}) == ModelCall(model="m")
    assert step_from_json({"kind": "code", "source": "1", "output": None}) == CodeRun(source="1")


def test_an_error_may_be_text():
    value = {"id": "r", "task": "t", "error": "it broke"}
    assert Run.from_json(value).error == RunError(type="agent", message="it broke")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": None}, "field 'id' is missing or not a string"),
        ({"id": 5}, "field 'id' is missing or not a string"),
        ({"task": ""}, "field 'task' is missing or not a string"),
        ({"split": "dev"}, "there is no split 'dev'"),
        ({"trial": -1}, "'trial' must be a whole number from 0"),
        ({"trial": True}, "'trial' must be a whole number from 0"),
        ({"spec": 5}, "'spec' must be a string or null"),
        ({"at": "yesterday"}, "'at' must be seconds since the epoch, or null"),
        ({"at": True}, "'at' must be seconds"),
        ({"usage": 5}, "'usage' must be an object or null"),
        ({"shown": "a"}, "must be lists of item ids"),
        ({"withheld": [1]}, "must be lists of item ids"),
        ({"error": 5}, "'error' must be null, text or {type, message}"),
        ({"error": {"type": "x"}}, "'error' must be null, text or {type, message}"),
        ({"steps": {}}, "'steps' must be a list of objects"),
        ({"steps": ["x"]}, "'steps' must be a list of objects"),
        ({"steps": [{"kind": "dance"}]}, "step 0: unknown step kind 'dance'; the kinds are"),
        ({"steps": [{}]}, "step 0: the step lacks 'kind'"),
        ({"steps": [{"kind": ["x"]}]}, "unknown step kind"),
        ({"steps": [{"kind": "message", "role": "user"}]}, "the step lacks 'content'"),
        ({"steps": [{"kind": "tool_call"}]}, "the step lacks 'tool'"),
        ({"steps": [{"kind": "model", "model": "m", "usage": [1]}]}, "'usage' must be an object"),
        ({"output": float("nan")}, "f:3.output: nan is not a JSON number"),
        ({"score": 1.5}, r"a score lies in \[0, 1\], not 1.5"),
        ({"score": "good"}, r"a score lies in \[0, 1\], not 'good'"),
    ],
)
def test_what_is_no_run_is_refused_with_its_place(change, message):
    with pytest.raises(BadInput, match=message) as caught:
        ScoredRun.from_json({**RUN.to_json(), **change}, where="f:3")
    assert str(caught.value).startswith("f:3")


def test_an_output_as_deep_as_a_value_may_be_survives():
    deep = "x"
    for _ in range(100):
        deep = [deep]
    run = Run(id="r", task="t", input=deep, split=Split.TRAIN, output=deep)
    (line,) = run_lines([ScoredRun(run=run)])
    assert ScoredRun.from_json(json.loads(line)).output == deep


@pytest.mark.parametrize("output", [float("nan"), "\ud800", {1: 2}, object()])
def test_a_line_that_nobody_could_read_is_not_written(output):
    bad = Run(id="r", task="t", input="x", split=Split.TRAIN, output=output)
    with pytest.raises(BadInput, match=r"run 'r'.output: "):
        list(run_lines([ScoredRun(run=bad)]))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_line_ends_and_byte_order_marks_do_no_harm(tmp_path, encoding, end):
    path = tmp_path / "runs.jsonl"
    path.write_bytes(((json.dumps(RUN.to_json()) + end) * 2).encode(encoding))
    assert [scored.run for scored in load_runs(path)] == [RUN, RUN]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "not JSON"),
        (b"[]", "expected a JSON object"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 99_999, "not JSON"),
        (b'{"id": "r"}', "field 'task' is missing"),
    ],
)
def test_every_bad_line_is_named_when_it_is_reached(tmp_path, line, message):
    path = tmp_path / "runs.jsonl"
    path.write_bytes(json.dumps(RUN.to_json()).encode() + b"\n\n" + line + b"\n")
    lines = load_runs(path)
    assert next(lines).run == RUN
    with pytest.raises(BadInput, match=f"{path}:3: .*{message}"):
        next(lines)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"none\.jsonl: cannot read runs"):
        list(load_runs(tmp_path / "none.jsonl"))


# --- scores and usage ----------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), -0.1, 1.0001, float("inf"), "1", None, 2])
def test_a_score_lies_between_0_and_1(value):
    with pytest.raises(BadInput, match="score 'exact': a score lies in"):
        Score(name="exact", value=value)


@pytest.mark.parametrize("value", [True, 1, 1.0])
def test_a_score_is_a_float_whatever_it_was(value):
    score = Score(name="exact", value=value)
    assert type(score.value) is float
    assert score.value == 1.0


def test_no_score_is_not_zero():
    assert ScoredRun(run=RUN).value is None
    assert ScoredRun(run=RUN, score=ScoreFailure(name="x", error="")).value is None
    assert ScoredRun(run=RUN).to_json()["score"] is None


@given(usages, usages, usages)
def test_usage_adds_up_in_any_order(a, b, c):
    left, right = (a + b) + c, a + (b + c)
    for name in ("input_tokens", "output_tokens", "cached_tokens", "requests", "tool_calls"):
        assert (
            getattr(left, name) == getattr(right, name) == sum(getattr(u, name) for u in (a, b, c))
        )
    assert math.isclose(left.seconds, right.seconds, abs_tol=1e-9)
    assert (left.cost is None) == all(u.cost is None for u in (a, b, c))
    assert a + Usage() == a


def test_an_unknown_cost_is_not_zero():
    assert (Usage() + Usage()).cost is None
    assert (Usage(cost=0.0) + Usage()).cost == 0.0
    assert Usage.from_json({"cost": None, "prompt_details": {}, "requests": True}) == Usage()
