"""Python that a tool was given as an argument is code; other text is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.mine import mine_stream
from strop.mine.calls import Call
from strop.mine.snippets import SnippetMiner, blocks_of
from strop.mine.snippets.arguments import python_argument
from strop.run import Run, ScoredRun, ToolCall
from strop.task import Split

CODE = "import os\nnames = sorted(os.listdir('a'))\nprint(len(names))\n"


@pytest.mark.parametrize("name", ["code", "source", "script", "python", "program"])
def test_an_argument_of_a_telling_name_is_code_and_its_output_the_result(name):
    call = Call(tool="execute", args={name: CODE, "timeout": 5, "session": "a"}, result="3\n")
    (block,) = blocks_of([call], task="t", run="r")
    assert (block.source, block.printed, block.failed) == (CODE, "3", False)


@pytest.mark.parametrize(
    ("tool", "args"),
    [
        ("run_python", {"input": CODE}),
        ("CodeInterpreter", {"text": CODE, "seconds": 3}),
        ("python", CODE),
    ],
)
def test_the_only_text_of_a_tool_for_code_is_code(tool, args):
    assert python_argument(tool, args) == CODE


@pytest.mark.parametrize(
    ("tool", "args"),
    [
        ("note", {"text": CODE}),
        ("run_python", {"input": CODE, "path": "a.py"}),
        ("execute", {"code": CODE, "script": CODE}),
        ("execute", {"code": CODE, "language": "javascript"}),
        ("execute", {"code": [CODE]}),
        ("execute", {"code": None}),
        ("execute", None),
        ("python", [CODE]),
        ("python", None),
    ],
)
def test_where_it_is_not_clear_which_text_is_code_none_is(tool, args):
    assert python_argument(tool, args) is None


NOT_CODE = [
    "yes",
    "total",
    "not found",
    "yes\nno",
    "due (late)",
    "yes; call (me)",
    "import duty",
    "raise alarm",
    "pass",
    "return",
    "a == b",
    "note: important",
    "12345",
    "'quoted'",
    "if late: refund",
    "console.log(x);",
    "fetch(url).then(show)",
    "SELECT count(*) FROM orders",
    "def f(:",
    "x = (",
    "\0x = 1",
    "",
]


@pytest.mark.parametrize("text", NOT_CODE)
def test_texts_that_do_nothing_or_do_not_parse_are_no_code(text):
    assert python_argument("run_python", {"code": text}) is None
    assert blocks_of([Call(tool="code", args={"code": text})], task="t", run="r") == ()


@pytest.mark.parametrize(
    "text", ["print(3)", "x = y", "def f():\n    pass", "import a.b\na.b.c(1)", "','.join(rows)"]
)
def test_one_statement_that_does_something_is_code(text):
    assert python_argument("run_python", {"code": text}) == text


@given(st.text(alphabet="abc ()=:.,\n'1", max_size=40))
def test_whatever_the_text_nothing_is_raised_and_what_is_code_parses(text):
    found = python_argument("python", {"code": text})
    if found is not None:
        compile(found, "a", "exec")


def test_a_call_that_failed_is_no_evidence_and_python_in_a_shell_still_counts():
    failed = Call(tool="run_python", args={"code": CODE}, error="NameError: os")
    shell = Call(tool="bash", args={"command": f"python - <<'EOF'\n{CODE}EOF"}, result="3")
    blocks = blocks_of([failed, shell], task="t", run="r")
    assert [(b.source, b.printed, b.failed) for b in blocks] == [
        (CODE, None, True),
        (CODE, "3", False),
    ]


def test_code_in_tool_calls_becomes_a_tool_with_results():
    runs = [
        ScoredRun(
            run=Run(
                id=f"r{i}",
                task=f"t{i}",
                input="",
                split=Split.TRAIN,
                steps=(
                    ToolCall(
                        tool="run_python",
                        args={"code": f"names = sorted('{w}'.upper()[1:])\nprint(len(names))\n"},
                        result=f"{len(w) - 1}\n",
                    ),
                ),
            )
        )
        for i, w in enumerate(["one", "three", "eleven", "a", "fourteen"])
    ]
    found = mine_stream(runs, [SnippetMiner()])
    assert [i["printed"] for f in found for i in f.data["instances"]] == ["2", "4", "5", "0", "7"]
