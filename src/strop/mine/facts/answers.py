"""Calls and what they came back with, over many runs: which of them may be believed.

Calls that only one task made are remembered by two hashes; the latest few thousand of them whole,
because a family of calls that always agreed (``DESCRIBE _``) vouches for its single members. What
repeats is kept once. Memory is bounded whatever the number of runs.

Next file: `mine/facts/shapes.py`.
"""

import hashlib
import json
import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from strop.jsonvalue import Json
from strop.mine.facts.calls import normal_call, template
from strop.mine.facts.evidence import Evidence, Sighting
from strop.mine.facts.hints import Hints
from strop.mine.facts.names import words_of
from strop.mine.facts.results import listed, parsed

__all__ = ["Answer", "Answers", "Asked"]

_HASHED = 200_000  # characters of a result that tell it apart from another one
_KEPT = 20_000  # characters of a result that are kept, one more than is ever read
_ONCE = 200_000  # calls seen in one task only that are remembered by their hashes
_WHOLE = 4_096  # of them, those that are remembered as they were
_REPEATED = 50_000
_Z2 = 1.645**2  # one-sided 95 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call that worked.

    Attributes:
        tool: The tool's name.
        scope: The scope's name.
        text: The call as text.
        result: What came back.
        seen: In which run.
    """

    tool: str
    scope: str
    text: str
    result: Json = field(hash=False)
    seen: Sighting


@dataclass(slots=True)
class Answer:
    """What one call comes back with.

    Attributes:
        tool: The tool's name.
        scope: The scope's name.
        call: The call, normalised.
        text: The call as it was first written.
        mark: Digest of the result.
        result: The result; a text is cut.
        describes: Whether the call asks for names.
        hints: What is known of the language of calls.
        evidence: Since the result last changed.
        changes: How often it did.
        held: Whether two tasks ever agreed on it.
    """

    tool: str
    scope: str
    call: str
    text: str
    mark: bytes
    result: Json
    describes: bool
    hints: Hints
    evidence: Evidence = field(default_factory=Evidence)
    changes: int = 0
    held: bool = False
    _names: tuple[bytes, tuple[str, ...] | None] | None = None
    _family: str | None = None

    @property
    def family(self) -> str:
        """What its family has in common."""
        if self._family is None:
            self._family = template(self.call, self.hints)
        return self._family

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names that a describing call listed."""
        if not self.describes:
            return None
        if self._names is None or self._names[0] != self.mark:
            self._names = self.mark, listed(parsed(self.result))
        return self._names[1]


@dataclass(slots=True)
class _Family:
    """How calls of one template behave when another task repeats them."""

    agreed: int = 0
    differed: int = 0

    @property
    def bound(self) -> float:
        """Wilson's lower bound on the share of repeats that agree (Wilson, JASA 1927)."""
        n = self.agreed + self.differed
        if not n:
            return 0.0
        p, z = self.agreed / n, _Z2 / n
        return (p + z / 2 - math.sqrt(z * (p * (1 - p) + z / 4))) / (1 + z)


