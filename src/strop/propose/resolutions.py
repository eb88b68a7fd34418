"""The tool lever, tables: recurring tasks with one standard answer are answered without a model.

Puts the table of a finding into the spec, makes a new version of it when there is something new to
know, and retires standard answers that later feedback says are wrong. No model is asked, and no
table is learned here: that is `mine/resolutions.py`.

Next file: `propose/curation_rules.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from strop.errors import BadInput
from strop.jsonvalue import JsonObject, as_text, canonical, digest
from strop.mine.calibration import at_least
from strop.mine.finding import Finding
from strop.propose.brief import Brief
from strop.propose.proposal import Aim, Proposal
from strop.resolution import TABLE, Entry, Table
from strop.run import ModelCall, Run, ScoredRun, ToolCall
from strop.spec import Add, Change, Item, Kind, Provenance, Revise, Trust

__all__ = ["MinedResolutions", "answered_by", "retire"]

_NAME = "mined:resolutions"
_RUNS = 50
_LEAST = 2  # misses: one says more about the one who scored than about the answer
_LEVEL = 0.05
_BACK = 2  # times the tasks that it takes for a retired answer to be given again
_NAMED = 60  # characters of an answer in a summary


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedResolutions:
    """Proposes the table of a finding of kind ``resolution``, and retires what proved wrong.

    A table that is there already is replaced only for something new, so that a spec does not get a
    new version with every cycle: an answer that it does not have, another embedder, or one of the
    two below. A retired answer stays retired in the new one until twice as many tasks stand behind
    it as when it was retired; it retires again at once where the feedback in view says so.

    Attributes:
        grown: The share of tasks more that must stand behind a new version.
        wider: How much more of the tasks it must be expected to answer.
    """

    grown: float = 0.25
    wider: float = 0.05

    @property
    def name(self) -> str:
        return _NAME

    async def __call__(self, brief: Brief) -> Proposal | None:
        """The proposal, or `None` where the table is as it should be."""
        return self.propose(brief)

    def propose(self, brief: Brief) -> Proposal | None:
        """The same, without waiting."""
        item = next((i for i in brief.spec.items if i.id == TABLE), None)
        if item is not None and (item.protected or item.kind is not Kind.TOOL):
            return None
        found = [finding for finding in brief.findings if finding.kind == "resolution"]
        refused = {t.summary for t in brief.tried if t.proposer == _NAME and t.decision == "reject"}
        change, summary, used = self._changed(brief, item, found[-1]) if found else (None, "", ())
        if (change is None or summary in refused) and item is not None and _held(item) is not None:
            change = retire(item, brief.runs, poor=brief.poor)
            summary, used = _said(item, change), ()
        if change is None or summary in refused:
            return None
        return Proposal(
            parent=brief.spec.id,
            changes=(change,),
            findings=used,
            proposer=_NAME,
            summary=summary,
            aim=Aim.LEANER,
        )

    def _changed(
        self, brief: Brief, item: Item | None, finding: Finding
    ) -> tuple[Change | None, str, tuple[str, ...]]:
        """What puts the finding's table into the spec, and a line about it."""
        new = Table.from_body(cast("JsonObject", finding.data["body"]), where="finding.body")
        held = None if item is None else _held(item)
        if held is not None and not self._worth(new, held):
            return None, "", ()
        gone = {} if held is None else _retired(held)
        made = _still_without(new, gone).to_item(_provenance(finding.runs))
        change: Change = Add(item=made) if item is None else Revise(item_id=TABLE, item=made)
        if item is not None:
            change = retire(made, brief.runs, poor=brief.poor) or change
        return change, f"a table: {finding.claim}", (finding.id,)

    def _worth(self, new: Table, held: Table) -> bool:
        if new.embedder != held.embedder:
            return True
        gone = _retired(held)
        if any(_is_back(entry, gone) for entry in new.entries):
            return True
        if {canonical(e.output) for e in new.entries} - {canonical(e.output) for e in held.entries}:
            return True
        # Without retired answers, whose count stands still.
        behind = [
            sum(e.tasks for e in table.entries if canonical(e.output) not in gone)
            for table in (new, held)
        ]
        more = behind[0] >= (1 + self.grown) * behind[1] > 0
        return more or new.calibration.coverage >= held.calibration.coverage + self.wider


