"""Recurring code becomes a tool with the right parameters, and odd code harms nothing."""

import ast
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strop.mine import mine_stream
from strop.mine.snippets import Block, SnippetMiner, mine_snippets
from strop.mine.snippets.normal import normal, statements_in
from strop.mine.snippets.values import MISSING, kind_of, literal, node_of
from strop.run import CodeRun, Run, Score, ScoredRun, ToolCall
from strop.spec import Item, Kind, Provenance, Trust
from strop.task import Split, Task

EDIT = """\
import sys

{name} = {path!r}
with open({name}, 'r') as {f}:
    {lines} = {f}.readlines()

# a comment that differs: {first}
if 'def' not in {lines}[{first}]:
    print('not what was expected')
    sys.exit(1)

{lines}[{first}:{last}] = {new!r}

with open({name}, 'w') as {f}:
    {f}.writelines({lines})
print("Done with it.")
"""


def edit(number: int) -> str:
    return EDIT.format(
        name=("path", "file_path")[number % 2],
        f=("f", "handle")[number % 2],
        lines=("lines", "rows", "text")[number % 3],
        path=f"src/file{number}.py",
        first=10 + number,
        last=12 + 2 * number,
        new=[f"line {number}\n"],
    )


def built(finding) -> object:
    """The mined function itself."""
    body = finding.data["tool"]["body"]
    space: dict = {}
    exec(body["source"], space)
    return space[body["function"]]


def test_a_recurring_edit_becomes_one_tool_with_a_parameter_for_each_thing_that_differs(tmp_path):
    (finding,) = mine_snippets([edit(i) for i in range(4)])
    tool = finding.data["tool"]
    assert tool["name"] == "replace_lines_in_file"
    assert list(tool["parameters"]["properties"]) == ["file_path", "start", "stop", "new"]
    assert tool["parameters"]["properties"]["start"]["type"] == "integer"
    assert tool["parameters"]["properties"]["new"]["items"] == {"type": "string"}
    assert tool["needs"]["level"] == "restricted"
    assert finding.data["support"]["tasks"] == 4
    file = tmp_path / "a.py"
    file.write_text("a\nb\nc\nd\n")
    built(finding)(file_path=str(file), start=1, stop=3, new=["x\n"])
    assert file.read_text() == "a\nx\nd\n"


def test_the_path_that_is_opened_twice_is_one_parameter_and_instances_give_its_value():
    (finding,) = mine_snippets([edit(i) for i in range(3)])
    for number, instance in enumerate(finding.data["instances"]):
        assert instance["replayable"]
        assert instance["args"] == {
            "path": f"src/file{number}.py",
            "start": 10 + number,
            "stop": 12 + 2 * number,
            "new": [f"line {number}\n"],
        }


def test_two_tasks_are_not_enough_and_one_task_that_repeats_itself_counts_once():
    assert mine_snippets([edit(0), edit(1)]) == ()
    again = [Block(source=edit(i), task="one", run="one") for i in range(9)]
    assert mine_snippets(again) == ()


def test_keywords_that_only_some_calls_give_are_optional():
    sources = [
        "from django.conf import settings\nimport django\n"
        f"settings.configure({keywords})\ndjango.setup()\nprint({i})\n"
        for i, keywords in enumerate(
            [
                "INSTALLED_APPS=['a'], DATABASES={'default': {'ENGINE': 'one'}}",
                "INSTALLED_APPS=['b']",
                "INSTALLED_APPS=['c', 'd'], DATABASES={'default': {'ENGINE': 'two'}}",
                "INSTALLED_APPS=['e'], DEBUG=True, ROOT_URLCONF=None",
                "INSTALLED_APPS=['f'], USE_TZ=False",
                "INSTALLED_APPS=['g'], DEBUG=True",
            ]
            * 3
        )
    ]
    (finding,) = mine_snippets(sources)
    tool = finding.data["tool"]
    assert tool["name"] == "configure_settings_and_setup_django"
    assert tool["parameters"]["required"] == ["installed_apps"]
    assert set(tool["parameters"]["properties"]) == {
        "installed_apps",
        "databases",
        "debug",
        "use_tz",
        "options",
    }
    by_task = {i["task"]: i["args"] for i in finding.data["instances"]}
    assert by_task["source-1"] == {"installed_apps": ["b"]}
    # A keyword that was given as null is not one that was left out.
    assert by_task["source-3"] == {
        "installed_apps": ["e"],
        "debug": True,
        "options": {"ROOT_URLCONF": None},
    }