class Answers:
    """All answers so far.

    Args:
        hints: What is known of the language of calls.
        min_tasks: Distinct tasks that must agree.
    """

    def __init__(self, *, hints: Hints, min_tasks: int) -> None:
        self._hints = hints
        self._min_tasks = min_tasks
        self._repeated: OrderedDict[bytes, Answer] = OrderedDict()
        self._once: OrderedDict[bytes, tuple[bytes, str]] = OrderedDict()
        self._whole: OrderedDict[bytes, Answer] = OrderedDict()
        self._families: dict[tuple[str, str], _Family] = {}
        self._describing: dict[str, bool] = {}  # by the tool's name

    def add(self, asked: Asked) -> bool:
        """One more answer; whether there was one (an empty result says nothing)."""
        mark = _mark(asked.result)
        if mark is None:
            return False
        call = normal_call(asked.text)
        key = _hash(f"{asked.tool}\0{asked.scope}\0{call}")
        answer = self._repeated.get(key)
        if answer is not None:
            self._repeated.move_to_end(key)
            self._again(answer, mark, asked)
            return True
        before = self._once.get(key)
        if before is None or before == (mark, asked.seen.task):
            self._remember(key, call, mark, asked)
            return True
        answer = self._whole.pop(key, None) or self._fresh(call, before[0], asked)
        del self._once[key]
        self._repeated[key] = answer
        if len(self._repeated) > _REPEATED:
            self._repeated.popitem(last=False)
        if before[1] != asked.seen.task:
            answer.evidence.vouch(before[1])
        self._again(answer, mark, asked)
        return True

    def believed(self, *, agreement: float, volatile: int) -> Iterator[tuple[Answer, bool]]:
        """The answers to go by, oldest first, each with whether it stands on its own.

        Those do that distinct tasks agreed on since they last changed, and those that list names
        and never changed whose family agreed often enough. Other lists of names that never changed
        come too: something else may speak for them.

        Args:
            agreement: Lower bound for a family.
            volatile: Changes after which an answer is never believed again.
        """
        for answer in self._repeated.values():
            agreed = answer.evidence.support >= self._min_tasks
            if answer.changes < volatile and agreed:
                yield answer, True
            elif not answer.changes and answer.describes:
                yield answer, self._is_vouched(answer, agreement)
        for answer in self._whole.values():
            if answer.describes:
                yield answer, self._is_vouched(answer, agreement)

    def objects(self) -> Iterator[Answer]:
        """All answers that may be objects or lists of them, seen once or often."""
        for answer in (*self._repeated.values(), *self._whole.values()):
            result = answer.result
            head = result[:40].lstrip() if isinstance(result, str) else ""
            written = head.startswith("{") or "[{" in head
            if written or isinstance(result, list | tuple | Mapping):
                yield answer

    def contradicted(self, *, volatile: int) -> Iterator[Answer]:
        """Answers that were believed once and have come out differently since."""
        for answer in self._repeated.values():
            lost = answer.changes >= volatile or answer.evidence.support < self._min_tasks
            if answer.held and answer.changes and lost:
                yield answer

    def _is_vouched(self, answer: Answer, agreement: float) -> bool:
        family = self._families.get((answer.tool, answer.family))
        return family is not None and family.bound >= agreement

    def _again(self, answer: Answer, mark: bytes, asked: Asked) -> None:
        """A call that was made before."""
        if mark != answer.mark:
            self._family(answer).differed += 1
            answer.changes += 1
            answer.mark, answer.result = mark, _cut(asked.result)
            answer.evidence = Evidence()
        elif not answer.evidence.has(asked.seen.task):
            self._family(answer).agreed += 1
        answer.evidence.add(asked.seen)
        if answer.evidence.support >= self._min_tasks:
            answer.held = True

    def _family(self, answer: Answer) -> _Family:
        return self._families.setdefault((answer.tool, answer.family), _Family())

    def _remember(self, key: bytes, call: str, mark: bytes, asked: Asked) -> None:
        """A call that one task made."""
        self._once[key] = (mark, asked.seen.task)
        if len(self._once) > _ONCE:
            self._once.popitem(last=False)
        held = self._whole.get(key)
        if held is None:
            held = self._whole[key] = self._fresh(call, mark, asked)
            if len(self._whole) > _WHOLE:
                self._whole.popitem(last=False)
        held.evidence.add(asked.seen)

    def _describes(self, tool: str, call: str) -> bool:
        """Whether a tool's name or a call's first word say that it asks for names."""
        named = self._describing.get(tool)
        if named is None:
            words = {*words_of(tool.replace("_", " "))}
            named = self._describing[tool] = bool(words & self._hints.describers)
        return named or call.split(" ", 1)[0] in self._hints.describers

    def _fresh(self, call: str, mark: bytes, asked: Asked) -> Answer:
        return Answer(
            tool=asked.tool,
            scope=asked.scope,
            call=call,
            text=asked.text,
            mark=mark,
            result=_cut(asked.result),
            describes=self._describes(asked.tool, call),
            hints=self._hints,
        )


# Made once: `json.dumps` makes an encoder at each call.
_encoded = json.JSONEncoder(sort_keys=True, default=str).encode


def _mark(result: Json) -> bytes | None:
    """A digest of a result; `None` where it is empty."""
    if isinstance(result, str):
        text = result.strip() if len(result) < _HASHED else result
        if text in ("", "[]", "{}", "()", "null", "None"):
            return None
        return _hash(f"{len(text)} {text[:_HASHED]}")
    if result is None or (isinstance(result, Sequence | Mapping) and not result):
        return None
    return _hash(_encoded(result))


def _cut(result: Json) -> Json:
    return result[: _KEPT + 1] if isinstance(result, str) else result


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=12).digest()