def retire(item: Item, runs: Iterable[ScoredRun], *, poor: float = 0.7) -> Revise | None:
    """The table without the answers that are credibly right less often than its floor.

    An answer retires when at least two distinct tasks that the table gave it to were scored as
    failures, and so many failures among so many tasks would come about less than one time in twenty
    if it were right as often as the floor promises (the exact one-sided binomial test: Clopper &
    Pearson's upper bound lies under the floor). Feedback is looked at again and again, so good
    answers retire a little more often than that; what this costs is a model call, not an error.

    Args:
        item: The table.
        runs: Scored runs, oldest first; the newest of each task counts. Those that the table
            answered are picked out by `answered_by`.
        poor: Score under which a run counts as a failure.

    Returns:
        The revision, or `None` where nothing retires or the item is protected.

    Raises:
        BadInput: The item is no table, or a damaged one.
    """
    table = Table.from_item(item)
    label = {canonical(entry.output): at for at, entry in enumerate(table.entries)}
    judged: dict[int, dict[str, tuple[bool, str]]] = {}
    for scored in runs:
        if scored.value is None or not answered_by(scored.run, tool=str(item.content["name"])):
            continue
        at = label.get(canonical(scored.run.output))
        if at is not None and not table.entries[at].retired:
            verdicts = judged.setdefault(at, {})
            verdicts[scored.run.task] = (scored.value < poor, scored.run.id)
    gone: list[int] = []
    shown: list[str] = []
    for at, verdicts in sorted(judged.items()):
        misses = sorted(run for missed, run in verdicts.values() if missed)
        chance = at_least(len(misses), of=len(verdicts), rate=1 - table.floor)
        if len(misses) >= _LEAST and chance < _LEVEL:
            gone.append(at)
            shown += misses
    if not gone or item.protected:
        return None
    revised = replace(
        item,
        content={**item.content, "body": table.without(gone).to_body()},
        provenance=replace(item.provenance, runs=_few((*shown, *item.provenance.runs))),
    )
    return Revise(item_id=item.id, item=revised)


def answered_by(run: Run, *, tool: str = TABLE) -> bool:
    """Whether the table of that name gave the run's answer: it was called, and no model was."""
    return any(
        isinstance(step, ToolCall) and step.tool == tool and step.error is None
        for step in run.steps
    ) and not any(isinstance(step, ModelCall) for step in run.steps)


def _held(item: Item) -> Table | None:
    try:
        return Table.from_item(item)
    except BadInput:
        return None  # damaged, and so without use: the new one takes its place


def _retired(table: Table) -> dict[str, int]:
    """The retired answers, each with the tasks that stood behind it when it was retired."""
    return {canonical(e.output): e.tasks for e in table.entries if e.retired}


def _is_back(entry: Entry, gone: Mapping[str, int]) -> bool:
    """Whether twice as many tasks stand behind a retired answer as when it was retired."""
    before = gone.get(canonical(entry.output))
    return before is not None and entry.tasks >= _BACK * before


def _still_without(new: Table, gone: Mapping[str, int]) -> Table:
    """A new table in which retired answers stay so, with the count they were retired at."""
    return replace(
        new,
        entries=tuple(
            replace(entry, tasks=gone[canonical(entry.output)], retired=True)
            if canonical(entry.output) in gone and not _is_back(entry, gone)
            else entry
            for entry in new.entries
        ),
    )


def _said(item: Item, change: Revise | None) -> str:
    """A line that names the answers which a revision retires: another set, another line."""
    if change is None:
        return ""
    before, after = Table.from_item(item).entries, Table.from_item(change.item).entries
    gone = [
        as_text(new.output)
        for old, new in zip(before, after, strict=True)
        if new.retired and not old.retired
    ]
    named = (
        text if len(text) <= _NAMED else f"{text[:_NAMED]}... ({digest(text)[:8]})" for text in gone
    )
    return f"standard answers retired that later feedback says are wrong: {'; '.join(named)}"


def _provenance(runs: Iterable[str]) -> Provenance:
    return Provenance(by=_NAME, runs=_few(runs), trust=Trust.EVIDENCE)


def _few(runs: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(runs))[:_RUNS]
