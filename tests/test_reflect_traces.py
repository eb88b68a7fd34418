"""A run as text for a model: what is shown, what is cut, and which runs are chosen."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from reflecting import RUNS, TASKS, attempt, brief, called
from strategies import scored_runs, tasks
from strop.context import count_tokens
from strop.propose.reflect.traces import choose_runs, cut_middle, plain, render_run
from strop.run import CodeRun, ErrorStep, Message, ModelCall, Run, RunError, ScoredRun, ToolCall
from strop.task import Split, Task


def test_a_run_reads_like_this():
    run = Run(
        id="r1",
        task="t",
        input="What does it cost?",
        split=Split.TRAIN,
        steps=(
            ModelCall(model="m"),
            Message(role="assistant", content="I look it up."),
            called("prices", {"NO": 14}, country="Norway"),
            ToolCall(tool="mail", args=None, error="no address"),
            CodeRun(source="print(14)", output="14\n"),
            ErrorStep(type="limit", message="too many steps"),
        ),
        output={"euros": 41},
        error=RunError(type="limit", message="20 steps"),
        shown=("tone", "law"),
    )
    scored = ScoredRun(run=run, score=attempt("t", 0.0, reason="41 is not 14").score)
    task = Task(id="t", input="What does it cost?", expected={"euros": 14}, category="prices")
    assert render_run(scored, task) == snapshot("""\
Task: What does it cost?
Items it was shown: tone, law
Steps:
2. assistant: I look it up.
3. tool prices {"country": "Norway"} gave {"NO": 14}
4. tool mail null failed: no address
5. code:
print(14)
gave 14

6. error limit: too many steps
Output: {"euros": 41}
The run failed: limit: 20 steps
Score: 0.00 of 1. 41 is not 14
Right answer: {"euros": 14}
Category: prices\
""")


def test_long_runs_are_cut_in_the_middle():
    steps = [called("look", f"page {n}: " + "words " * 200) for n in range(50)]
    text = render_run(attempt("t1", 0.0, steps=steps), tokens=1500, step_tokens=60)
    assert "1. tool look" in text
    assert "50. tool look" in text
    assert "25. tool look" not in text
    assert "steps left out]" in text
    assert "characters in all" in text
    assert 1000 < count_tokens(text) <= 1500


@given(scored_runs, st.none() | tasks(), st.integers(0, 400), st.integers(0, 100))
def test_it_keeps_to_its_budget_and_never_raises(scored, task, tokens, step_tokens):
    text = render_run(scored, task, tokens=tokens, step_tokens=step_tokens)
    assert text == "" or count_tokens(text) <= tokens
    text.encode()


@given(st.text() | st.text("aé漢😀", min_size=50, max_size=400), st.integers(0, 120))
def test_a_cut_text_keeps_its_ends_within_the_budget(text, tokens):
    cut = cut_middle(text, tokens)
    assert cut == "" or count_tokens(cut) <= max(tokens, 4)
    if count_tokens(text) <= tokens:
        assert cut == text
    elif tokens > 40:
        assert cut[0] == text[0]
        assert cut[-1] == text[-1]


@pytest.mark.parametrize(
    "odd",
    ["\ud800 lone", {"\ud800": "\udfff"}, float("nan"), object(), {1: {2}}, b"bytes", 10**5000],
    ids=[str(n) for n in range(7)],
)
def test_odd_values_are_shown_somehow(odd):
    run = Run(
        id="r",
        task="t",
        input=odd,
        split=Split.TRAIN,
        output=odd,
        steps=(ToolCall(tool="t", args=odd, result=odd), CodeRun(source="\ud800", output="\udfff")),
    )
    render_run(ScoredRun(run=run)).encode()
    plain(odd).encode()


def test_deep_values_are_shown_somehow():
    deep = []
    for _ in range(20_000):
        deep = [deep]
    render_run(attempt("t1", 0.0, output=deep)).encode()


def test_huge_outputs_are_cut_first():
    huge = "é" * 10_000_000
    run = attempt("t1", 0.0, steps=[called("read", huge, what=huge)] * 3, output=huge, reason=huge)
    start = time.perf_counter()
    text = render_run(run)
    assert time.perf_counter() - start < 2
    assert count_tokens(text) <= 2000


# --- which runs ----------------------------------------------------------------------------------


def test_failures_come_from_all_categories_and_successes_beside_them():
    shown = choose_runs(brief(), failed=5, passed=5)
    assert shown.ids == ("run-t1", "run-t2", "run-t3")
    assert [len(shown.failed), len(shown.passed)] == [2, 1]
    assert choose_runs(brief(), failed=1, passed=0).ids == ("run-t1",)


def test_one_run_for_each_task_the_latest_of_the_parent_first():
    own = brief().spec.id
    runs = (
        attempt("t1", 0.1, run="own", spec=own),
        attempt("t1", 0.2, run="other"),
        attempt("t2", 0.1, run="old"),
        attempt("t2", 0.3, run="new"),
        attempt("t2", None, run="unscored"),
        attempt("held-out", 0.0, run="unknown task"),
    )
    assert choose_runs(brief(runs=runs), failed=9, passed=9).ids == ("own", "new")


def test_runs_between_the_thresholds_are_neither():
    assert choose_runs(brief(runs=[attempt("t1", 0.75)]), failed=9, passed=9).ids == ()
    assert choose_runs(brief(runs=RUNS, poor=0.1), failed=9, passed=9).ids == ("run-t1", "run-t3")


def test_the_order_of_runs_of_different_tasks_does_not_matter():
    for order in (RUNS, RUNS[::-1]):
        assert choose_runs(brief(runs=order), failed=2, passed=1).ids == (
            "run-t1",
            "run-t2",
            "run-t3",
        )
    assert set(TASKS) == {"t1", "t2", "t3"}
