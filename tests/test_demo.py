"""The demo, as far as it needs no model: its project, and what it says where nothing is known."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from inline_snapshot import snapshot
from rich.console import Console

from strop.cli.demo import _blocks, _second_act
from strop.config import load_config
from strop.cycle import Cycle
from strop.demo import Ablation, DemoReport, Side, ToolsReport, _scaffold
from strop.demo.sides import write_whole
from strop.errors import BadInput
from strop.run import Usage
from strop.spec import AgentSpec
from strop.task import Split, load_tasks

NO_CYCLE = Cycle(parent=AgentSpec(name="desk", model="local"))
UNSCORED = Side(spec="a" * 64, scores=(), usage=Usage())
SCORED = Side(spec="b" * 64, scores=(0.0, 1.0), usage=Usage())


def test_nothing_scored_is_unknown_and_not_zero():
    assert (UNSCORED.mean, UNSCORED.interval) == (None, None)
    assert UNSCORED.to_json() == {
        **SCORED.to_json(),
        "spec": "a" * 64,
        "mean": None,
        "interval": None,
        "tasks": 0,
    }
    assert SCORED.mean == 0.5


@pytest.mark.parametrize(
    ("before", "after", "lift"),
    [(UNSCORED, UNSCORED, None), (SCORED, UNSCORED, None), (SCORED, SCORED, 0.0)],
)
def test_a_report_without_scores(before, after, lift):
    report = DemoReport(
        folder=Path("there"),
        before=before,
        after=after,
        resolved=0,
        ablations=(Ablation(lever="lessons", items=3, without=after),),
        cycle=NO_CYCLE,
        tasks={},
        sample={},
        seconds=1.0,
    )
    assert report.lift == lift
    assert json.loads(json.dumps(report.to_json()))["lift"] == lift
    console = Console(width=80, file=io.StringIO())
    console.print(*_blocks(report))
    shown = console.file.getvalue()
    assert shown.count("no score") == (before is UNSCORED) + 2 * (after is UNSCORED)
    assert ("+0.000" in shown) == (lift is not None)


def desk_report(before: Side, after: Side) -> ToolsReport:
    return ToolsReport(
        folder=Path("there/desk"),
        before=before,
        after=after,
        cycle=NO_CYCLE,
        tasks={},
        tools=("find_article",),
        sample={"message": "Which?", "before": "no answer", "after": "find_article, KB-1"},
        seconds=1.0,
    )


def test_a_report_of_the_second_act():
    dear = replace(UNSCORED, scores=(0.0, 0.0), usage=Usage(input_tokens=1900, output_tokens=100))
    cheap = replace(SCORED, scores=(1.0, 1.0), usage=Usage(input_tokens=500))
    report = desk_report(dear, cheap)
    assert (report.lift, report.saved) == (1.0, 0.75)
    console = Console(width=80, file=io.StringIO())
    console.print(*_second_act(report))
    assert console.file.getvalue() == snapshot("""\
                                                                     \n\
a desk with tools, sealed test  score  95 % interval  tokens per task
before                          0.000   0.00 to 0.66             1.0k
after                           1.000   0.34 to 1.00              250
change  +1.000  with 75% fewer tokens  in 1.0 s
learned tools: find_article
        \n\
“Which?”
  before  no answer
  after   find_article, KB-1
""")


def test_a_second_act_without_scores_claims_nothing():
    report = desk_report(UNSCORED, UNSCORED)
    assert (report.lift, report.saved) == (None, None)
    console = Console(width=80, file=io.StringIO())
    console.print(*_second_act(report))
    assert console.file.getvalue().count("no score") == 2


def test_the_demos_project_is_whole(tmp_path):
    path = _scaffold(tmp_path / "demo", quick=True)
    config = load_config(path)
    assert config.name == "support-desk"
    assert {t.split for t in load_tasks(path.parent / "tasks.jsonl")} == {
        Split.TRAIN,
        Split.VALIDATION,
        Split.TEST,
    }
    assert sorted(p.name for p in path.parent.iterdir()) == ["strop.yaml", "tasks.jsonl"]


def test_a_configuration_that_cannot_be_written_stays_as_it_was(tmp_path, monkeypatch):
    path = _scaffold(tmp_path, quick=True)
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(BadInput, match=r"strop\.yaml: cannot be written: No space left"):
        write_whole(path, "half of")
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["strop.yaml", "tasks.jsonl"]
