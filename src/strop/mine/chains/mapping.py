"""Inducing a step's arguments from recorded calls: the source that holds in all of them.

Two fields with the same value are told apart by the instances in which they differ. Where several
hold in all, the plainest is taken: of the name that the argument has, without a position, short. A
value that is the same in every instance proves nothing about where it comes from: it is a constant
once enough tasks show it, and a parameter until then. What nothing explains is a parameter.

This is programming by demonstration (Lau, Wolfman, Domingos and Weld 2003, "Programming by
Demonstration Using Version Space Algebra", Machine Learning 53): the links of a leaf are its
version space, and instances intersect them.

Next file: `mine/chains/anchors.py`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from strop.mine.chains.leaves import Path
from strop.mine.chains.links import MASK, SHIFT, Names
from strop.mine.chains.records import LONG, Called, Leaf, Template
from strop.mine.chains.steps import (
    Const,
    Fan,
    Given,
    Item,
    Occurrence,
    Ref,
    Source,
    Text,
    items,
    shape,
)

__all__ = ["Instance", "Share", "induced"]


class Instance(NamedTuple):
    """A call that may be a step of an occurrence; `item` is its item of the step's list.

    One that is `held` back decides only between sources that hold equally in all others.
    """

    occurrence: Occurrence
    call: Called
    item: int | None = None
    held: bool = False


class Share(NamedTuple):
    """How much of the instances a source must hold in.

    Attributes:
        holds: Share of the instances.
        values: Different values that it must have carried.
        const: Tasks that must agree on a constant.
        usual: Share from which a parameter has a default.
    """

    holds: float = 0.98
    values: int = 2
    const: int = 5
    usual: float = 0.95


def induced(
    instances: Sequence[Instance], names: Names, share: Share, *, fan: Fan | None = None
) -> dict[Path, Source]:
    """A source for every argument, by path.

    Args:
        instances: Calls that are to be made by the step.
        names: What the numbers stand for.
        share: When something holds.
        fan: The list that the step goes through, if any.
    """
    by_path: defaultdict[Path, list[tuple[Instance, Leaf]]] = defaultdict(list)
    shapes: Counter[frozenset[Path]] = Counter()
    for instance in instances:
        shapes[shape(instance.call, names)] += 1
        for leaf in instance.call.leaves:
            by_path[names.paths[leaf.path][1]].append((instance, leaf))
    out: dict[Path, Source] = {}
    enough = share.holds * len(instances)
    for top in sorted(path for path in by_path if len(path) == 1):
        if len(by_path[top]) < enough:
            out[top] = Given(optional=True)
            continue
        whole = _source(top, by_path[top], names, share, fan)
        inner = sorted((p for p in by_path if p[:1] == top and len(p) > 1), key=repr)
        if not isinstance(whole, Given) or not inner:
            out[top] = whole
            continue
        out |= _inner(top, inner, by_path, len(instances), names, share, fan) or {top: whole}
    return out


def _inner(  # noqa: PLR0917 - one argument, taken apart
    top: Path,
    inner: Sequence[Path],
    by_path: dict[Path, list[tuple[Instance, Leaf]]],
    count: int,
    names: Names,
    share: Share,
    fan: Fan | None,
) -> dict[Path, Source] | None:
    """Sources for what is in an object or list; `None` unless it always looks alike."""
    if any(len(by_path[path]) != count for path in (top, *inner)):
        return None
    above = {path[:n] for path in inner for n in range(2, len(path))}
    found = {p: _source(p, by_path[p], names, share, fan) for p in inner if p not in above}
    explained = any(isinstance(s, Ref | Item | Text) for s in found.values())
    return found if explained else None


def _source(
    path: Path,
    seen: Sequence[tuple[Instance, Leaf]],
    names: Names,
    share: Share,
    fan: Fan | None,
) -> Source:
    """The source of one leaf."""
    learnt = [(instance, leaf) for instance, leaf in seen if not instance.held]
    enough = share.holds * len(learnt)
    values = Counter(repr(leaf.value) for _, leaf in learnt)
    if not values:
        return Given()
    if len(values) >= share.values:
        counts: Counter[Source] = Counter()
        later: Counter[Source] = Counter()
        for instance, leaf in seen:
            found = set(_candidates(instance, leaf, names, fan))
            (later if instance.held else counts).update(found)
        good = [source for source, n in counts.items() if n >= enough]
        if good:
            return min(good, key=lambda s: (-counts[s] - later[s], *_plainness(s, path, names)))
        text = _text(learnt, enough)
        if text is not None:
            return text
    return _same(learnt, values, share)


def _candidates(instance: Instance, leaf: Leaf, names: Names, fan: Fan | None) -> Iterator[Source]:
    """All that one leaf may come from."""
    steps = instance.occurrence.singles
    for link in leaf.links:
        step = steps.get(link >> SHIFT)
        if step is not None:
            yield Ref(step, link & MASK)
    if fan is not None:
        for at, rest in items(leaf, fan, instance.occurrence, names):
            if at == instance.item:
                yield Item(rest)


def _plainness(source: Source, path: Path, names: Names) -> tuple[object, ...]:
    """What is preferred among sources that hold equally: small is plain."""
    if isinstance(source, Item):
        return (0, 0, 0, 0, 0, repr(source.rest))
    assert isinstance(source, Ref)  # noqa: S101 - the only other candidate
    of_args, where = names.paths[source.path]
    positions = sum(type(p) is int for p in where)
    named = not where or where[-1] != path[-1]
    return (1, positions, named, not of_args, len(where), -source.step, repr(where))


def _text(seen: Sequence[tuple[Instance, Leaf]], enough: float) -> Text | None:
    """A template that all have in common: the same texts, and a source for each piece."""
    made: list[tuple[Occurrence, Template]] = [
        (instance.occurrence, leaf.template) for instance, leaf in seen if leaf.template is not None
    ]
    texts = Counter(template.texts for _, template in made)
    for common, n in texts.most_common(1):
        if n < enough:
            break
        pieces = []
        for at in range(len(common) - 1):
            counts: Counter[Ref] = Counter()
            for occurrence, template in made:
                if template.texts == common:
                    steps = occurrence.singles
                    links = {(steps.get(k >> SHIFT), k & MASK) for k in template.pieces[at]}
                    counts.update(Ref(s, p) for s, p in links if s is not None)
            held = sorted(ref for ref, count in counts.items() if count >= enough)
            if not held:
                return None
            pieces.append(max(held, key=lambda ref: counts[ref]))
        return Text(common, tuple(pieces))
    return None


def _same(seen: Sequence[tuple[Instance, Leaf]], values: Counter[str], share: Share) -> Source:
    """A constant where enough tasks all agree; else a parameter, with a usual value or without."""
    key, count = values.most_common(1)[0]
    value = next(leaf.value for _, leaf in seen if repr(leaf.value) == key)
    if isinstance(value, str) and value.startswith(LONG):
        return Given()
    tasks = {i.occurrence.record.task for i, leaf in seen if repr(leaf.value) == key}
    if count == len(seen) and len(tasks) >= share.const:
        return Const(value, key)
    if count >= share.usual * len(seen) and len(tasks) >= share.const:
        return Given(default=value)
    return Given()
