"""The table behind `mine_repairs`: edits and failures added up over runs.

Run by run it takes in what failed, what changed before it worked, and what came next. It holds
counts and ids, no runs. What it claims is decided in `repairs.py`.

Next file: `mine/failures/words.py`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from strop.mine.calls import NO_OUTPUT, Call
from strop.mine.failures.diff import LOOSE, Edit, Flat, args_of, edits, related, words_of
from strop.mine.failures.next_steps import Aftermath, Habits, deeds
from strop.mine.failures.templates import (
    Template,
    cause_lines,
    error_lines,
    generalised,
    template_of,
)
from strop.mine.failures.trust import Sources, quotable, safe_text
from strop.run import ScoredRun

__all__ = ["NAMED", "Cause", "Failure", "Support", "Table"]

_ATTEMPTS = 8  # later related calls of one tool that are compared with a failed one
_LOOKED = 60  # later calls that are looked at for them
_MOST_KEPT = 200_000  # edits held while mining
_FAILURES = 40  # failed calls of one run that are followed up

NAMED = {"missing module", "missing command"}
"""Causes of which each name is a failure of its own."""


class Cause(NamedTuple):
    """A tool, the template of its error, and the name that it is about where each is its own."""

    tool: str
    template: str
    name: str = ""


@dataclass(slots=True, kw_only=True)
class Support:
    """How well an edit did: by task, a run that shows it; where it was clean; tried in vain."""

    runs: dict[str, str] = field(default_factory=dict)
    clean: set[str] = field(default_factory=set)
    alone: set[str] = field(default_factory=set)
    times: int = 0
    failed: int = 0

    def merge(self, other: "Support") -> None:
        for task, run in other.runs.items():
            self.runs[task] = min(run, self.runs.get(task, run))
        self.clean |= other.clean
        self.alone |= other.alone
        self.times += other.times
        self.failed += other.failed


@dataclass(slots=True, kw_only=True)
class Failure:
    """One cause of failure: where it was seen, and what came after."""

    runs: dict[str, str] = field(default_factory=dict)
    times: int = 0
    seen_in: set[str] = field(default_factory=set)
    after: Aftermath = field(default_factory=Aftermath)
    cause: str = ""
    clean: bool = False  # somebody else spoke of the name before any result did

    def merge(self, other: "Failure") -> None:
        for task, run in other.runs.items():
            self.runs[task] = min(run, self.runs.get(task, run))
        self.times += other.times
        self.seen_in |= other.seen_in
        self.after.merge(other.after)
        self.clean = self.clean or other.clean


class Table:
    """What was seen so far.

    Attributes:
        edits: By cause and edit, how well it did.
        failures: By cause, where it was met and what came after.
        habits: What calls do in general.
    """

    def __init__(self) -> None:
        self.edits: dict[tuple[Cause, Edit], Support] = {}
        self.failures: dict[Cause, Failure] = {}
        self.habits = Habits()

    def add(self, scored: ScoredRun, calls: tuple[Call, ...]) -> None:
        """Take in one run, with its calls."""
        run = scored.run
        self.habits.count(calls, run.task)
        failed = [at for at, call in enumerate(calls) if call.error is not None][:_FAILURES]
        hidden = [(at, cause_lines(c.result)) for at, c in enumerate(calls) if c.error is None]
        if not failed and not any(lines for _, lines in hidden):
            return
        sources = Sources(run=run, calls=calls)
        seen = {at: template_of(error_lines(calls[at].error or "")[-1]) for at in failed}
        flats: _Flats = {}
        last = {template.text: at for at, template in seen.items()}
        for at, template in seen.items():
            self._note(calls, at, template, sources, past=last[template.text] == at)
            self._compare(calls, at, seen, sources, flats)
        for at, lines in hidden:
            for template in dict.fromkeys(template_of(line) for line in lines):
                self._note(calls, at, template, sources, past=False)
        if len(self.edits) > _MOST_KEPT:
            # Only beyond this does the order of runs matter.
            self.edits = {key: s for key, s in self.edits.items() if len(s.runs) > 1}

    def _note(
        self,
        calls: tuple[Call, ...],
        at: int,
        template: Template,
        sources: Sources,
        *,
        past: bool,
    ) -> None:
        """Count a failure; and what came next, where the run did not meet it again."""
        call, run = calls[at], sources.run
        named = template.names[0] if template.cause in NAMED and template.names else ""
        name = quotable(named) or ""
        held = self.failures.setdefault(
            Cause(call.tool, template.text, name), Failure(cause=template.cause)
        )
        held.times += 1
        held.seen_in.add(run.id)
        held.runs[run.task] = min(run.id, held.runs.get(run.task, run.id))
        if name and not held.clean:
            said = name.removesuffix(".__main__")  # Python's word for a package that was run
            held.clean = not sources.tainted(said, before=call.position + 1)
        if past:
            held.after.add(call, calls[at + 1 : at + 1 + _LOOKED], run.task, sources)

    def _compare(
        self,
        calls: tuple[Call, ...],
        at: int,
        templates: Mapping[int, Template],
        sources: Sources,
        flats: "_Flats",
    ) -> None:
        """Compare a failed call with the next related ones, up to the first that succeeds."""
        call, template = calls[at], templates[at]
        if call.error == NO_OUTPUT:
            return  # a search that found nothing; no argument was wrong
        old = _flat(calls, at, flats)[0]
        error = (call.error or "")[:2000]
        for index in _attempts(calls, at, flats):
            later, new = calls[index], _flat(calls, index, flats)[0]
            again = later.error is not None
            if again and templates.get(index) != template:
                continue
            if not _same_command(call, later, template):
                continue
            found = edits(old, new, error=error, sources=sources, before=later.position)
            if template.cause:  # mended by an edit only where that is about what is missing
                found = {e: w for e, w in found.items() if _concerns(e, template.names)}
            if any(edit.kind == "token" for edit in found):  # the error says which words were wrong
                found = {e: w for e, w in found.items() if e.kind not in LOOSE}
            cause = Cause(call.tool, template.text)
            if again:
                for edit in found:
                    self.edits.setdefault((cause, edit), Support()).failed += 1
            else:
                self._credit(cause, found, later, sources)

    def _credit(
        self,
        cause: Cause,
        found: Mapping[Edit, tuple[str, ...]],
        later: Call,
        sources: Sources,
    ) -> None:
        """Count the edits that led to a call which succeeded."""
        task, run = sources.run.task, sources.run.id
        roots = {edit.root for edit in found}
        for edit, words in found.items():
            held = self.edits.setdefault((cause, edit), Support())
            held.times += 1
            held.runs[task] = min(run, held.runs.get(task, run))
            if len(roots) == 1:
                held.alone.add(task)
            said = (*words, edit.path.rpartition(".")[2].strip("[]"))
            if not any(sources.tainted(word, before=later.position) for word in said):
                held.clean.add(task)

    def grouped(
        self,
    ) -> tuple[dict[Cause, dict[Edit, Support]], dict[Cause, Failure]]:
        """Support and failures under the general form of their templates, in a fixed order."""
        general = _general(self.failures)
        grouped: dict[Cause, dict[Edit, Support]] = {}
        for (cause, edit), support in sorted(self.edits.items(), key=lambda kv: kv[0]):
            of = grouped.setdefault(Cause(cause.tool, general[cause.tool, cause.template]), {})
            of.setdefault(edit, Support()).merge(support)
        failures: dict[Cause, Failure] = {}
        for cause, failure in sorted(self.failures.items(), key=lambda kv: kv[0]):
            name = cause.name if failure.clean else ""
            key = Cause(cause.tool, general[cause.tool, cause.template], name)
            failures.setdefault(key, Failure(cause=failure.cause)).merge(failure)
        return grouped, failures


def _general(failures: Mapping[Cause, Failure]) -> dict[tuple[str, str], str]:
    """The template that each stands under; those of which the same may be shown are one."""
    by_tool: dict[str, dict[str, int]] = {}
    for cause, failure in failures.items():
        by_tool.setdefault(cause.tool, {})[cause.template] = failure.times
    found: dict[tuple[str, str], str] = {}
    for tool, texts in by_tool.items():
        shown: dict[str, str] = {}
        for text, general in sorted(generalised(texts).items()):
            found[tool, text] = shown.setdefault(safe_text(general) or general, general)
    return found


_Flats: TypeAlias = dict[int, tuple[Flat, Counter[str]]]


def _flat(calls: tuple[Call, ...], at: int, flats: _Flats) -> tuple[Flat, Counter[str]]:
    """A call's arguments by path and its words, made once in a run."""
    if at not in flats:
        flat = args_of(calls[at])
        flats[at] = flat, words_of(flat)
    return flats[at]


def _attempts(calls: tuple[Call, ...], at: int, flats: _Flats) -> Iterator[int]:
    """Later calls that try the same as a failed one with other arguments.

    Ends after the first that succeeds; also where the very same call succeeds, for then what mended
    it is not in its arguments.
    """
    old, before = _flat(calls, at, flats)
    tried = 0
    for index in range(at + 1, min(len(calls), at + 1 + _LOOKED)):
        call = calls[index]
        if call.tool != calls[at].tool:
            continue
        new, after = _flat(calls, index, flats)
        if new == old:
            if call.error is None:
                return
            continue
        if not related(old, new, before, after):
            continue
        yield index
        tried += 1
        if call.error is None or tried == _ATTEMPTS:
            return


def _same_command(failed: Call, later: Call, template: Template) -> bool:
    """Whether two commands begin alike, or differ in the command that was not there."""
    before, after = deeds(failed), deeds(later)
    return before[:1] == after[:1] or bool(set(before[:1]) & set(template.names))


def _concerns(edit: Edit, names: Sequence[str]) -> bool:
    return any(name and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", edit.old) for name in names)