def test_what_is_read_afterwards_is_returned():
    sources = [
        f"import json\nwith open('data{i}.json') as f:\n    rows = json.load(f)\n"
        f"total = sum(rows) + {i}\nkeep(total, rows)\n"
        for i in range(9)
    ]
    (finding,) = mine_snippets(sources)
    source = finding.data["tool"]["body"]["source"]
    assert "return {'rows': rows, 'total': total}" in source
    assert finding.data["tool"]["body"]["imports"] == ["json"]


def test_what_is_printed_is_returned_where_nothing_else_is(capsys):
    sources = [f"import platform\nprint(platform.system(), 'run', {i})\n" for i in range(12)]
    longer = [f"{s}print(platform.machine().lower(), {i} + 1)\n" for i, s in enumerate(sources)]
    (finding,) = mine_snippets(longer)
    result = built(finding)(**finding.data["instances"][1]["args"])
    assert capsys.readouterr().out == ""
    exec(longer[1], {})
    assert capsys.readouterr().out.rstrip() == result


def test_code_whose_value_no_json_can_carry_is_no_tool():
    sources = [
        f"from sympy import Symbol, expand\nx = Symbol('x{i}')\ny = expand((x + {i}) ** 2)\n"
        f"use(x, y, {i})\n"
        for i in range(5)
    ]
    assert mine_snippets(sources) == ()


def test_a_value_that_is_only_known_when_it_runs_is_no_replayable_instance():
    known = [edit(i) for i in range(3)]
    unknown = edit(3).replace("src/file3.py'", "x.py'").replace("[13:18]", "[found:18]")
    unknown = unknown.replace("[13]", "[0]").replace("import sys", "import sys\nfound = look()")
    (finding,) = mine_snippets([*known, unknown])
    assert finding.data["support"]["tasks"] == 4
    assert [i["replayable"] for i in finding.data["instances"]] == [True, True, True, False]
    assert finding.data["instances"][-1]["args"] is None


def test_nearly_always_the_same_value_is_the_default():
    sources = [
        f"import shutil\nshutil.copy('from{i}.txt', 'to{i}.txt')\n"
        f"shutil.make_archive('backup{i}', {'tar' if i == 7 else 'zip'!r}, 'folder')\n"
        for i in range(30)
    ]
    (finding,) = mine_snippets(sources)
    properties = finding.data["tool"]["parameters"]["properties"]
    defaults = {name: s["default"] for name, s in properties.items() if "default" in s}
    assert list(defaults.values()) == ["zip"]
    # 'folder' is the same in all: no parameter at all.
    assert "'folder'" in finding.data["tool"]["body"]["source"]


def test_runs_that_fail_more_than_others_teach_nothing():
    def runs(prefix: str, value: float, make) -> list[ScoredRun]:
        return [
            ScoredRun(
                run=Run(
                    id=f"{prefix}{i}",
                    task=f"{prefix}{i}",
                    input="",
                    split=Split.TRAIN,
                    steps=(CodeRun(source=make(i)),),
                ),
                score=Score(name="s", value=value),
            )
            for i in range(9)
        ]

    other = (
        "import shutil\nimport tempfile\nfolder = tempfile.mkdtemp()\n"
        "shutil.copytree('a{0}', folder, dirs_exist_ok=True)\n"
        "shutil.make_archive('b{0}', 'zip', root_dir=folder)\nshutil.rmtree(folder)\n"
    )
    good = runs("good", 1.0, edit)
    bad = runs("bad", 0.0, other.format)
    found = mine_stream([*good, *bad], [SnippetMiner()])
    assert [f.data["tool"]["name"] for f in found] == ["replace_lines_in_file"]
    assert found[0].data["support"] == {"tasks": 9, "runs": 9, "successes": 9, "failures": 0}
    assert found[0].runs == tuple(f"good{i}" for i in range(9))
    # The same code, from runs that went well, is a tool.
    again = mine_stream(runs("ok", 1.0, other.format), [SnippetMiner()])
    assert len(again) == 1


def test_held_out_tasks_are_passed_over():
    tasks = {f"t{i}": Task(id=f"t{i}", input="x") for i in range(2)}
    runs = [
        ScoredRun(
            run=Run(
                id=f"r{i}",
                task=f"t{i}",
                input="x",
                split=Split.TRAIN,
                steps=(CodeRun(source=edit(i)),),
            )
        )
        for i in range(6)
    ]
    assert mine_stream(runs, [SnippetMiner(tasks=tasks)]) == ()
    assert len(mine_stream(runs, [SnippetMiner()])) == 1


