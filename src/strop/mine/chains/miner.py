"""Calls that follow one another with values handed on: findings of kind ``chain``.

Each is a tool in the making: one call in the place of several, with no model between them. One pass
over runs, no model. Of very many runs those of a fixed sample of tasks are kept, so that memory is
bounded. It makes findings; turning them into tools is `propose/chains.py`.

Next file: `mine/snippets/__init__.py`.
"""

import hashlib
import heapq
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from strop.jsonvalue import Json, JsonObject
from strop.mine.calls import Call
from strop.mine.chains.choosing import Chosen, chosen, rate
from strop.mine.chains.growth import Grown, grow, promising, roots
from strop.mine.chains.links import SHIFT, Allowed, Names
from strop.mine.chains.records import Record, Recorder
from strop.mine.chains.rules import ChainRules
from strop.mine.chains.steps import Occurrence
from strop.mine.chains.wording import Tool, worded
from strop.mine.finding import Finding
from strop.mine.stream import mine_stream
from strop.run import ScoredRun

__all__ = ["ChainMiner", "mine_chains"]

_INSTANCES = 20
_RUNS = 50
_USED = 0.05  # share of occurrences whose later calls use a result, from which it is returned
_PAIRS = 0.5  # of what `follows` asks for, a quick count over runs must give at least this much
_BEGINNING = 2_000  # runs that are looked at whole, before most are for promising pairs only
_PROBE = 16  # one run in so many is looked at whole even then


@dataclass(slots=True, kw_only=True)
class ChainMiner:
    """Takes in runs, and finds chains in them.

    Attributes:
        tools: JSON schemas of tools' parameters, by name; may be empty.
        good: Score from which a run counts as a success.
        poor: Score under which a run counts as a failure.
        threshold: Distinct tasks that must show a chain.
        rules: When calls in a row count as a chain; `threshold` overrides its `min_tasks`.
        most: Runs that are kept; of more, those of a fixed sample of tasks.
    """

    tools: Mapping[str, JsonObject] = field(default_factory=dict)
    good: float = 0.8
    poor: float = 0.7
    threshold: int = 3
    rules: ChainRules = field(default_factory=ChainRules)
    most: int = 30_000
    _names: Names = field(default_factory=Names, init=False)
    _recorder: Recorder = field(init=False)
    _kept: list[tuple[int, int, Record]] = field(default_factory=list, init=False)
    _whole: deque[Record] = field(default_factory=lambda: deque(maxlen=_BEGINNING), init=False)
    _allowed: Allowed | None = field(default=None, init=False)
    _next: int = field(default=_BEGINNING, init=False)
    _seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._recorder = Recorder(self._names)

    @property
    def _rules(self) -> ChainRules:
        return replace(self.rules, min_tasks=self.threshold)

    def add(self, scored: ScoredRun, calls: tuple[Call, ...]) -> None:
        """One more run, with its calls (`calls_of`)."""
        run = scored.run
        # Whole tasks are kept or not: a heap of the smallest digests, as in bottom-k sampling.
        rank = -int.from_bytes(
            hashlib.sha256(run.task.encode(errors="replace")).digest()[:8], "big"
        )
        self._seen += 1
        if len(self._kept) >= self.most and rank <= self._kept[0][0]:
            return
        value = scored.value
        outcome = 0 if value is None else (value >= self.good) - (value < self.poor)
        whole = self._allowed is None or self._seen % _PROBE == 0
        allowed = None if whole else self._allowed
        record = self._recorder.record(run.id, run.task, outcome, calls, allowed)
        if whole:
            self._whole.append(record)
            if self._seen >= self._next:
                self._allowed = promising(self._whole, self._names, self._rules)
                self._next *= 10
        if len(self._kept) < self.most:
            heapq.heappush(self._kept, (rank, self._seen, record))
        else:
            heapq.heapreplace(self._kept, (rank, self._seen, record))

    def findings(self) -> tuple[Finding, ...]:
        """Chains, those that save most first."""
        rules = self._rules
        records = [record for _, _, record in sorted(self._kept, key=lambda kept: kept[1])]
        likely = _likely(records, rules)
        begun = roots(records)
        grown = [
            g
            for tool in sorted(likely)
            for g in grow(tool, begun[tool], self._names, rules)
            if len(g.steps) > 1
        ]
        by_task: defaultdict[str, list[int]] = defaultdict(list)
        for record in records:
            if record.outcome:
                by_task[record.task].append(record.outcome)
        return tuple(self._finding(each) for each in chosen(grown, rules, rate(by_task)))

    def _finding(self, each: Chosen) -> Finding:
        grown = each.grown
        tool, content = worded(grown, self._names, self.tools, _returns(grown))
        runs = tuple(dict.fromkeys(o.record.run for o in grown.occurrences))
        tasks = len(grown.tasks)
        names = [self._names.tools[step.tool] for step in grown.steps]
        called, listed = grown.lists
        data: dict[str, Json] = {
            "tool": content,
            "support": {
                "tasks": tasks,
                "runs": len(runs),
                "successes": each.outcomes.successes,
                "failures": each.outcomes.failures,
            },
            "instances": _instances(tool, grown.occurrences),
            "verified": round(grown.verified, 4),
            "saves": each.saves,
            "occurrences": len(grown.occurrences),
            "begun": sum(grown.started.values()),
            "follows": round(grown.follows, 4),
            "items": {"called": called, "listed": listed},
        }
        claim = (
            f"{' then '.join(names)}: {len(grown.occurrences)} times in {tasks} tasks, "
            f"{grown.follows:.0%} of the times that it was begun; as one call it saves {each.saves}"
        )
        return Finding(kind="chain", claim=claim, runs=runs[:_RUNS], data=data)


