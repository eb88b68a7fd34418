"""What runs learn about the world and have to ask for again: facts, for the memory.

Four forms, all of kind ``fact``: the result of a reading call that came back the same in several
tasks (``result``), what calls of one family give in common (``shape``: an endpoint's fields), the
members of one container (``members``: a table's columns) and the containers of a scope
(``containers``). Which calls only read is decided by hints and by evidence: a result that differed
between two runs is no fact until it agrees again. One pass, bounded memory, no model. It makes
findings; turning them into memories is `propose/facts.py`.

Next file: `mine/orders/__init__.py`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from strop.jsonvalue import as_text
from strop.mine.calls import Call
from strop.mine.facts.answers import Answer, Answers, Asked
from strop.mine.facts.calls import call_text, cannot_read, opening, reads_only, spoken
from strop.mine.facts.evidence import Evidence, Sighting
from strop.mine.facts.hints import SQL, Hints
from strop.mine.facts.lines import containers_line, members_line, whole_line
from strop.mine.facts.names import Names, names_in, unknown_in, without_values
from strop.mine.facts.results import compacted, is_data, parsed
from strop.mine.facts.scopes import Scope
from strop.mine.facts.shapes import shapes
from strop.mine.finding import Finding
from strop.mine.stream import mine_stream
from strop.run import ScoredRun
from strop.task import Task

__all__ = ["FactMiner", "FactRules", "mine_facts"]

_DAY = 86_400.0
_TOUCHES = 40  # names that a fact says it speaks of
_TAIL = 40  # tokens that a line of all names may take beyond, for what does not exist
_NAME = re.compile(r"[`\"']?([^\W\d][\w$]*)[`\"']?")


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRules:
    """When something counts as a fact.

    Attributes:
        min_tasks: Distinct tasks in which a call must have come back the same.
        agreement: Lower 95 % bound on how often calls of a family agree when repeated, from which
            one observation is enough for a list of names.
        volatile: Changes of one call's result after which it is never a fact again.
        days: How long a fact holds after it was last seen.
        tokens: What a result may take as one line.
        names: What a list of names may take.
        hints: What is known of the language of calls.
    """

    min_tasks: int = 2
    agreement: float = 0.75
    volatile: int = 3
    days: float = 30.0
    tokens: int = 80
    names: int = 120
    hints: Hints = SQL


def mine_facts(
    runs: Iterable[ScoredRun],
    *,
    tasks: Mapping[str, Task] | None = None,
    rules: FactRules | None = None,
) -> tuple[Finding, ...]:
    """Facts that the runs show, those that most tasks asked for first.

    Args:
        runs: Scored runs, oldest first.
        tasks: The tasks that may teach, by id: their categories are the scopes, and names in their
            expected answers are names that exist. Runs of other tasks are passed over. By default
            all runs count, without scopes and answers.
        rules: When something counts as a fact.

    Returns:
        Findings of kind ``fact``. ``data`` has ``form`` (see the module),
        ``tool``, ``scope``, ``key`` (what the fact is about), ``text`` (one line), ``touches`` (the
        tool, then names), ``about`` (inputs of tasks that it mattered to, at most 32), ``tasks``
        and ``calls`` (counts), ``first``, ``last`` and ``expires`` (seconds since the epoch, or
        null), ``holds``: false where later results contradict what was a fact before, and ``said``:
        true where the line of all containers says it already.
    """
    return mine_stream(runs, [FactMiner(tasks=tasks, rules=rules)])


class FactMiner:
    """`mine_facts`, one run at a time.

    Args:
        tasks: See `mine_facts`; it may grow while runs come in.
        rules: When something counts as a fact.
    """

    def __init__(
        self, *, tasks: Mapping[str, Task] | None = None, rules: FactRules | None = None
    ) -> None:
        self._tasks = tasks
        self._rules = rules or FactRules()
        self._hints = self._rules.hints
        self._answers = Answers(hints=self._hints, min_tasks=self._rules.min_tasks)
        self._scopes: dict[tuple[str, str], Scope] = {}
        # Traces repeat their calls but for the values; reading one takes longer than finding it.
        self._read = lru_cache(maxsize=8_192)(lambda text: names_in(text, self._hints))

    def add(self, scored: ScoredRun, calls: tuple[Call, ...]) -> None:
        """One more run, later than those before it, with its calls."""
        run = scored.run
        task = None if self._tasks is None else self._tasks.get(run.task)
        if self._tasks is not None and task is None:
            return
        seen = Sighting.of(
            task=run.task,
            run=run.id,
            text=as_text(run.input) if task is None else task.text,
            at=run.at,
        )
        category = (task.category if task is not None else None) or ""
        openings: dict[str, Scope] = {}
        used: dict[str, Scope] = {}
        for call in calls:
            if cannot_read(call.tool, call.args, self._hints):
                continue
            text = call_text(call.args)
            if not reads_only(call.tool, text, self._hints):
                continue
            scope = self._scope(call.tool, category)
            used[call.tool] = scope
            openings.setdefault(opening(text), scope)
            if call.error is not None:
                unknown = unknown_in(call.error)
                if unknown is not None:
                    scope.deny(unknown, self._names_in(text), seen)
            elif self._answers.add(
                Asked(tool=call.tool, scope=category, text=text, result=call.result, seen=seen)
            ) and is_data(call.result):
                scope.use(self._names_in(text), seen)
        for scope in used.values():
            scope.evidence.add(seen)
        answer = task.expected if task is not None else None
        # An answer that begins as the calls do is written in their language.
        if isinstance(answer, str) and opening(answer) in openings and opening(answer):
            openings[opening(answer)].use(self._names_in(answer), seen, sure=True)

    def findings(self) -> tuple[Finding, ...]:
        """What is known by now; see `mine_facts`."""
        rest = self._describe()
        found = [*self._results(rest), *self._contradicted(), *self._of_names()]
        found.sort(key=lambda f: (-_count(f), f.data["form"] in ("result", "shape"), f.claim))
        return tuple(found)

    def _names_in(self, text: str) -> Names:
        return self._read(without_values(text))

    def _scope(self, tool: str, name: str) -> Scope:
        held = self._scopes.get((tool, name))
        if held is None:
            held = self._scopes[tool, name] = Scope(name=name, hints=self._hints)
        return held

    def _describe(self) -> list[Answer]:
        """Lists of names go to their scopes; returns the other answers to go by."""
        for scope in self._scopes.values():
            scope.forget_lists()
        rest: list[Answer] = []
        lists: list[Answer] = []
        rules = self._rules
        believed = self._answers.believed(agreement=rules.agreement, volatile=rules.volatile)
        for answer, alone in believed:
            names = answer.names
            scope = self._scope(answer.tool, answer.scope)
            owner = None if names is None else self._subject(answer)
            if names is None or owner is None:
                if alone:
                    rest.append(answer)
            elif alone or scope.vouches(owner, names):
                if owner:
                    scope.describe(owner, names)
                else:
                    scope.lists[answer.call] = names
                    lists.append(answer)
        chosen = {key: scope.listing for key, scope in self._scopes.items()}
        for answer in lists:
            listing = chosen[answer.tool, answer.scope]
            if listing is None or listing[1] != answer.names:
                rest.append(answer)
        return rest

    def _subject(self, answer: Answer) -> str | None:
        """Whose names a describing call asks for; empty for the scope's own, `None` if unclear."""
        if not answer.call:
            return ""
        names = self._names_in(answer.text)
        if (
            len(names.containers) == 1
            and not names.members
            and not names.likely
            and not names.loose
        ):
            return names.containers[0]
        if not names.containers and not names.loose:
            return ""
        alone = _NAME.fullmatch(answer.text.strip())
        return alone[1] if alone else None

    def _results(self, answers: Iterable[Answer]) -> Iterator[Finding]:
        found = shapes(self._answers.objects())
        for (tool, scope, _), shape in sorted(found.items()):
            evidence, line = shape.evidence, shape.line(tokens=self._rules.tokens)
            if evidence.support >= self._rules.min_tasks and line is not None:
                yield self._finding(
                    form="shape",
                    tool=tool,
                    scope=scope,
                    key=shape.answers[0].family,
                    text=f"{tool}{f' in {scope}' if scope else ''} gives: {line}",
                    names=(),
                    evidence=evidence,
                )
        for answer in answers:
            if (answer.tool, answer.scope, answer.family) in found:
                continue
            line = compacted(parsed(answer.result), tokens=self._rules.tokens)
            if answer.evidence.support < self._rules.min_tasks or line is None:
                continue
            asked = spoken(answer.tool, answer.text)
            if asked is None:
                continue
            where = f" in {answer.scope}" if answer.scope else ""
            yield self._finding(
                form="result",
                tool=answer.tool,
                scope=answer.scope,
                key=answer.call,
                text=f"{asked}{where} gives: {line}",
                names=self._names_in(answer.text).containers,
                evidence=answer.evidence,
            )

    def _contradicted(self) -> Iterator[Finding]:
        for answer in self._answers.contradicted(volatile=self._rules.volatile):
            asked = spoken(answer.tool, answer.text)
            if asked is not None:
                yield self._finding(
                    form="result",
                    tool=answer.tool,
                    scope=answer.scope,
                    key=answer.call,
                    text=f"{asked} no longer gives what it gave",
                    names=(),
                    evidence=answer.evidence,
                    holds=False,
                )

    def _of_names(self) -> Iterator[Finding]:
        rules = self._rules
        for (tool, name), scope in sorted(self._scopes.items()):
            whole = whole_line(scope, tokens=rules.names, most=rules.names + _TAIL)
            line = whole or containers_line(scope, tokens=rules.names)
            if line is not None:
                yield self._finding(
                    form="containers",
                    tool=tool,
                    scope=name,
                    key="",
                    text=line,
                    names=scope.names,
                    evidence=scope.evidence,
                )
            for key, held in sorted(scope.containers.items()):
                line = members_line(scope, held, tokens=rules.names)
                if line is not None and held.evidence.runs:
                    yield self._finding(
                        form="members",
                        tool=tool,
                        scope=name,
                        key=key,
                        text=line,
                        names=(held.name, *held.members),
                        evidence=held.evidence,
                        said=whole is not None,
                    )

    def _finding(
        self,
        *,
        form: str,
        tool: str,
        scope: str,
        key: str,
        text: str,
        names: Sequence[str],
        evidence: Evidence,
        holds: bool = True,
        said: bool = False,
    ) -> Finding:
        last = evidence.last
        return Finding(
            kind="fact",
            claim=text,
            runs=tuple(evidence.runs),
            data={
                "form": form,
                "tool": tool,
                "scope": scope,
                "key": key,
                "text": text,
                "touches": [tool, *names][:_TOUCHES],
                "about": list(evidence.about),
                "tasks": evidence.support,
                "calls": evidence.calls,
                "first": evidence.first,
                "last": last,
                "expires": None if last is None else last + self._rules.days * _DAY,
                "holds": holds,
                "said": said,
            },
        )


def _count(finding: Finding) -> int:
    tasks = finding.data["tasks"]
    return tasks if isinstance(tasks, int) else 0