def test_code_in_shell_commands_counts_and_a_failed_call_does_not():
    def run(number: int, result: object) -> ScoredRun:
        command = f"python - <<'EOF'\n{edit(number)}EOF"
        step = ToolCall(tool="bash", args={"command": command}, result=result)
        return ScoredRun(
            run=Run(id=f"r{number}", task=f"t{number}", input="", split=Split.TRAIN, steps=(step,))
        )

    fine = {"returncode": 0, "output": "Done with it."}
    assert len(mine_stream([run(i, fine) for i in range(3)], [SnippetMiner()])) == 1
    failed = {"returncode": 1, "output": "IndexError: list index out of range"}
    runs = [run(0, fine), run(1, fine), run(2, failed)]
    miner = SnippetMiner()
    assert mine_stream(runs, [miner]) == ()
    assert (miner.counts.blocks, miner.counts.failed) == (3, 1)


def test_findings_do_not_depend_on_hashes():
    import subprocess
    import sys

    program = (
        "import json, sys; sys.path.insert(0, 'tests')\n"
        "from test_mine_snippets import edit\n"
        "from strop.mine.snippets import mine_snippets\n"
        "print(json.dumps([f.to_json() for f in mine_snippets([edit(i) for i in range(5)])]))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            cwd=str(__import__("pathlib").Path(__file__).parent.parent),
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1


def test_the_tool_of_a_finding_is_a_valid_item():
    (finding,) = mine_snippets([edit(i) for i in range(3)])
    tool = finding.data["tool"]
    item = Item(
        id=f"tool-{tool['name']}",
        kind=Kind.TOOL,
        content=tool,
        provenance=Provenance(by="mined:snippets", trust=Trust.EVIDENCE),
    )
    assert json.loads(json.dumps(finding.to_json()))["kind"] == "snippet"
    assert item.content["body"]["kind"] == "code"


ODD = {
    "does not parse": "def f(:\n",
    "Python 2": "print 'hello'\n",
    "null bytes": "a = 1\0\nb = 2\n",
    "deep nesting": "x = " + "(" * 5_000 + "1" + ")" * 5_000,
    "deep sum": "x = " + " + ".join(["a"] * 20_000),
    "deep attributes": "a" + ".b" * 20_000,
    "ten megabytes": "x = '" + "y" * 10_000_000 + "'\n",
    "huge number": "x = " + "9" * 4_000 + "\nprint(x)\n",
    "endless": "x = 1e999\nprint(x, -x)\n",
    "exec": "exec('x = 1')\nprint(open('a').read())\n",
    "star import": "from os.path import *\nprint(join('a', basename('b')), exists('c'))\n",
    "two star imports": "from os import *\nfrom sys import *\nprint(getcwd(), path)\n",
    "class": "class A:\n    x = 1\n    def f(self):\n        return super().f()\nA().f()\n",
    "async": "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    async with g() as h:\n        pass\nasyncio.run(f())\n",
    "walrus": "if (n := len(open('a').read())) > 10:\n    print(f'{n=} {n!r:>{n}}')\n",
    "match": "match open('a').read().split():\n    case ['x', *rest]:\n        print(rest)\n    case {'k': v, **more} | [v, more]:\n        print(v, more)\n    case str() as s:\n        print(s)\n",
    "keywords as names": "match = case = type = _ = 1\nprint(match, case, open('a').read())\n",
    "unicode names": "été = open('a').read()\nﬁ = été.strip()\nprint(ﬁ, été)\n",
    "surrogate": "x = '\udc80'\nprint(open(x).read())\n",
    "lambda": "f = lambda *a, k=1, **kw: (yield)\nprint(sorted(open('a'), key=lambda x: x))\n",
    "global": "def f():\n    global x\n    x = open('a').read()\nf()\nprint(x)\n",
    "try star": "try:\n    open('a').read()\nexcept* ValueError as e:\n    print(e)\n",
    "empty": "",
    "comment": "# nothing\n",
    "relative import": "from . import x\nfrom ..y import z\nx(open('a').read(), z)\n",
    "decorators": "@a.b(1)\ndef f(x: int = 3, /, *, y) -> str:\n    return open(x).read()\nprint(f(1, y=2))\n",
    "delete": "x = open('a').read()\ndel x\n",
    "magic": "%matplotlib inline\n!ls\n",
    "tabs": "if 1:\n\tprint(open('a').read())\n        print(1)\n",
}


@pytest.mark.parametrize("name", ODD)
def test_odd_code_harms_nothing(name):
    source = ODD[name]
    sources = [source.replace("'a'", f"'a{i}'") for i in range(4)]
    found = mine_snippets([*(edit(i) for i in range(3)), *sources])
    assert "replace_lines_in_file" in {f.data["tool"]["name"] for f in found}
    for finding in found:
        ast.parse(finding.data["tool"]["body"]["source"])


def test_what_runs_code_from_text_is_never_in_a_tool():
    sources = [
        f"x = open('f{i}').read()\nexec(x)\nprint(open('g{i}').read(), {i})\n" for i in range(9)
    ]
    for finding in mine_snippets(sources):
        assert "exec" not in finding.data["tool"]["body"]["source"]


def test_odd_calls_harm_nothing():
    steps = (
        ToolCall(tool="bash", args=None),
        ToolCall(tool="bash", args="python - <<'EOF'\nprint(1)\n"),
        ToolCall(tool="bash", args=["python -c 'x"]),
        ToolCall(tool="bash", args={"command": None, "n": 3}, result=None),
        ToolCall(tool="bash", args={"command": 'python -c "' + "x" * 100_000}, result="y" * 10**6),
        CodeRun(source="", output="", error="boom"),
    )
    run = Run(id="r", task="t", input=None, split=Split.TRAIN, steps=steps)
    assert mine_stream([ScoredRun(run=run)], [SnippetMiner()]) == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values)
