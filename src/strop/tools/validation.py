"""`validate`: a code tool tried in the sandbox, on what runs recorded and on generated arguments.

On a recorded instance it must give a result, the recorded one where that is known. On generated
arguments it may refuse (see `refuses`), but not break. Everywhere it must finish in time and give
the same twice. That it helps an agent is not shown here: the gate decides that.

Next file: `tools/rendering.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import cast

from strop.jsonvalue import Json, JsonObject, as_text, canonical, salvaged
from strop.permission import Permissions
from strop.sandbox.base import Bounds, Failure, Outcome, Program, Sandbox, What
from strop.spec import Item
from strop.tools.generated import generated_args
from strop.tools.identity import program_of
from strop.tools.ready import read_tool
from strop.tools.refusals import raised_on_purpose, refuses
from strop.tools.same import agrees

__all__ = ["FailedCheck", "Instance", "Validation", "validate"]

_BOUNDS = Bounds()
_SHOWN = 300  # characters of a value in a message
_STOP = (What.TIMEOUT, What.REFUSED)
_MAX_FAILURES = 5
"""After so many the rest is not tried: it fails anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A call that a run recorded.

    Attributes:
        args: Its arguments.
        result: What came back.
        known: Whether a result was recorded; where not, `result` is not compared.
    """

    args: JsonObject = field(hash=False)
    result: Json = field(default=None, hash=False)
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCheck:
    """One call that did not do what it should.

    Attributes:
        check: ``result``, ``repeat``, ``refused`` (there is no sandbox for it), ``works`` (nothing
            that was tried gave a result), ``schema``, or a `sandbox.What`.
        args: The arguments.
        expected: The result that was recorded, or that of the first of two calls.
        got: What it gave.
        message: One line, for people and for a model that is to mend it.
    """

    check: str
    message: str
    args: JsonObject = field(default_factory=dict, hash=False)
    expected: Json = field(default=None, hash=False)
    got: Json = field(default=None, hash=False)

    def to_json(self) -> dict[str, Json]:
        return {
            "check": self.check,
            "message": self.message,
            "args": self.args,
            "expected": self.expected,
            "got": self.got,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What came of trying a tool.

    Attributes:
        tried: Different arguments that it was called with.
        agreed: Recorded results that it gave again.
        declined: Generated arguments that it refused, as it may.
        failures: What went wrong, at most a handful.
    """

    tried: int = 0
    agreed: int = 0
    declined: int = 0
    failures: tuple[FailedCheck, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing went wrong."""
        return not self.failures

    def to_json(self) -> dict[str, Json]:
        return {
            "tried": self.tried,
            "agreed": self.agreed,
            "declined": self.declined,
            "failures": [failure.to_json() for failure in self.failures],
        }


def validate(
    item: Item,
    instances: Sequence[Instance],
    *,
    sandbox: Sandbox,
    permissions: Permissions | None = None,
    generated: int = 20,
    seed: int = 0,
    bounds: Bounds = _BOUNDS,
) -> Validation:
    """Try a code tool. It blocks: call it in a worker thread.

    Args:
        item: A tool item whose body is code.
        instances: Recorded calls.
        sandbox: Where it runs.
        permissions: What it runs under; by default what every new tool may do, whatever it needs.
        generated: How many generated arguments to try.
        seed: Of those.
        bounds: Of each call.

    Raises:
        BadInput: The body is no code.
    """
    program, ready = program_of(item), read_tool(item)
    if ready.problem is not None:
        return Validation(failures=(FailedCheck(check="schema", message=ready.problem),))
    schema = cast("JsonObject", item.content["parameters"])
    made = generated_args(schema, generated, seed=seed)
    trial = _Trial(
        program=program,
        sandbox=sandbox,
        permissions=permissions or Permissions(),
        bounds=bounds,
        raised=raised_on_purpose(program.source),
    )
    recorded = {canonical(instance.args) for instance in instances}
    trial.run(instances, [args for args in made if canonical(args) not in recorded])
    return trial.validation()


@dataclass(slots=True, kw_only=True)
class _Trial:
    """Calls a program and keeps count."""

    program: Program
    sandbox: Sandbox
    permissions: Permissions
    bounds: Bounds
    raised: frozenset[str]
    tried: int = 0
    agreed: int = 0
    declined: int = 0
    gave: int = 0
    proven: int = 0
    failures: list[FailedCheck] = field(default_factory=list)

    def run(self, instances: Sequence[Instance], made: Sequence[JsonObject]) -> None:
        """Try all; it stops where going on would cost time and tell nothing new."""
        for failed in chain(map(self._recorded, instances), map(self._made, made)):
            if failed is None:
                continue
            self.failures.append(failed)
            if failed.check in _STOP or len(self.failures) == _MAX_FAILURES:
                return
        if self.tried and not self.gave and not self.failures:
            message = f"none of {self.tried} different arguments gave a result"
            self.failures.append(FailedCheck(check="works", message=message))

    def validation(self) -> Validation:
        return Validation(
            tried=self.tried,
            agreed=self.agreed,
            declined=self.declined,
            failures=tuple(self.failures),
        )

    def _recorded(self, instance: Instance) -> FailedCheck | None:
        """Try a recorded call."""
        outcome = self._call(instance.args)
        if outcome.failure is not None:
            return _broken(instance.args, outcome.failure, expected=instance.result)
        wanted = instance.result if instance.known else outcome.value
        if instance.known and not agrees(outcome.value, wanted):
            return _differs("result", instance.args, wanted, outcome.value)
        if outcome.value is None and not instance.known:
            message = "gave nothing (None) on arguments that a run used"
            return FailedCheck(check="works", args=instance.args, message=message)
        self.agreed += instance.known
        self.proven += 1
        self.gave += 1
        return self._again(instance.args, outcome)

    def _made(self, args: JsonObject) -> FailedCheck | None:
        """Try generated arguments."""
        outcome = self._call(args)
        if outcome.failure is not None:
            if not refuses(outcome.failure, self.raised, proven=self.proven > 0):
                return _broken(args, outcome.failure)
            self.declined += 1
            return None
        if outcome.value is None:
            self.declined += 1
        else:
            self.gave += 1
        return self._again(args, outcome)

    def _again(self, args: JsonObject, first: Outcome) -> FailedCheck | None:
        """The same call must give the same."""
        second = self.sandbox.call(
            self.program, args, permissions=self.permissions, bounds=self.bounds
        )
        if second.failure is not None:
            return _broken(args, second.failure, expected=first.value)
        if _text(first.value) != _text(second.value):
            return _differs("repeat", args, first.value, second.value)
        return None

    def _call(self, args: JsonObject) -> Outcome:
        self.tried += 1
        return self.sandbox.call(
            self.program, args, permissions=self.permissions, bounds=self.bounds
        )


def _text(value: Json) -> str:
    """A value's one text; what is odd about it (half a character) is no difference."""
    return canonical(salvaged(value))


def _broken(args: JsonObject, failure: Failure, expected: Json = None) -> FailedCheck:
    line = f" (line {failure.line})" if failure.line else ""
    return FailedCheck(
        check=failure.what.value,
        args=args,
        expected=expected,
        message=f"{failure.message[:_SHOWN]}{line}, on {_shown(args)}",
    )


def _differs(check: str, args: JsonObject, expected: Json, got: Json) -> FailedCheck:
    meant = "was recorded" if check == "result" else "came from the first of two equal calls"
    message = f"gave {_shown(got)} where {_shown(expected)} {meant}, on {_shown(args)}"
    return FailedCheck(check=check, args=args, expected=expected, got=got, message=message)


def _shown(value: Json) -> str:
    text = as_text(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
