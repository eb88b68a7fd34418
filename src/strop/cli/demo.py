"""`strop demo`: shows what `strop.demo.run_demo` does.

Next file: `cli/__main__.py`.
"""

from collections.abc import Mapping
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from strop.cli.output import (
    amount,
    block,
    duration,
    note,
    points,
    show,
    signed,
    spread,
    table,
    text,
)
from strop.cli.progress import shown_progress
from strop.demo import DemoReport, Side, ToolsReport, run_demo
from strop.errors import BadInput, UserMistake

__all__ = ["demo"]


_MARK = "# The demo's agent"  # how the configuration begins that the demo writes


def demo(folder: Path, *, quick: bool, as_json: bool) -> int:
    """The whole loop on the embedded model, and once more for an agent with tools."""
    try:
        _refuse_foreign(folder)
        _refuse_foreign(folder / "desk")
        with shown_progress() as progress:
            report = run_demo(folder, progress=progress, say=note, quick=quick)
    except OSError as error:
        raise BadInput(f"cannot be written: {error.strerror}", where=str(folder)) from None
    show(report.to_json(), *_blocks(report), as_json=as_json)
    return 0


def _refuse_foreign(folder: Path) -> None:
    """Keep the demo out of a project that is not its own: it writes over what is there."""
    config, tasks = folder / "strop.yaml", folder / "tasks.jsonl"
    if config.is_file() and config.read_text("utf-8", "replace").startswith(_MARK):
        return
    for file in (config, tasks):
        if file.exists():
            raise UserMistake(
                f"{file} is there already and is not the demo's; name another folder: "
                "`strop demo DIR`"
            )


def _blocks(report: DemoReport) -> list[RenderableType]:
    before, after = report.before, report.after
    columns = ("sealed test", "score", "95 % interval", "tokens")
    rows = [_row("before", before), _row("after", after)]
    lift = signed(report.lift)
    out: list[RenderableType] = [
        block(table(columns, rows, right=columns[1:]), left=0, top=1),
        Text.assemble(
            ("change  ", "dim"), (lift, "bold"), (f"  in {duration(report.seconds)}", "dim")
        ),
    ]
    if report.resolved:
        said = f"{report.resolved} of {len(after.scores)} answered by the table, without the model"
        out.append(text(said, "dim"))
    if report.ablations:
        out.append(block(_ablations(report), left=0, top=1))
    out += _sample(report.sample)
    folder = report.folder
    if report.desk is not None:
        out += _second_act(report.desk)
        folder = report.desk.folder
    out.append(block(text(f"all of it is in {report.folder}; look around:", "dim"), left=0, top=1))
    out.append(block(text(f"cd {folder} && strop log", "bold")))
    return out


def _sample(sample: Mapping[str, str]) -> list[RenderableType]:
    """A message with what became of it."""
    if not sample:
        return []
    return [
        block(text(f"“{sample['message']}”", "italic"), left=0, top=1),
        block(text(f"before  {sample['before']}", "red")),
        block(text(f"after   {sample['after']}", "green")),
    ]


def _second_act(desk: ToolsReport) -> list[RenderableType]:
    """The desk with tools: each way on the sealed test, and the tool that was learned."""
    columns = ("a desk with tools, sealed test", "score", "95 % interval", "tokens per task")
    ways = (("before", desk.before), ("after", desk.after))
    rows = [_row(name, each, each_of=len(each.scores)) for name, each in ways]
    change = Text.assemble(("change  ", "dim"), (signed(desk.lift), "bold"))
    if desk.saved is not None:
        change.append(
            f"  with {abs(desk.saved):.0%} {'fewer' if desk.saved >= 0 else 'more'} tokens"
        )
    change.append(f"  in {duration(desk.seconds)}", "dim")
    learned = ", ".join(desk.tools) or "none"
    return [
        block(table(columns, rows, right=columns[1:]), left=0, top=1),
        block(change, left=0),
        block(text(f"learned tools: {learned}", "dim"), left=0),
        *_sample(desk.sample),
    ]


def _ablations(report: DemoReport) -> RenderableType:
    """What each lever is worth: the sealed test without it."""
    columns = ("without", "items", "score", "tokens", "lost")
    rows = []
    for each in report.ablations:
        mean, whole = each.without.mean, report.after.mean
        lost = "" if mean is None or whole is None else signed(mean - whole)
        score = "no score" if mean is None else points(mean)
        rows.append([each.lever, str(each.items), score, amount(each.without.usage.tokens), lost])
    return table(columns, rows, right=columns[1:])


def _row(name: str, side: Side, *, each_of: int | None = None) -> list[str]:
    """One spec's sealed test; its tokens in all, or for each of so many tasks."""
    score = "no score" if side.mean is None else points(side.mean)
    tokens = side.usage.tokens if each_of is None else round(side.usage.tokens / max(1, each_of))
    return [name, score, spread(side.interval), amount(tokens)]