def test_a_literal_survives_being_written_and_read(value):
    node = ast.parse(
        ast.unparse(ast.fix_missing_locations(ast.Expression(node_of(value)))), mode="eval"
    )
    assert literal(node.body) == value
    assert kind_of(node.body) is not None


@given(
    st.sampled_from(
        [
            "'a\\nb\\n'.splitlines(True)",
            "'a' + 'b'",
            "12 + 1",
            "['x' + '\\n' for _ in [1]]",
            "f'{1}{\"x\"}'",
            "[line + '\\n' for line in 'a\\nb'.split('\\n')]",
            "' x '.strip()",
            "'=' * 40",
            "[1] + [2]",
            "-3 - 4",
            "'a'.replace('a', 'b')",
            "','.join(['1', '2'])",
        ]
    )
)
def test_what_follows_from_literals_is_what_python_says(text):
    assert literal(ast.parse(text, mode="eval").body) == eval(text)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "f('a')",
        "(1, 2)",
        "{1}",
        "b'a'",
        "1 + 'a'",
        "1j",
        "[x]",
        "{1: 2}",
        "'a'.encode()",
        "open('a')",
        "'%s' % 1",
    ],
)
def test_anything_else_is_no_literal(text):
    assert literal(ast.parse(text, mode="eval").body) is MISSING


names = st.sampled_from(["a", "b", "rows", "x1", "value", "handle"])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(names, names, names, st.integers(0, 99), st.text("ab c'\\\n", max_size=6)),
        min_size=9,
        max_size=12,
    )
)
def test_renaming_and_other_values_never_hide_a_recurring_edit_and_replay_gives_the_same(rows):
    """The tool called with an instance's arguments does what the original does."""
    sources = []
    for number, (one, two, three, value, text) in enumerate(rows):
        n = [f"{one}_", f"{two}__", f"{three}___"]
        sources.append(
            f"import json\n{n[0]} = json.loads({json.dumps(json.dumps([value, text]))})\n"
            f"{n[1]} = {n[0]} + [{value}, {text!r}]\n"
            f"{n[2]} = json.dumps({n[1]} + sorted(map(str, {n[1]}))) + {str(number)!r}\n"
            f"keep({n[2]})\n"
        )
    found = mine_snippets(sources)
    assert len(found) == 1
    function = built(found[0])
    for instance, source in zip(found[0].data["instances"], sources, strict=True):
        kept: list = []
        exec(source, {"keep": kept.append})
        assert function(**instance["args"]) == kept[0]


def test_a_name_that_is_changed_later_is_not_taken_for_its_first_value():
    unit = normal("n = 1\nn += 1\nlines = []\nlines.append(2)\nx = 'a'\nprint(n, lines, x)\n")
    text = ast.unparse(unit.tree)
    assert "n = 1" in text
    assert "lines = []" in text
    assert "print(n, lines, 'a')" in text


def test_a_constant_in_a_branch_is_not_taken_for_certain():
    unit = normal("if look():\n    x = 'a'\nprint(x)\n")
    assert "print(x)" in ast.unparse(unit.tree)


def test_the_main_guard_is_opened():
    unit = normal(
        "import os\ndef f():\n    pass\nif __name__ == '__main__':\n    f()\n    os.stat('a')\n"
    )
    assert [ast.unparse(s) for s in next(statements_in(unit.tree))][1:] == ["f()", "os.stat('a')"]
