"""Growing chains call by call: what follows so often, with values from before, that it is a step.

As in mining frequent sequences by their prefixes (Pei et al. 2001, "PrefixSpan"), a chain is grown
only from one that holds already. Beyond support, every step must follow in most occurrences, be
explained the same way in all of them and hold on tasks that it was not made from.

Next file: `mine/chains/choosing.py`.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from strop.mine.chains.anchors import Anchor, anchored, plainness, shares
from strop.mine.chains.effects import only_reads
from strop.mine.chains.following import Followed, followed
from strop.mine.chains.links import Allowed, Names
from strop.mine.chains.mapping import Instance, Share, induced
from strop.mine.chains.records import Record
from strop.mine.chains.rules import ChainRules
from strop.mine.chains.steps import Given, Item, Occurrence, Ref, Source, Step, Text

__all__ = ["Grown", "grow", "promising", "roots"]

_SAMPLE = 2_000  # occurrences that a step is induced from
_LOOSELY = 0.8  # of the share asked for, that a sample must show
_PROMISING = 0.8  # of the share asked for, from which a pair of tools is looked at
_ANCHORS = 4  # ways in which a tool may follow that are looked into


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """A chain in the making.

    Attributes:
        steps: What it does.
        occurrences: The first call's occurrences that go on to the last step.
        started: How often its first call came, by task.
        verified: Share of held-back instances in which all mapped arguments are right.
        lists: Items that agents called for and items there were, where a step goes through a list.
        failed: Runs in which its calls failed.
    """

    steps: tuple[Step, ...]
    occurrences: Sequence[Occurrence] = field(hash=False)
    started: Mapping[str, int] = field(hash=False)
    verified: float = 1.0
    lists: tuple[int, int] = (0, 0)
    failed: int = 0

    @property
    def follows(self) -> float:
        """How often it goes on to the end once begun; the mean over tasks."""
        ended: defaultdict[str, int] = defaultdict(int)
        for occurrence in self.occurrences:
            ended[occurrence.record.task] += 1
        return sum(ended[task] / n for task, n in self.started.items()) / len(self.started)

    @property
    def tasks(self) -> set[str]:
        return {occurrence.record.task for occurrence in self.occurrences}


def roots(records: Iterable[Record]) -> dict[int, list[Occurrence]]:
    """Occurrences of each tool as a first call: successful ones, and each with other arguments."""
    out: defaultdict[int, list[Occurrence]] = defaultdict(list)
    for record in records:
        seen: set[tuple[int, int]] = set()
        for at, call in enumerate(record.calls):
            if call.ok and (call.tool, call.key) not in seen:
                seen.add((call.tool, call.key))
                out[call.tool].append(Occurrence(record, ((at,),)))
    return out


def grow(
    tool: int, occurrences: Sequence[Occurrence], names: Names, rules: ChainRules
) -> Iterator[Grown]:
    """Chains that begin with a tool, the first call alone, then longer and longer ones."""
    started: defaultdict[str, int] = defaultdict(int)
    for occurrence in occurrences:
        started[occurrence.record.task] += 1
    first = [Instance(o, o.record.calls[o.calls[0][0]]) for o in _sample(occurrences)]
    begun = [i for i in first if i.call.leaves]
    sources = induced(begun, names, Share(holds=rules.holds)) if begun else {}
    frontier = [
        Grown(steps=(Step(tool=tool, sources=sources),), occurrences=occurrences, started=started)
    ]
    while frontier:
        yield from frontier
        longer = [
            more
            for grown in frontier
            if len(grown.steps) < rules.steps
            for more in _extended(grown, names, rules)
        ]
        frontier = sorted(longer, key=lambda g: -len(g.occurrences))[:_ANCHORS]


def promising(records: Iterable[Record], names: Names, rules: ChainRules) -> Allowed:
    """Pairs of tools between which values may be handed on in a chain, judged loosely.

    Where there are very many runs, only these are looked at in most of them.
    """
    loose = replace(rules, follows=_PROMISING * rules.follows, holds=0.9, fails=1.0, covered=0.0)
    out: defaultdict[str, set[str]] = defaultdict(set)
    for tool, occurrences in roots(records).items():
        if len({o.record.task for o in occurrences}) < rules.min_tasks:
            continue
        for grown in grow(tool, occurrences, names, loose):
            step = grown.steps[-1]
            for source in step.sources.values():
                for number in _steps_of(source, step):
                    first = names.tools[grown.steps[number].tool]
                    out[names.tools[step.tool]].add(first)
    return out


def _steps_of(source: Source, step: Step) -> Iterable[int]:
    """The earlier steps that a leaf comes from."""
    match source:
        case Ref(step=number):
            return (number,)
        case Item():
            return () if step.fan is None else (step.fan.step,)
        case Text(pieces=pieces):
            return (piece.step for piece in pieces)
    return ()


def _extended(grown: Grown, names: Names, rules: ChainRules) -> Iterator[Grown]:
    """A chain with one more step, in every way that holds."""
    by_tool: defaultdict[tuple[int, bool], list[tuple[float, Anchor]]] = defaultdict(list)
    for anchor, share in shares(_sample(grown.occurrences), names).items():
        if share >= _LOOSELY * rules.follows:
            by_tool[anchor.tool, anchor.fan is None].append((share, anchor))
    for key in sorted(by_tool):
        ranked = sorted(by_tool[key], key=lambda a: (-a[0], *plainness(a[1], names), repr(a[1])))
        tried: set[frozenset[object]] = set()
        for _, anchor in ranked[:_ANCHORS]:
            more = _with(grown, anchor, names, rules)
            if more is None:
                continue
            same = frozenset(more.steps[-1].sources.items())
            if same not in tried:
                tried.add(same)
                yield more


def _with(grown: Grown, anchor: Anchor, names: Names, rules: ChainRules) -> Grown | None:
    """A chain with the step that an anchor points to; `None` where it does not hold."""
    sample = _sample(grown.occurrences)
    instances = [i for o in sample for i in anchored(o, anchor, names)]
    tasks = _by_digest({i.occurrence.record.task for i in instances})
    if len(tasks) < rules.min_tasks:
        return None
    held = set(tasks[: max(1, round(rules.held * len(tasks)))])
    parted = [i._replace(held=i.occurrence.record.task in held) for i in instances]
    sources = induced(parted, names, Share(holds=rules.holds), fan=anchor.fan)
    step = Step(tool=anchor.tool, sources=sources, fan=anchor.fan)
    if not _is_sound(step, grown, names, rules):
        return None
    found = followed(grown.occurrences, step, names)
    more = replace(
        grown,
        steps=(*grown.steps, step),
        occurrences=found.right,
        verified=min(grown.verified, found.share(held)),
        lists=(grown.lists[0] + found.called, grown.lists[1] + found.listed),
        failed=grown.failed + found.failed,
    )
    return more if _holds(more, found, held, names, rules) else None


def _holds(more: Grown, found: "Followed", held: set[str], names: Names, rules: ChainRules) -> bool:
    """Whether the last step follows often enough, with the arguments that it says."""
    step = more.steps[-1]
    tasks = more.tasks
    if len(tasks) < rules.min_tasks or not held & tasks or more.follows < rules.follows:
        return False
    if found.share(held) < rules.holds or found.share(None) < rules.holds:
        return False
    if found.failed > rules.fails * (found.failed + len(found.right)):
        return False
    if only_reads(names.tools[step.tool], rules.reads):
        # One item at most, every time, is no going through a list.
        return step.fan is None or (
            found.called > len(found.right)
            and found.called >= rules.covered * found.listed
            and found.longest <= rules.items
        )
    # What changes something is done only where it was always done, and to every item.
    always = not found.other and not found.none and not found.failed
    return always and len(tasks) >= rules.always and found.called == found.listed


def _is_sound(step: Step, grown: Grown, names: Names, rules: ChainRules) -> bool:
    """Whether a step is tied to earlier ones, and no guess and no deed of its own."""
    tied = [s for s in step.sources.values() if isinstance(s, Ref | Item | Text)]
    if not tied:
        return False
    unknown = [s for s in step.sources.values() if isinstance(s, Given)]
    from_result = any(not isinstance(s, Ref) or not names.paths[s.path][0] for s in tied)
    if unknown and (step.fan is not None or not only_reads(names.tools[step.tool], rules.reads)):
        return False
    # The same tool again with a value that nothing explains is a second guess, not a step; and with
    # the second item of a list, it is half of going through the list.
    again = any(step.tool == earlier.tool for earlier in grown.steps)
    picked = any(type(p) is int for s in tied if isinstance(s, Ref) for p in names.paths[s.path][1])
    return not again or (from_result and not unknown and not picked)


def _sample(occurrences: Sequence[Occurrence]) -> Sequence[Occurrence]:
    """At most 4,000 of them, evenly over the runs."""
    if len(occurrences) <= _SAMPLE:
        return occurrences
    every = len(occurrences) / _SAMPLE
    return [occurrences[int(i * every)] for i in range(_SAMPLE)]


def _by_digest(tasks: Iterable[str]) -> list[str]:
    """Tasks in an order that has nothing to do with them."""
    return sorted(tasks, key=lambda task: hashlib.sha256(task.encode(errors="replace")).digest())
