"""The scorer `numeric`: the last number of the output against the expected one.

Reads numbers as people and models write them. It does not do arithmetic (``1/2`` is a 1 and a 2),
read number words (``3 million``) or take a comma for a decimal sign.

Next file: `subset.py`.
"""

import re
from collections import deque
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal

from strop.errors import BadInput
from strop.jsonvalue import Json
from strop.run import Run, Score
from strop.score.base import expected_of, positive, result, show, version_of
from strop.task import Task

__all__ = ["Numeric", "read_number"]

# Two numbers this close are the same unless both are whole: 0.1 + 0.2 is 0.3, but two identity
# numbers of 16 digits that differ in the last are different.
_ROUNDING = Decimal("1e-12")

# Differences are taken in decimal, so that what is written decides and not its nearest float. The
# context never traps: a hostile 1e9999 is a wrong answer, not an error of the scorer.
_CONTEXT = Context(prec=60, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
_MAX_DIGITS = 1000  # more is not a number that anybody wrote


@dataclass(frozen=True, slots=True, kw_only=True)
class Numeric:
    """The last number of the output is the expected number, within a tolerance.

    ``12%`` is 0.12, in the output and in the expected answer.

    Attributes:
        tolerance: Greatest absolute difference.
        relative: Greatest difference as a share of the expected number. The wider of the two
            counts; where both are 0 numbers must be equal, up to floating-point rounding.
        percent: False passes over percent signs: ``12%`` is 12.

    Raises:
        BadInput: A tolerance that is not a finite number from 0.
    """

    tolerance: float = 0.0
    relative: float = 0.0
    percent: bool = True

    def __post_init__(self) -> None:
        for name in ("tolerance", "relative"):
            value = positive(getattr(self, name), where=f"numeric.{name}", or_zero=True)
            object.__setattr__(self, name, value)
        if not isinstance(self.percent, bool):
            raise BadInput("must be true or false", where="numeric.percent")

    @property
    def name(self) -> str:
        return "numeric"

    @property
    def version(self) -> str:
        return version_of(self, "numeric/1")

    async def __call__(self, task: Task, run: Run) -> Score:
        wanted = read_number(expected_of(task, self), percent=self.percent)
        if wanted is None:
            raise BadInput(
                f"the scorer 'numeric' finds no number in \"expected\": {show(task.expected)}",
                where=f"task {task.id!r}",
            )
        got = read_number(run.output, percent=self.percent)
        if got is None:
            return result(self, 0.0, f"no number in {show(run.output)}")
        off = _CONTEXT.abs(_CONTEXT.subtract(got, wanted))
        allowed = self._allowed(got, wanted)
        reason = f"got {got:.12g}, expected {wanted:.12g}"
        if off <= allowed:
            return result(self, 1.0, reason)
        return result(
            self,
            0.0,
            f"{reason}: off by {off:.6g}, allowed {allowed:.6g}; output {show(run.output)}",
        )

    def _allowed(self, got: Decimal, wanted: Decimal) -> Decimal:
        whole = _is_whole(got) and _is_whole(wanted)
        share = max(Decimal(repr(self.relative)), Decimal(0) if whole else _ROUNDING)
        return max(Decimal(repr(self.tolerance)), _CONTEXT.multiply(share, _CONTEXT.abs(wanted)))


def _is_whole(number: Decimal) -> bool:
    return number == number.to_integral_value(context=_CONTEXT)


_NUMBER = re.compile(
    r"""
    (?: (?<![\w.)\]%]) (?P<sign>[-+\u2212]) (?=[$€£¥]?\.?\d) )?   # no sign in "10-5" or "- 5 eggs"
    [$€£¥]?
    (?<![A-Za-z\d])                                               # not in "GPT4"; but in "答案42"
    (?P<digits>
        (?: \d{1,3} (?P<mark>[,_'\u2019\u00a0\u2009\u202f]) \d{3} (?:(?P=mark)\d{3})* (?!\d) | \d+ )
        (?: \.\d+ )?
      | \.\d+
    )
    (?: [eE] (?P<e>[-+\u2212]?\d{1,4}) (?!\d)                     # 6.02e23
      | \s? (?:[\u00d7x*·]|\\times|\\cdot) \s? 10 \^ \{?               # 6.02 x 10^23
        (?P<ten>[-+\u2212]?\d{1,4}) (?!\d)
    )?
    (?P<percent> \s? (?: [%\uff05] | \\% | per\s?cent\b ) )?
    """,
    re.VERBOSE,
)
_MARKS = re.compile(r"[,_'\u2019\u00a0\u2009\u202f]")
_RAISED = re.compile("(?<=10)[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_LOWERED = str.maketrans("⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "+-0123456789")


def read_number(value: Json, *, percent: bool = True) -> Decimal | None:
    """The number that a value is, or the last one in a text; `None` where there is none.

    Understands a sign, thousands separators (comma, apostrophe, underscore, thin and no-break
    space), scientific notation (``6e23``, ``6 x 10^23``, ``6·10²³``), a currency sign and per cent.

    Args:
        value: A number or a text; anything else holds no number.
        percent: Whether a percent sign divides by 100.
    """
    match value:
        case bool():
            return None
        case int():
            return Decimal(value)
        case float():
            number = Decimal(repr(value))
            return number if number.is_finite() else None
        case str():
            pass
        case _:
            return None
    plain = _RAISED.sub(lambda power: "^" + power[0].translate(_LOWERED), value)
    # A queue of length 1 keeps the last match without holding them all.
    found = deque(_NUMBER.finditer(plain), maxlen=1)
    if not found or len(found[0]["digits"]) > _MAX_DIGITS:
        return None
    last = found[0]
    power = (last["e"] or last["ten"] or "0").replace("\u2212", "-")
    sign = "-" if last["sign"] in ("-", "\u2212") else ""
    number = Decimal(f"{sign}{_MARKS.sub('', last['digits'])}e{power}")
    return number.scaleb(-2, context=_CONTEXT) if percent and last["percent"] else number
