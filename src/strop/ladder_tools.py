"""The tools that stand on the ladder: those that serve and those asked for, each with its standing.

Also what approving one grants it. Reading only. What people decide about them is in `approvals.py`.

Next file: `approvals.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from strop.errors import BadInput, UserMistake
from strop.grants import Grants, laddered, of_digest
from strop.permission import Level, Permissions
from strop.spec import Item, Kind
from strop.standing import Standing
from strop.tools.identity import body_kind, code_digest, needs_of, tools_by_name

__all__ = [
    "Asked",
    "LadderTool",
    "find_tool",
    "hosts_for",
    "ladder_tools",
    "to_grant",
    "waiting",
]

_PREFIX = 4  # characters of a digest that name a tool
_LABEL = 8  # characters of a digest beside a name


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderTool:
    """A tool on the ladder: one that serves, or one that was asked for.

    Attributes:
        item: The tool.
        digest: Of its code.
        need: What it declares; of a chain, what its steps' tools declare together.
        standing: Where it stands.
        serves: Whether it is in the released spec.
    """

    item: Item
    digest: str
    need: Permissions
    standing: Standing
    serves: bool

    @property
    def name(self) -> str:
        """The tool's name."""
        return str(self.item.content["name"])

    @property
    def label(self) -> str:
        """The name with the beginning of the digest, which names no other code."""
        return f"{self.name}@{self.digest[:_LABEL]}"

    @property
    def is_chain(self) -> bool:
        """Whether it is a chain: it has no code, so nothing is granted to it."""
        return body_kind(self.item) == "chain"

    @property
    def lacks(self) -> bool:
        """Whether it needs more than it is granted; a chain has its steps' grants."""
        return not self.is_chain and not self.standing.permissions.covers(self.need)

    @property
    def waits(self) -> str | None:
        """What it waits for a person for: ``grant`` or ``breaker``; `None` where it does not."""
        if self.standing.word is not None:
            return None
        if self.standing.halted is not None:
            return "breaker"
        return "grant" if self.lacks else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person grants of what a tool asks for; empty is all of it.

    Attributes:
        level: The level; it must be the one that is asked for.
        read: Folders to read.
        write: Folders to write.
        hosts: ``host:port`` addresses; where a tool asks for any, only these.
    """

    level: Level | None = None
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


def ladder_tools(grants: Grants) -> tuple[LadderTool, ...]:
    """The code and chain tools that serve, in the spec's order; then those asked for, by name.

    Raises:
        UserMistake: The ledger cannot be read.
    """
    store, standings = grants.store, grants.as_of_now().readable().standings
    release = store.released()
    items = () if release is None else store.spec(release.spec).of_kind(Kind.TOOL)
    tools = tools_by_name(items)
    found: dict[str, LadderTool] = {}
    for item in items:
        if laddered(item):
            digest = code_digest(item)
            found.setdefault(digest, _placed(item, digest, standings, tools, serves=True))
    asked = []
    for digest, standing in standings.items():
        if standing.request is not None and digest not in found:
            requested, _ = of_digest(store, digest)
            if requested is not None:
                asked.append(_placed(requested, digest, standings, tools, serves=False))
    return (*found.values(), *sorted(asked, key=lambda each: (each.name, each.digest)))


def waiting(grants: Grants) -> tuple[LadderTool, ...]:
    """The tools that wait for a person and on which none has decided.

    Raises:
        UserMistake: The ledger cannot be read.
    """
    return tuple(each for each in ladder_tools(grants) if each.waits is not None)


def find_tool(grants: Grants, name: str) -> LadderTool:
    """The tool with this name, or whose digest begins with it.

    A name that two pieces of code have, also where one of them is decided about already, is not
    enough: whoever has looked at one must not decide about the other.

    Args:
        grants: The agent's grants.
        name: ``NAME``, ``NAME@DIGEST`` or ``DIGEST``; an item's id will do for its name, and four
            characters for a digest.

    Raises:
        UserMistake: There is none, or there are several; or the ledger cannot be read.
    """
    known = ladder_tools(grants)
    found = [each for each in known if _is_called(each, name)]
    if not found:
        raise UserMistake(
            f"no code or chain tool is called {name!r} or has such a digest; `strop tools list` "
            "shows those that serve, `strop review` those that wait"
        )
    if len(found) > 1:
        alike = len({each.label for each in found}) < len(found)
        shown = (f"{each.name}@{each.digest}" if alike else each.label for each in found)
        raise UserMistake(
            f"{name!r} stands for {len(found)} tools with different code; say which one was "
            f"looked at: {', '.join(shown)}"
        )
    return found[0]


def _is_called(tool: LadderTool, given: str) -> bool:
    """Whether what is given stands for a tool."""
    name, at, start = given.rpartition("@")
    if at:
        return name in (tool.name, tool.item.id) and _begins(tool.digest, start)
    return given in (tool.name, tool.item.id) or _begins(tool.digest, given)


def _begins(digest: str, start: str) -> bool:
    return len(start) >= _PREFIX and digest.startswith(start)


def _placed(
    item: Item,
    digest: str,
    standings: Mapping[str, Standing],
    tools: Mapping[str, Item],
    *,
    serves: bool,
) -> LadderTool:
    try:
        need = needs_of(item, tools)
    except BadInput:  # it cannot be called, which is told elsewhere; it gets nothing
        need = Permissions()
    standing = standings.get(digest, Standing())
    return LadderTool(item=item, digest=digest, need=need, standing=standing, serves=serves)


def to_grant(tool: LadderTool, asked: Asked) -> Permissions:
    """What approving a tool grants it.

    Raises:
        UserMistake: That is more than it asks for, or leaves it inert.
    """
    granted, need = tool.standing.permissions, tool.need
    if asked == Asked() and not tool.lacks:
        return granted  # only its breaker is to be closed
    if asked.level not in (None, need.level):
        raise UserMistake(
            f"{tool.name!r} asks for level {need.level.value!r}; approve that or deny it "
            "(`strop tools promote` and `demote` set the level whatever is asked for)"
        )
    _check("read", asked.read, need.read, tool.name)
    _check("write", asked.write, need.write, tool.name)
    if need.hosts or need.level is not Level.FULL:
        _check("host", asked.hosts, need.hosts, tool.name)
    above = granted.level.rank > need.level.rank
    return Permissions(
        level=granted.level if above else need.level,
        read=(*granted.read, *need.read),
        write=(*granted.write, *need.write),
        hosts=asked.hosts or (granted.hosts if above else hosts_for(granted, need)),
    )


def hosts_for(granted: Permissions, need: Permissions) -> tuple[str, ...]:
    """The hosts for code that needs these: what a person narrowed stays narrow."""
    if granted.level is Level.FULL and granted.covers(replace(need, read=(), write=())):
        return granted.hosts
    return need.hosts


def _check(option: str, given: Sequence[str], need: Sequence[str], name: str) -> None:
    """Whether what is given is what is asked for, where anything is given.

    Raises:
        UserMistake: It is more or less than that.
    """
    more, less = sorted({*given} - {*need}), sorted({*need} - {*given})
    if more:
        raise UserMistake(f"{name!r} does not ask for --{option} {more[0]}, so it is not granted")
    if given and less:
        raise UserMistake(
            f"without --{option} {less[0]}, {name!r} stays inert; leave --{option} out to grant "
            "all that it asks for, or deny it"
        )
