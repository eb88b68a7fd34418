"""Which names a call's text speaks of, and which names an error message says do not exist.

One small tokenizer for anything that is written as words, brackets, dots and quoted values: SQL and
its relatives, path queries, commands. What it has to know of a language stands as data in `Hints`.
It is no parser: a name whose place is not clear is left out, never guessed.

Next file: `mine/facts/calls.py`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from strop.mine.facts.hints import SQL, Hints

__all__ = [
    "SQL",
    "Hints",
    "Names",
    "Unknown",
    "names_in",
    "unknown_in",
    "without_values",
    "words_of",
]

_MOST = 2_000  # characters of a call or of an error that are read

_TOKEN = re.compile(
    r"`(?P<quoted>[^`\n]{1,128})`"
    r"|(?P<value>'[^'\n]*'|\"[^\"\n]*\"|\d[\w.]*)"
    r"|(?P<word>[^\W\d][\w$]*)"
    r"|(?P<mark>[^\w\s])"
)

_VALUE = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|(?<![\w$])\d[\w.]*")
_REMARK = re.compile(r"--[^\n]*|/\*[^*]*\*/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names in one text.

    Attributes:
        containers: Names that stand where a container's does, in order, with what is before their
            dot.
        members: (container, member) pairs whose belonging is clear.
        likely: Such pairs inside brackets, where the member may be that of a container around them:
            in a call that worked by accident it often is.
        loose: Names that may belong to any of several containers.
        aliases: Other names, lower case, with the container each stands for.
    """

    containers: tuple[str, ...] = ()
    members: tuple[tuple[str, str], ...] = ()
    likely: tuple[tuple[str, str], ...] = ()
    loose: tuple[str, ...] = ()
    aliases: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(slots=True)
class _Frame:
    """One level of brackets while it is read."""

    containers: list[str] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)  # names that the text itself gives to a value
    single: list[str] = field(default_factory=list)
    dotted: list[tuple[str, str]] = field(default_factory=list)
    derived: bool = False  # a bracket stands in a container's place
    inner: bool = False


def words_of(text: str) -> list[str]:
    """The words of a text's beginning, lower case, without what is quoted."""
    return [m.group().casefold() for m in _TOKEN.finditer(text[:_MOST]) if m.lastgroup == "word"]


def without_values(text: str) -> str:
    """A text's beginning with one and the same value for all that it holds: its names stay."""
    return _VALUE.sub("0", text[:_MOST])


def names_in(text: str, hints: Hints = SQL) -> Names:
    """The names in a call's text.

    A dotted name ``a.b`` makes b a member of a, or of the container that a stands for; a name
    without a dot is a member of the only container of its level of brackets. Names before a bracket
    are functions, names after another name are new ones that the text makes up.

    Args:
        text: The text; its first 2,000 characters are read.
        hints: What is known of its language.
    """
    found = _Reader(hints)
    for kind, token in _tokens(_REMARK.sub(" ", text[:_MOST])):
        found.take(kind, token)
    return found.names()


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "mark"
        yield ("name", match["quoted"]) if kind == "quoted" else (kind, match.group())