def mine_chains(
    runs: Iterable[ScoredRun],
    *,
    tools: Mapping[str, JsonObject] | None = None,
    good: float = 0.8,
    poor: float = 0.7,
    threshold: int = 3,
    rules: ChainRules | None = None,
) -> tuple[Finding, ...]:
    """Findings of kind ``chain``, those that save most first.

    Args:
        runs: Runs with or without scores; read once.
        tools: JSON schemas of tools' parameters, by name, where they are known.
        good: Score from which a run counts as a success.
        poor: Score under which a run counts as a failure.
        threshold: Distinct tasks that must show a chain.
        rules: When calls in a row count as a chain.

    Returns:
        Each with ``tool`` (``name, description, parameters, body``), ``support`` (distinct
        ``tasks``, ``runs``, ``successes``, ``failures``), at most 20 ``instances`` (``run``,
        ``task``, ``positions`` of the run's steps, ``args`` of the tool), ``verified`` (share of
        held-back instances in which the mapping is right), ``saves`` (calls that it makes needless
        in these runs), ``occurrences`` and ``begun`` (how often, and how often its first call
        came), ``follows`` (share that goes on to the end, each task counting as one) and ``items``
        (of lists that it goes through: how many agents called for, of how many).
    """
    miner = ChainMiner(
        tools=tools or {}, good=good, poor=poor, threshold=threshold, rules=rules or ChainRules()
    )
    return mine_stream(runs, [miner])


def _likely(records: Sequence[Record], rules: ChainRules) -> set[int]:
    """Tools after which another comes, with a value of theirs, often enough to look closer."""
    runs: defaultdict[int, int] = defaultdict(int)
    pairs: defaultdict[tuple[int, int], int] = defaultdict(int)
    tasks: defaultdict[tuple[int, int], set[str]] = defaultdict(set)
    for record in records:
        for tool in {call.tool for call in record.calls if call.ok}:
            runs[tool] += 1
        found = {
            (record.calls[link >> SHIFT].tool, call.tool)
            for call in record.calls
            for leaf in call.leaves
            for links in (leaf.links, *(leaf.template.pieces if leaf.template else ()))
            for link in links
        }
        for pair in found:
            pairs[pair] += 1
            if len(tasks[pair]) < rules.min_tasks:
                tasks[pair].add(record.task)
    return {
        first
        for (first, second), n in pairs.items()
        if len(tasks[first, second]) >= rules.min_tasks
        and n >= _PAIRS * rules.follows * runs[first]
    }


def _returns(grown: Grown) -> str:
    """``all`` where later calls use a result that is not the last one's."""
    used = 0
    for occurrence in grown.occurrences:
        own = {at for calls in occurrence.calls for at in calls}
        last, first = set(occurrence.calls[-1]), min(own)
        for at, call in enumerate(occurrence.record.calls[first:], start=first):
            if at in own:
                continue
            sources = [{link >> SHIFT for link in leaf.links} for leaf in call.leaves]
            if any(s & (own - last) and not s & last for s in sources):
                used += 1
                break
    return "all" if used >= _USED * len(grown.occurrences) else "last"


def _instances(tool: Tool, occurrences: Sequence[Occurrence]) -> list[Json]:
    """Some occurrences of as many tasks as can be, with the tool's arguments."""
    turns: defaultdict[str, int] = defaultdict(int)
    order = []
    for number, occurrence in enumerate(occurrences):
        order.append((turns[occurrence.record.task], number))
        turns[occurrence.record.task] += 1
    out: list[Json] = []
    for _, number in sorted(order):
        occurrence = occurrences[number]
        args = tool.args(occurrence)
        if args is None:
            continue
        record = occurrence.record
        calls = sorted(at for its in occurrence.calls for at in its)
        out.append(
            {
                "run": record.run,
                "task": record.task,
                "positions": [record.calls[at].position for at in calls],
                "args": args,
            }
        )
        if len(out) == _INSTANCES:
            break
    return out
