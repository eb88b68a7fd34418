"""How the names of a scope read: a line for all containers, a line for the members of each.

Where everything about a scope is known and short, one line says all of it. What does not exist, and
was tried before, is said as far as the line has room.

Next file: `mine/facts/miner.py`.
"""

from collections.abc import Mapping, Sequence

from strop.context import count_tokens
from strop.mine.facts.scopes import Container, Denied, Scope

__all__ = ["containers_line", "members_line", "whole_line"]

_DENIED = 4  # names that do not exist, in one sentence
_ELSEWHERE = 2  # names that belong to another container


def containers_line(scope: Scope, *, tokens: int) -> str | None:
    """What containers there are; `None` where none is known."""
    if not scope.names:
        return None
    return _fitted(
        _of(_title(scope, 0), scope.name),
        scope.names,
        _no_containers(scope),
        whole=scope.listing is not None,
        tokens=tokens,
    )


def members_line(scope: Scope, container: Container, *, tokens: int) -> str | None:
    """What one container has; `None` where that is not known."""
    if not container.members:
        return None
    title = f"{_title(scope, 1)} of {container.name}"
    return _fitted(
        f"{title} in {scope.name}" if scope.name else title,
        container.members,
        _no_members(scope, container, "It"),
        whole=container.listed is not None,
        tokens=tokens,
    )


def whole_line(scope: Scope, *, tokens: int, most: int) -> str | None:
    """All containers with all their members, where results listed every one of them.

    Args:
        scope: The scope.
        tokens: What the names may take; `None` is returned where they take more.
        most: What the line may take with what does not exist.
    """
    held = [scope.find(name) for name in scope.names] if scope.listing is not None else []
    listed = [container for container in held if container and container.listed is not None]
    if not listed or len(listed) != len(held):
        return None
    title = _of(_title(scope, 0), scope.name)
    parts = "; ".join(f"{c.name} ({', '.join(c.members)})" for c in listed)
    line = f"{title} with all their {_title(scope, 1).casefold()}: {parts}."
    if count_tokens(line) > tokens:
        return None
    after = _no_containers(scope)
    for container in sorted(listed, key=lambda c: -sum(len(d.tasks) for d in c.denied.values())):
        after += _no_members(scope, container, container.name, elsewhere=False)
    for sentence in after:
        if count_tokens(f"{line} {sentence}") <= most:
            line = f"{line} {sentence}"
    return line


def _title(scope: Scope, which: int) -> str:
    noun = scope.noun(which)
    if not noun:
        return "Names"
    return (f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s").capitalize()


def _of(title: str, name: str) -> str:
    return f"{title} of {name}" if name else title


def _no_containers(scope: Scope) -> list[str]:
    there = {name.casefold() for name in scope.names}
    denied = [lacking.name for key, lacking in _most(scope.denied) if key not in there]
    return [f"There is no {', '.join(denied[:_DENIED])}."] if denied else []


def _no_members(
    scope: Scope, container: Container, subject: str, *, elsewhere: bool = True
) -> list[str]:
    """That it lacks some names, and where those are that another container has."""
    denied: list[str] = []
    others: list[str] = []
    for key, lacking in _most(container.denied):
        if container.has(key):
            continue
        owners = scope.owners(key)
        if owners:
            others.append(f"{lacking.name} is in {owners[0]}.")
        else:
            denied.append(lacking.name)
    said = [f"{subject} has no {', '.join(denied[:_DENIED])}."] if denied else []
    return [*said, *others[:_ELSEWHERE]] if elsewhere else said


def _most(denied: Mapping[str, Denied]) -> list[tuple[str, Denied]]:
    """Those first that most tasks tried."""
    return sorted(denied.items(), key=lambda pair: (-len(pair[1].tasks), pair[0]))


def _fitted(
    title: str, names: Sequence[str], after: Sequence[str], *, whole: bool, tokens: int
) -> str:
    """One line within a budget: what stands after the names goes first, then the last names."""
    count = len(names)
    head = title if whole else f"{title} known so far"
    while True:
        if count < len(names):
            tail = f", and {len(names) - count} more"
        else:
            tail = " (all)" if whole else ""
        line = " ".join([f"{head}: {', '.join(names[:count])}{tail}.", *after])
        if count_tokens(line) <= tokens or (not after and count <= 1):
            return line
        if after:
            after = after[:-1]
        else:
            count = max(1, count * 7 // 8)