class _Reader:
    """Reads tokens one by one; see `names_in`."""

    def __init__(self, hints: Hints) -> None:
        self._hints = hints
        self._stack = [_Frame()]
        self._done: list[_Frame] = []
        self._before = ""  # what came before: "", "word", "name", "value", ".", "(", ")", "as", ...
        self._held = ""  # a name whose role the next token decides
        self._owner = ""  # what stood before the dot
        self._opened = False  # a container's name is due
        self._listing = False  # a comma would open another one
        self._first = True

    def take(self, kind: str, token: str) -> None:
        word = token.casefold() if kind == "word" else ""
        if kind == "mark":
            self._mark(token)
        elif kind == "name" or (kind == "word" and self._is_name(word)):
            if self._before != ".":  # what stands before the dot waits for what comes after it
                self._settle()
            self._name(token)
        elif word:
            self._settle()
            self._keyword(word)
        else:
            self._settle()
            self._before = "value"
        self._first = False

    def _is_name(self, word: str) -> bool:
        """A word of the grammar is a name where only a name can stand: after a dot."""
        return self._before == "." or word not in self._hints.known

    def _keyword(self, word: str) -> None:
        hints = self._hints
        if word == hints.renames:
            self._before = "as"
            return
        self._opened = word in hints.before or (self._first and word in hints.leading)
        self._listing = False
        if word in hints.breaks:
            self._done.append(self._stack[-1])
            self._stack[-1] = _Frame(inner=self._stack[-1].inner)
        self._before = "word"

    def _name(self, token: str) -> None:
        frame = self._stack[-1]
        if self._before == "as" or self._before in ("name", ")", "value"):
            self._alias(frame, token)
            self._before = "word"
        else:
            self._held = token
            self._before = "name"

    def _alias(self, frame: _Frame, token: str) -> None:
        """Another name: of the last container where one was just named, else of a value."""
        if self._listing and frame.containers:
            frame.aliases.setdefault(token.casefold(), frame.containers[-1])
        else:
            frame.made.add(token.casefold())

    def _mark(self, mark: str) -> None:
        if mark == "." and self._held:
            self._owner, self._held, self._before = self._held, "", "."
            return
        if mark == "(":
            self._held = self._owner = ""  # a function
            self._stack[-1].derived |= self._opened
            self._stack.append(_Frame(inner=True))
            self._opened = self._listing = False
        else:
            self._settle()
        if mark == ")" and len(self._stack) > 1:
            self._close(self._stack.pop())
            self._listing = False
        elif mark == ",":
            self._opened = self._listing
        self._before = mark if mark != "*" else "value"

    def _close(self, frame: _Frame) -> None:
        """A bracket with containers of its own stands alone; another belongs to what is around."""
        around = self._stack[-1]
        if not frame.containers:
            around.single += [] if frame.derived else frame.single
            around.dotted += frame.dotted
            around.made |= frame.made
            return
        for owner, member in frame.dotted:  # it may speak of the containers around it
            own = {_last(name) for name in frame.containers}
            if owner.casefold() not in frame.aliases and owner.casefold() not in own:
                around.dotted.append((owner, member))
        self._done.append(frame)

    def _settle(self) -> None:
        """Puts the name that was held where it belongs."""
        name, owner, self._held, self._owner = self._held, self._owner, "", ""
        if not name:
            return
        frame = self._stack[-1]
        if self._opened:
            frame.containers.append(f"{owner}.{name}" if owner else name)
            self._opened, self._listing = False, True
        elif owner:
            frame.dotted.append((owner, name))
        else:
            frame.single.append(name)
        self._before = "name"

    def names(self) -> Names:
        self._settle()
        while len(self._stack) > 1:
            self._close(self._stack.pop())
        containers: dict[str, str] = {}
        members: dict[tuple[str, str], None] = {}
        likely: dict[tuple[str, str], None] = {}
        loose: dict[str, None] = {}
        aliases: dict[str, str] = {}
        for frame in (*self._done, self._stack[0]):
            own = {_last(name): name for name in frame.containers}
            for name in frame.containers:
                containers.setdefault(name.casefold(), name)
            aliases |= frame.aliases
            for owner, member in frame.dotted:
                known = frame.aliases.get(owner.casefold()) or own.get(owner.casefold())
                if known:
                    members[known, member] = None
            for name in frame.single:
                key = name.casefold()
                if key in frame.made or key in frame.aliases or key in own:
                    continue
                if len(own) == 1 and not frame.derived:
                    pairs = likely if frame.inner else members
                    pairs[next(iter(own.values())), name] = None
                else:
                    loose[name] = None
        return Names(
            containers=tuple(containers.values()),
            members=tuple(members),
            likely=tuple(likely),
            loose=tuple(loose),
            aliases=aliases,
        )


def _last(name: str) -> str:
    """What a dotted name is spoken of by, lower case."""
    return name.rpartition(".")[2].casefold()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A name that an error message says does not exist.

    Attributes:
        name: Its last part, as the message spells it.
        owner: What stands before its last dot; empty where nothing does.
        noun: What the message calls it (``table``, ``column``); empty where it does not say.
        container: Whether it stands for a container; `None` where that is not clear.
    """

    name: str
    owner: str = ""
    noun: str = ""
    container: bool | None = None


_NAME = r"[\"'`]?(?P<{0}>[\w$.\-]{{1,128}}?)[\"'`]?(?=[\s,;:)]|\.(?:\s|$)|$)"
_NOUN = (
    r"(?P<{0}>table|relation|view|collection|dataset|sheet|index|column|field|attribute|property|key"
    r"|parameter)"
)
_MISSING = re.compile(
    rf"(?:unknown|no such|undefined|unrecogni[sz]ed|invalid)\s+{_NOUN.format('n1')}(?: name)?:?\s+"
    rf"{_NAME.format('a')}"
    rf"|{_NOUN.format('n2')}\s+(?:named\s+)?{_NAME.format('b')}\s+"
    r"(?:does not exist|doesn't exist|not found|is unknown|was not found|cannot be found)",
    re.IGNORECASE,
)
_CONTAINERS = frozenset(["table", "relation", "view", "collection", "dataset", "sheet", "index"])


def unknown_in(error: str) -> Unknown | None:
    """The first name that an error message says does not exist, or `None`."""
    match = _MISSING.search(error[:_MOST])
    if match is None:
        return None
    noun = (match["n1"] or match["n2"]).casefold()
    *before, name = (match["a"] or match["b"]).strip(".").split(".")
    if not name:
        return None
    return Unknown(
        name=name, owner=before[-1] if before else "", noun=noun, container=noun in _CONTAINERS
    )
