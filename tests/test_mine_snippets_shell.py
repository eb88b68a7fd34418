"""Python inside shell commands is found as the shell would have given it to Python."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.mine.calls import Call, calls_of
from strop.mine.snippets import SnippetMiner, blocks_of
from strop.mine.snippets.shell import inline_python

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("command", "sources"),
    [
        ("python - <<'EOF'\nprint('$x')\nEOF\n", ["print('$x')\n"]),
        ('python3 <<"END"\nprint(1)\nEND', ["print(1)\n"]),
        ("cat <<'EOF' > fix.py\nx = 1\nEOF\npython fix.py", ["x = 1\n"]),
        ("cat > a/fix.py << EOF\nx = 1\nEOF", ["x = 1\n"]),
        ("cd /x && python3 -c 'print(1)'", ["print(1)"]),
        ('python -c "print(\\"a\\")"', ['print("a")']),
        ("python3.11 -W ignore -c 'import a\nprint(a)' | head", ["import a\nprint(a)"]),
        ("cat <<'A' > a.py\n1\nA\ncat <<'B' > b.py\n2\nB\npython a.py", ["1\n", "2\n"]),
        ("cat <<-EOF > a.py\n\tx = 1\n\tEOF", ["x = 1\n"]),
        # What the shell expanded is not known.
        ("python - <<EOF\nprint('$HOME')\nEOF", []),
        ('python -c "print($x)"', []),
        ("python - <<EOF\nprint('\\$x')\nEOF", ["print('$x')\n"]),
        # Cut off, other languages, appended to something.
        ("python - <<'EOF'\nprint(1)\n", []),
        ("cat <<'EOF' > a.sh\nls\nEOF", []),
        ("cat <<'EOF' >> a.py\nx = 1\nEOF", []),
        ("python script.py -c config", []),
        ("ls -c", []),
        ("", []),
    ],
)
def test_python_is_taken_out_of_commands(command, sources):
    assert [found.source for found in inline_python(command)] == sources


@given(st.text(alphabet="print('a\")$`\\ \n;=x", max_size=40))
def test_a_quoted_here_document_is_what_the_shell_gives(body):
    command = f"cat <<'EOF' | cat\n{body}\nEOF\n"
    said = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)
    (found,) = inline_python(f"python - <<'EOF'\n{body}\nEOF\n")
    assert found.source == said.stdout


@given(st.text(alphabet="<'\"EOF\n-c python", max_size=200))
def test_any_command_can_be_read(command):
    for found in inline_python(command):
        assert isinstance(found.source, str)


def test_long_commands_take_no_long_time():
    inline_python("python -c '" + "<<" * 2_000_000)
    inline_python("cat << " + " " * 2_000_000)
    inline_python("python " * 300_000 + "-c")


def test_what_a_script_printed_is_known_where_it_ran_alone():
    write = {"command": "cat <<'EOF' > a.py\nprint(1)\nEOF"}
    calls = (
        Call(tool="bash", args={"command": "python - <<'EOF'\nprint(2)\nEOF"}, result="2\n"),
        Call(tool="bash", args=write, result="", position=3),
        Call(tool="bash", args={"command": "python a.py"}, result={"output": "1\n"}, position=4),
        Call(tool="bash", args=write, result="", position=5),
        Call(tool="bash", args={"command": "python b.py"}, result="x", position=6),
    )
    found = blocks_of(calls, task="t", run="r")
    assert [(b.source, b.printed, b.position) for b in found] == [
        ("print(2)\n", "2", 0),
        ("print(1)\n", "1", 3),
        ("print(1)\n", None, 5),
    ]


@pytest.mark.realdata
@pytest.mark.slow
def test_real_runs_give_the_line_edit_and_the_django_bootstrap():
    sys.path.insert(0, str(ROOT))
    from bench.real.miniswe.data import DATA, lines, scored

    if not DATA.is_file():
        pytest.skip("../shared/data/miniswe is not here")
    miner = SnippetMiner()
    for line in lines(quick=False):
        run = scored(line)
        miner.add(run, calls_of(run.run))
    tools = {f.data["tool"]["name"]: f.data for f in miner.findings()}
    edit = tools["replace_lines_in_file"]
    assert list(edit["tool"]["parameters"]["properties"]) == [
        "file_path",
        "start_line",
        "end_line",
        "new_code",
    ]
    assert edit["support"]["tasks"] >= 3
    assert all(i["replayable"] for i in edit["instances"])
    bootstrap = tools["configure_settings_and_setup_django"]
    assert {"installed_apps", "databases"} <= set(bootstrap["tool"]["parameters"]["properties"])
    assert bootstrap["support"]["tasks"] > 50
    for data in tools.values():
        ast.parse(data["tool"]["body"]["source"])
