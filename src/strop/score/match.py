"""Scorers that compare output and expected answer: `exact`, `normalised`, `one_of`, `regex`.

Each gives 1.0 or 0.0. They do not read numbers out of text (`number.py`) or look inside JSON
(`subset.py`).

Next file: `number.py`.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal, cast

from anyio import to_thread

from strop.errors import BadInput
from strop.jsonvalue import Json
from strop.run import Run, Score
from strop.score.base import expected_of, json_type, positive, result, show, text_of, version_of
from strop.task import Task

__all__ = ["Exact", "Normalised", "OneOf", "Regex", "fold", "same"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """The output is the expected JSON value; space around a string does not count."""

    @property
    def name(self) -> str:
        return "exact"

    @property
    def version(self) -> str:
        return version_of(self, "exact/1")

    async def __call__(self, task: Task, run: Run) -> Score:
        expected = expected_of(task, self)
        if same(expected, run.output):
            return result(self, 1.0, "the same")
        note = ""
        if (wanted := json_type(expected)) != (got := json_type(run.output)):
            note = f" ({got} where {wanted} was expected)"
        return result(self, 0.0, f"expected {show(expected)}, got {show(run.output)}{note}")


def same(a: Json, b: Json) -> bool:
    """Whether two JSON values are equal as JSON: 1 is 1.0, true is not 1, order of keys is nothing.

    Strings are compared without the space around them. An equivalence relation on JSON values.
    """
    pairs = [(a, b)]
    while pairs:
        a, b = pairs.pop()
        if json_type(a) != json_type(b):
            return False
        if isinstance(a, str) and isinstance(b, str):
            if a.strip() != b.strip():
                return False
        elif isinstance(a, Mapping) and isinstance(b, Mapping):
            if a.keys() != b.keys():
                return False
            pairs.extend((a[key], b[key]) for key in a)
        elif isinstance(a, Sequence) and isinstance(b, Sequence):
            if len(a) != len(b):
                return False
            pairs.extend(zip(a, b, strict=True))
        elif a != b:
            return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalised:
    """The output says the same words as the expected text: see `fold`."""

    @property
    def name(self) -> str:
        return "normalised"

    @property
    def version(self) -> str:
        return version_of(self, "normalised/1")

    async def __call__(self, task: Task, run: Run) -> Score:
        expected = expected_of(task, self)
        if fold(expected) == fold(run.output):
            return result(self, 1.0, "the same words")
        return result(self, 0.0, f"expected {show(expected)}, got {show(run.output)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf:
    """The output says the same words as one of the expected answers, which are a list."""

    @property
    def name(self) -> str:
        return "one_of"

    @property
    def version(self) -> str:
        return version_of(self, "one_of/1")

    async def __call__(self, task: Task, run: Run) -> Score:
        answers = expected_of(task, self)
        if not isinstance(answers, list) or not answers:
            raise BadInput(
                "the scorer 'one_of' needs \"expected\" to be a list of acceptable answers",
                where=f"task {task.id!r}",
            )
        said = fold(run.output)
        for answer in answers:
            if fold(answer) == said:
                return result(self, 1.0, f"the same words as {show(answer)}")
        return result(self, 0.0, f"expected one of {show(answers)}, got {show(run.output)}")


# "-5" is not "5", though the sign looks like punctuation.
_MINUS = re.compile(r"(?<!\w)[-\u2212](?=\.?\d)")


def fold(value: Json) -> str:
    """Text without case, punctuation, symbols, spacing and ways to write the same character (NFKC).

    Unlike `task.normalised`, which looks for repeated inputs and may find too many, this keeps what
    tells answers apart: combining marks (vowel signs in many scripts) and the minus of a number;
    and a text of nothing but punctuation stays as it is. ``C`` and ``C++`` are still the same: use
    `exact` for such answers, and `numeric` for numbers.
    """
    text = unicodedata.normalize("NFKC", text_of(value))
    kept = "".join(map(_kept, _MINUS.sub(" minus ", text).casefold()))
    # Case folding can undo NFKC (Unicode Standard 3.13, D145-146), hence once more.
    folded = " ".join(unicodedata.normalize("NFKC", kept).split())
    return folded or " ".join(text.split())


@cache
def _kept(char: str) -> str:
    """Letters, digits and marks stay; invisible joiners vanish; all else separates words."""
    category = unicodedata.category(char)
    if category[0] in "LNM":
        return char
    return "" if category == "Cf" else " "


@dataclass(frozen=True, slots=True, kw_only=True)
class Regex:
    """The expected answer is a pattern that the output, without space around it, matches.

    Patterns are run by the `regex` package, which takes what `re` takes. `re` cannot be stopped: it
    holds the interpreter lock for the whole match, so no thread or timer could end a pattern that
    backtracks for years. `regex` has a timeout and lets go of the lock.

    Attributes:
        mode: ``fullmatch`` (all of the output) or ``search`` (somewhere in it).
        ignore_case: Whether upper and lower case are the same.
        timeout: Seconds of processor time that one match may take; after that there is no score.

    Raises:
        BadInput: An option that is not one of these.
    """

    mode: Literal["fullmatch", "search"] = "fullmatch"
    ignore_case: bool = False
    timeout: float = 1.0

    def __post_init__(self) -> None:
        if self.mode not in ("fullmatch", "search"):
            raise BadInput(f"must be fullmatch or search, not {self.mode!r}", where="regex.mode")
        if not isinstance(self.ignore_case, bool):
            raise BadInput("must be true or false", where="regex.ignore_case")
        timeout = positive(self.timeout, where="regex.timeout")
        object.__setattr__(self, "timeout", timeout)

    @property
    def name(self) -> str:
        return "regex"

    @property
    def version(self) -> str:
        return version_of(self, "regex/1")

    async def __call__(self, task: Task, run: Run) -> Score:
        import regex  # 35 ms to import, for the few who use it

        pattern = expected_of(task, self)
        where = f"task {task.id!r}"
        if not isinstance(pattern, str):
            raise BadInput("the scorer 'regex' needs \"expected\" to be a pattern", where=where)
        try:
            compiled = regex.compile(pattern, regex.IGNORECASE if self.ignore_case else 0)
        except regex.error as error:
            raise BadInput(f"{show(pattern)} is not a pattern: {error}", where=where) from None
        matcher = compiled.fullmatch if self.mode == "fullmatch" else compiled.search
        match = partial(matcher, text_of(run.output), timeout=self.timeout)
        try:
            found = cast("object", await to_thread.run_sync(match))
        except TimeoutError:
            raise BadInput(
                f"the pattern {show(pattern)} took longer than {self.timeout:g} s on this output; "
                "make it simpler (nested repeats such as (a+)+ backtrack without end)",
                where=where,
            ) from None
        if found:
            return result(self, 1.0, f"matches {show(pattern)}")
        return result(self, 0.0, f"{show(run.output)} does not match {show(pattern)}")
