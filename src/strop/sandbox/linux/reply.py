"""What an answer from a confined process means: an `Outcome`. Nothing in it is believed.

The bytes come from a process in which untrusted code ran, so they may be anything: too deep, not
JSON, a failure of a kind that only the parent may state. It does no input or output.

Next file: `sandbox/linux/plan.py`.
"""

import json
import signal
from typing import NoReturn

from strop.errors import BadInput
from strop.jsonvalue import Json, checked
from strop.sandbox.base import Bounds, Failure, Outcome, What
from strop.sandbox.linux.exchange import Exchange

__all__ = ["outcome"]

_SAID = {What.RAISED, What.MEMORY, What.RESULT, What.INVALID}  # the rest is the parent's to say
_MESSAGE = 2_000


def outcome(seen: Exchange, bounds: Bounds, *, seconds: float) -> Outcome:
    """The outcome of what was seen of a call.

    Args:
        seen: What the child sent and how it ended.
        bounds: What the call was allowed.
        seconds: How long the caller waited.
    """
    printed = seen.printed.decode("utf-8", "replace")
    value, failure = _read(seen, bounds)
    return Outcome(value=value, failure=failure, printed=printed, seconds=seconds)


def _read(seen: Exchange, bounds: Bounds) -> tuple[Json, Failure | None]:
    if seen.timed_out:
        return _failed(What.TIMEOUT, f"stopped after {bounds.seconds:g} seconds")
    if seen.too_large:
        return _failed(
            What.RESULT, f"the result is larger than the {bounds.result:,} bytes allowed"
        )
    if seen.answer is None:
        return _failed(What.DIED, _end(seen.status))
    try:
        said = json.loads(seen.answer, parse_constant=_refuse)
        told = checked(said, levels=102)
    except (ValueError, RecursionError, BadInput):
        told = None
    match told:
        case {"value": value, **rest} if not rest:
            return value, None
        case {"failure": {"what": str(what), "message": str(message), "line": line}, **rest} if (
            what in _SAID and not rest
        ):
            where = line if isinstance(line, int) and 0 < line < 2**31 else None
            text = " ".join(message[:_MESSAGE].split())
            return None, Failure(what=What(what), message=text, line=where)
        case _:
            return _failed(What.RESULT, "what it answered is not a result")


def _failed(what: What, message: str) -> tuple[None, Failure]:
    return None, Failure(what=what, message=message)


def _end(status: int | None) -> str:
    if status is None:
        return "it closed its channel and was ended"
    if status >= 0:
        return f"its process ended by itself (exit status {status}) without a result"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    forbidden = " (a forbidden system call)" if -status == signal.SIGSYS else ""
    return f"its process was killed by {name}{forbidden}"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
