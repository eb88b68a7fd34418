"""The names of one scope: its containers, their members, and the names that do not exist there.

Names are learned from calls that worked, from right answers, from results that list names, and from
error messages that say which name is unknown. A quoted name of several words that reads as an
instruction is none; one that is written as a single word cannot be told from a name. Nothing here
knows where scopes come from: `mine/facts/miner.py` feeds it. How it reads is
`mine/facts/lines.py`'s business.

Next file: `mine/facts/lines.py`.
"""

from collections import Counter
from dataclasses import dataclass, field

from strop.mine.facts.evidence import Evidence, Sighting
from strop.mine.facts.hints import Hints
from strop.mine.facts.names import Names, Unknown
from strop.mine.facts.results import instructs

__all__ = ["Container", "Denied", "Scope"]

_APPLIED = 4_096  # texts of a scope whose names are remembered as told already
_MOST = 512  # containers of a scope, members of a container


@dataclass(slots=True)
class Container:
    """One container: its members as far as they are known.

    Attributes:
        name: As it was spelled where that is most to be trusted.
        evidence: Tasks that touched it.
        used: Members seen in calls and answers, by their lower case.
        sure: Those of them that a right answer names.
        listed: All members, where a result listed them.
        denied: Members that an error message says it does not have, with how many tasks met that.
        known: Whether a right answer names the container itself.
        worded: Whether a call's text named it in a container's place.
    """

    name: str
    evidence: Evidence = field(default_factory=Evidence)
    used: dict[str, str] = field(default_factory=dict)
    sure: set[str] = field(default_factory=set)
    listed: tuple[str, ...] | None = None
    denied: dict[str, "Denied"] = field(default_factory=dict)
    known: bool = False
    worded: bool = False

    @property
    def members(self) -> tuple[str, ...]:
        return self.listed if self.listed is not None else tuple(self.used.values())

    def has(self, name: str) -> bool:
        key = name.casefold()
        return any(key == member.casefold() for member in self.members)


