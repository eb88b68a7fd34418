"""The documentation is true: its code runs, its links lead somewhere, its tour visits every file."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "strop"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.local
def test_the_readmes_code_runs_as_it_stands(tmp_path):
    pytest.importorskip("xllamacpp", reason="the embedded model is not installed")
    (code,) = FENCE.findall((ROOT / "README.md").read_text())
    assert len([line for line in code.splitlines() if line]) <= 12
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    before, verdict, after = done.stdout.splitlines()
    assert before.startswith("before:")
    assert "mean difference +0." in verdict
    assert after == "after:   B2"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_tour_walks_through_every_file():
    seen, name = [], "errors.py"
    while name not in seen:
        path = SOURCE / name
        seen.append(name)
        following = re.search(r"Next file: `([^`]+)`", path.read_text())
        if following is None:
            break
        step = following.group(1)
        name = step if (SOURCE / step).exists() else (Path(name).parent / step).as_posix()
        assert (SOURCE / name).exists(), f"{path}: there is no {step}"
    files = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py")}
    unvisited = {f for f in files - set(seen) if "migrations/" not in f}
    assert unvisited == {"__init__.py"}


def test_the_tours_table_names_files_that_exist():
    named = re.findall(r"^\| `([\w./]+)` \|", (ROOT / "docs" / "tour.md").read_text(), re.MULTILINE)
    assert named
    for name in named:
        assert (SOURCE / name).exists(), name
    top = {p.name + ("/" if p.is_dir() else "") for p in SOURCE.iterdir()}
    top = {name for name in top if name[0] not in "._"} - {"py.typed"}
    assert top <= set(named)


def test_every_command_in_the_readme_exists():
    from strop.cli import main  # noqa: F401 - the CLI imports

    commands = set(re.findall(r"`?strop ([a-z]+)", (ROOT / "README.md").read_text()))
    done = subprocess.run(
        [sys.executable, "-m", "strop.cli", "--help"], capture_output=True, text=True, check=True
    )
    for command in commands:
        assert re.search(rf"\b{command}\b", done.stdout), command
