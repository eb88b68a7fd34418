"""The demo, as far as it needs no model: its project, and what it says where nothing is known."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from strop.cli.demo import _blocks
from strop.config import load_config
from strop.cycle import Cycle
from strop.demo import Ablation, DemoReport, Side, _scaffold, _write_whole
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
        _write_whole(path, "half of")
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["strop.yaml", "tasks.jsonl"]