@dataclass(slots=True)
class Denied:
    """A name that does not exist, and the tasks that tried it."""

    name: str
    tasks: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Scope:
    """All names of one tool in one scope.

    Attributes:
        name: The scope; empty where there is none.
        hints: See `mine/facts/names.py`.
        evidence: All tasks that used the tool there.
        containers: By lower case.
        denied: Containers that do not exist, by lower case.
        lists: Results that list names, by the call that gave them.
    """

    name: str
    hints: Hints
    evidence: Evidence = field(default_factory=Evidence)
    containers: dict[str, Container] = field(default_factory=dict)
    denied: dict[str, Denied] = field(default_factory=dict)
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _applied: dict[int, tuple[Names, tuple[Container, ...]]] = field(default_factory=dict)
    nouns: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))

    def use(self, names: Names, seen: Sighting, *, sure: bool = False) -> None:
        """Names in a call that worked, or (`sure`) in a right answer."""
        known = None if sure else self._applied.get(id(names))
        if known is not None and known[0] is names:  # nothing new but that it was used again
            for held in known[1]:
                held.evidence.add(seen)
            return
        touched = []
        for name in names.containers:
            container = self._container(name, sure=sure)
            if container is not None:
                container.worded = True
                container.evidence.add(seen)
                touched.append(container)
        for owner, name in (*names.members, *(names.likely if sure else ())):
            container = self.find(owner)
            if container is None or len(container.used) >= _MOST or instructs(name):
                continue
            key = name.casefold()
            if sure and key not in container.sure:
                container.sure.add(key)
                container.used[key] = name
            container.used.setdefault(key, name)
            container.denied.pop(key, None)
        if not sure:
            if len(self._applied) >= _APPLIED:
                self._applied.clear()
            self._applied[id(names)] = names, tuple(touched)

    def deny(self, unknown: Unknown, names: Names, seen: Sighting) -> None:
        """A name that an error message says does not exist.

        Args:
            unknown: What the message says.
            names: The names in the call that failed.
            seen: The run.
        """
        key = unknown.name.casefold()
        self.nouns[0 if unknown.container else 1][unknown.noun] += 1
        if unknown.container:
            held = self.containers.get(key)
            if held is not None and not held.known:
                del self.containers[key]  # it worked once, and does so no more
                self._applied.clear()
            if len(self.denied) < _MOST:
                self.denied.setdefault(key, Denied(unknown.name)).tasks.add(seen.task)
            return
        owner = names.aliases.get(unknown.owner.casefold(), unknown.owner)
        if not owner and len(names.containers) == 1:
            owner = names.containers[0]
        container = self.find(owner)
        if container is None:
            return
        if key in container.used and key not in container.sure:
            del container.used[key]
            self._applied.clear()
        if len(container.denied) < _MOST:
            container.denied.setdefault(key, Denied(unknown.name)).tasks.add(seen.task)

    def vouches(self, owner: str, names: tuple[str, ...]) -> bool:
        """Whether what is known besides speaks for a list of names.

        Names that worked or that a right answer gives are in it: one at least, and all of those
        that a right answer gives.

        Args:
            owner: The container whose members they are; empty for a list of containers.
            names: The list.
        """
        listed = {name.casefold() for name in names}
        if owner:
            held = self.find(owner)
            return held is not None and held.sure <= listed and bool(listed & held.used.keys())
        sure = {key for key, held in self.containers.items() if held.known and "." not in key}
        worded = {key for key, held in self.containers.items() if held.worded}
        return sure <= listed and bool(listed & worded)

    def describe(self, owner: str, names: tuple[str, ...]) -> None:
        """A result listed all members of a container."""
        container = self._container(owner, sure=False)
        if container is not None:
            container.listed = names

    def find(self, name: str) -> Container | None:
        """A container by its name, with or without the scope's before it."""
        return self.containers.get(self._own(name).casefold())

    def _own(self, name: str) -> str:
        before, _, last = name.rpartition(".")
        return last if before.casefold() == self.name.casefold() else name

    def _container(self, name: str, *, sure: bool) -> Container | None:
        name = self._own(name)
        key = name.casefold()
        held = self.containers.get(key)
        if held is None:
            if len(self.containers) >= _MOST or instructs(name):
                return None
            held = self.containers[key] = Container(name)
        if sure and not held.known:
            held.known, held.name = True, name
        return held

    def forget_lists(self) -> None:
        """Before all results that list names are told anew."""
        self.lists.clear()
        for container in self.containers.values():
            container.listed = None

    @property
    def names(self) -> tuple[str, ...]:
        """The containers: all, where a result lists them, else those that were used."""
        listing = self.listing
        if listing is not None:
            return listing[1]
        known = sorted(self.containers.values(), key=lambda c: -c.evidence.support)
        return tuple(held.name for held in known if held.worded and "." not in held.name)

    @property
    def listing(self) -> tuple[str, tuple[str, ...]] | None:
        """The call and the result that list this scope's containers.

        Of all results that list names the one that holds most of the containers in use, and more
        than half of them; the shortest of those.
        """
        used = {key for key, held in self.containers.items() if held.worded and "." not in key}
        best = None
        for call, names in sorted(self.lists.items()):
            share = len(used & {name.casefold() for name in names})
            if used and share * 2 > len(used):
                rank = (-share, len(names))
                if best is None or rank < best[0]:
                    best = rank, call, names
        return None if best is None else best[1:]

    def owners(self, name: str) -> tuple[str, ...]:
        """The containers that have a member of this name."""
        return tuple(held.name for held in self.containers.values() if held.has(name))

    def noun(self, which: int) -> str:
        """What containers (0) and members (1) are called here, singular; empty where unknown."""
        seen = self.nouns[which]
        if seen:
            return min(seen, key=lambda noun: (-seen[noun], noun))
        return self.hints.nouns[which] if any(c.worded for c in self.containers.values()) else ""
