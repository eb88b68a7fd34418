"""What a lesson may say: where the words of a run came from, and which error text may be shown.

A tool's result can hold text that somebody wrote to steer the agent. What entered a run only
through the prose of results and errors is *tainted*: an agent that repeats it may have been told
to. Names and values from structured results (JSON or literals of short values), from the task, from
the user and from the agent itself are not. Error text is shown only as a masked template without
any clause that reads as an instruction. That screen is a list of words and can be got round; the
taint rule cannot by wording.

Next file: `mine/failures/diff.py`.
"""

import ast
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from strop.jsonvalue import Json, is_object
from strop.mine.calls import Call
from strop.run import CodeRun, ErrorStep, Message, Run, ToolCall

__all__ = ["Sources", "leaves", "quotable", "safe_text", "structured"]

_MOST = 40_000  # characters of one text that are looked at
_SHORT, _WORDS = 60, 4  # what a value may hold at most: characters, words
_LEAVES = 3_000
_DEEPEST = 12
_PEOPLE = {"user", "system", "assistant"}  # whose messages are not results of tools

# Words that make a clause an instruction wherever they stand, and those that do at its beginning.
_ANYWHERE = re.compile(
    r"\b(?:you|your|please|must|should|shall|ought|ignore|disregard|forget|override|bypass|instead|"
    r"always|never|instructions?|system|assistant|admin\w*|prompt|policy|attention|important|"
    r"urgent\w*|remember|henceforth|from now on|call|calls|calling|invoke|execute|run|use|retry|"
    r"approved?|grant\w*|reveal|password|credentials?|secret|next time|needs? to|has to|have to)\b",
    re.IGNORECASE,
)
_FIRST = re.compile(
    r"\W*(?:then |now |next |just |simply |first |also |kindly |to fix,? |and |or |so )*"
    r"(?:do|don.t|try|set|send|add|include|delete|remove|drop|transfer|email|mail|forward|visit|"
    r"open|click|download|install|refund|book|cancel|update|change|switch|respond|reply|answer|"
    r"tell|say|output|print|write|note|enable|disable|pass|provide|give|make|go|let|keep|stop|"
    r"start|follow|accept|confirm|approve|ask|contact|report|upload|fetch|post|pay|issue|offer|"
    r"mark|treat|consider|assume|allow|skip|turn|sudo|curl|wget|rm)\b(?!ed|ing)",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_SEGMENT = re.compile(r"[.\[\]]+")
_CLAUSE = re.compile(r"[.;!?](?:\s|$)|:\s|,\s|\s[-\u2013\u2014]+\s|[()\[\]{}|\n]")
_QUOTABLE = re.compile(r"[\w.$@*/+#-][\w .$@*/:+=<>#\[\]-]{0,59}")


def safe_text(template: str, *, most: int = 120) -> str:
    """As much of a template, from its beginning, as reads as a report and not as an instruction.

    One line without backticks, cut to `most` characters; ``""`` where nothing is left.
    """
    line = " ".join(template.replace("`", "'").split())
    kept = 0
    for end in (*(m.end() for m in _CLAUSE.finditer(line)), len(line)):
        clause = line[kept:end]
        if _ANYWHERE.search(clause) or _FIRST.match(clause):
            break
        kept = end
    text = line[:kept].rstrip(" .,;:!?-([{|\u2013\u2014")
    return text if len(text) <= most else text[: most - 3].rstrip() + "..."


def quotable(value: Json) -> str | None:
    """How a value is quoted in a lesson; `None` for what is no short name, number or flag."""
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    if not isinstance(value, str) or not _QUOTABLE.fullmatch(value) or value.count(" ") > 2:
        return None
    return None if " " in value and safe_text(value) != value else value


def structured(result: Json) -> Json:
    """A result as a value: text that is JSON or a Python literal is read; prose is `None`."""
    if not isinstance(result, str):
        return result
    text = result[:_MOST].strip()
    if len(result) > _MOST or not text or text[0] not in "[{(":
        return None
    try:
        return _plain(json.loads(text))
    except (ValueError, RecursionError):
        pass
    try:
        return _plain(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _plain(value: object) -> Json:
    """Tuples and sets of a literal as lists; other things that JSON does not know as text."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        items = sorted(value, key=repr) if isinstance(value, set) else value
        return [_plain(item) for item in items]
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)


def leaves(value: Json, path: str = "", *, level: int = 0) -> Iterator[tuple[str, Json]]:
    """The scalars of a value with their paths; a list's index is written ``[]``.

    The keys of an object whose keys are data (ids with digits in them) are written ``*``.
    """
    if level > _DEEPEST:
        return
    # Scalars first and plain types: this runs for every value of every failing run.
    if value is None or isinstance(value, str | int | float):
        yield path, value
    elif isinstance(value, dict) or is_object(value):
        for key, item in value.items():
            name = "*" if _DIGIT.search(key) else key
            yield from leaves(item, f"{path}.{name}" if path else name, level=level + 1)
    elif isinstance(value, Sequence):
        for item in value:
            yield from leaves(item, f"{path}[]", level=level + 1)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the words of one run came from. Made when a run needs it; read it by position.

    Attributes:
        run: The run.
        calls: Its calls.
    """

    run: Run
    calls: tuple[Call, ...] = field(repr=False)

    def _texts(self) -> Iterator[tuple[int, bool, str]]:
        """All that was said, in order, in lower case: position, whether a result, text.

        What a step was asked comes before what it gave. Read only as far as somebody asks, once.
        """
        yield from self._read
        for at, heard, text in self._unread:
            if text:
                self._read.append((at, heard, text[:_MOST].lower()))
                yield self._read[-1]

    @cached_property
    def _read(self) -> list[tuple[int, bool, str]]:
        return []

    @cached_property
    def _unread(self) -> Iterator[tuple[int, bool, str]]:
        return self._spoken()

    def _spoken(self) -> Iterator[tuple[int, bool, str]]:
        yield -1, False, _text(self.run.input)
        for at, step in enumerate(self.run.steps):
            if isinstance(step, ToolCall):
                yield at, False, _text(step.args)
                yield at, True, step.error or ""
                yield at, True, _text(step.result)
            elif isinstance(step, CodeRun):
                yield at, False, step.source
                yield at, True, step.error or ""
                yield at, True, step.output
            elif isinstance(step, ErrorStep):
                yield at, True, step.message
            elif isinstance(step, Message):
                yield at, step.role not in _PEOPLE, step.content

    @cached_property
    def _said(self) -> tuple[tuple[int, str], ...]:
        """What the agent put into its calls."""
        return tuple((c.position, _text(c.args)[:_MOST].lower()) for c in self.calls)

    def tainted(self, word: str, *, before: int) -> bool:
        """Whether `word` entered the run first through the prose of a result or error.

        Args:
            word: A name or value.
            before: Position of the step that uses it.
        """
        lower = _plain_word(word)
        if not lower:
            return False
        for at, heard, text in self._texts():
            if at >= before:
                return False
            if _stands(lower, text):
                return heard and not self._is_field(lower, at)
        return False

    def own(self, word: str, *, upto: int) -> bool:
        """Whether the agent itself said `word` in a call up to a position, and was not told to."""
        lower = _plain_word(word)
        if not lower:
            return False
        for at, text in self._said:
            if at > upto:
                return False
            if _stands(lower, text):
                return not self.tainted(word, before=at)
        return False

    def _is_field(self, word: str, position: int) -> bool:
        """Whether a word is a whole value, or a key, of the structured result at a position.

        A word inside a value is not enough: a short value can still be an instruction.
        """
        call = self._at.get(position)
        if call is None:
            return False
        return any(
            str(value).lower() == word or word in _SEGMENT.split(path.lower())
            for path, value in self._fields_of(call)
        )

    @cached_property
    def _at(self) -> dict[int, Call]:
        return {call.position: call for call in self.calls}

    def fields(self, before: int) -> Iterator[tuple[str, Json, int]]:
        """Short values of structured results before a position: ``tool.path``, value, position."""
        for call in self.calls:
            if call.position < before:
                for path, value in self._fields_of(call):
                    yield f"{call.tool}: {path}" if path else call.tool, value, call.position

    def _fields_of(self, call: Call) -> list[tuple[str, Json]]:
        if call.error is not None:
            return []
        held = self._kept.get(call.position)
        if held is None:
            held = []
            for path, value in leaves(structured(call.result)):
                if value is None or isinstance(value, bool) or _is_prose(value):
                    continue
                held.append((path, value))
                if len(held) == _LEAVES:
                    break
            self._kept[call.position] = held
        return held

    @cached_property
    def _kept(self) -> dict[int, list[tuple[str, Json]]]:
        return {}


def _is_prose(value: Json) -> bool:
    return isinstance(value, str) and (len(value) > _SHORT or value.count(" ") >= _WORDS)


def _text(value: Json) -> str:
    """All keys and scalars of a value, a line each: where a word may stand."""
    if isinstance(value, str):
        return value
    lines: list[str] = []
    left: list[Json] = [value]
    while left and len(lines) < _LEAVES:
        item = left.pop()
        if isinstance(item, str):
            lines.append(item)
        elif isinstance(item, dict):
            lines += item
            left += item.values()
        elif isinstance(item, list):
            left += item
        elif item is not None:
            lines.append(str(item))
    return "\n".join(lines)


def _plain_word(word: str) -> str:
    """A word as it is looked for: without quotes, in lower case."""
    return word.strip("'\"` \n").lower()[:_SHORT]


def _stands(word: str, text: str) -> bool:
    """Whether a word stands in a text as a whole word; both in lower case.

    By hand, because a pattern for every name of every run is compiled for longer than it is used.
    """
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        if not (at and _in_word(text[at - 1])) and not (end < len(text) and _in_word(text[end])):
            return True
        at = text.find(word, at + 1)
    return False


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"
