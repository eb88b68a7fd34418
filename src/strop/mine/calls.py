"""The calls of a run as mining sees them: tools and inline code alike, with what went wrong.

Foreign traces record a failed call in many ways: as an error, as a result that begins with
"Error", as an object with an `error` or a `returncode`. They are made one here.

Next file: `mine/stream.py`.
"""

import json
import re
from dataclasses import dataclass, field
from typing import cast

from strop.jsonvalue import Json, as_text, is_object, salvaged
from strop.run import CodeRun, Run, ToolCall

__all__ = ["CODE", "NO_OUTPUT", "Call", "calls_of", "error_of"]

CODE = "code"
"""What stands for the tool where the agent ran code that it wrote itself."""

NO_OUTPUT = "failed without output"
"""The error of a command that failed and said nothing, as a search does that finds nothing."""

# Only the beginning counts: a page that mentions an error is no failed call.
_ERROR = re.compile(
    r"\s*(?:error\b|fatal\b|failed\b|traceback \(most recent|[\w.]{0,80}(?:error|exception):)",
    re.IGNORECASE,
)
# `ValueError: ...`, `KeyboardInterrupt`, and `django.core.exceptions.ImproperlyConfigured: ...`.
_LAST_LINE = re.compile(
    r"^(?:[\w.]{0,80}(?:Error|Exception|Warning|Interrupt|Exit)\b|(?:[a-z_]\w{0,40}\.){1,8}[A-Z]\w{1,60}:)"
    r".{0,400}",
    re.MULTILINE,
)
_END = 20_000  # characters at the end of an output in which the telling line is looked for
_HEAD = 400  # characters in which a result must own up to being an error


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a tool, or one piece of code.

    Attributes:
        tool: The tool's name; `CODE` for code.
        args: Its arguments; for code, the source under ``source``.
        result: What came back; `None` where the call failed or the trace does not say.
        error: What went wrong, or `None`.
        position: Which step of the run it is, from 0.
    """

    tool: str
    args: Json = field(default=None, hash=False)
    result: Json = field(default=None, hash=False)
    error: str | None = None
    position: int = 0


def calls_of(run: Run) -> tuple[Call, ...]:
    """A run's calls, in order; messages and model requests are passed over."""
    calls = []
    for position, step in enumerate(run.steps):
        if isinstance(step, ToolCall):
            error = step.error if step.error is not None else error_of(step.result)
            result = step.result if error is None else None
            calls.append(
                Call(tool=step.tool, args=step.args, result=result, error=error, position=position)
            )
        elif isinstance(step, CodeRun):
            failed = step.error is not None
            calls.append(
                Call(
                    tool=CODE,
                    args={"source": step.source},
                    result=None if failed else step.output,
                    error=step.error,
                    position=position,
                )
            )
    return tuple(calls)


def error_of(result: Json) -> str | None:
    """The error that a result reports, if that is what it is.

    Text that begins as errors do; an object (or its JSON as text) with a non-empty ``error``, with
    ``is_error``, or with a ``returncode`` other than 0.
    """
    if isinstance(result, str):
        if _ERROR.match(result[:_HEAD]):
            return result
        result = _read(result)
    if not is_object(result):
        return None
    said = result.get("error")
    if said:
        return said if isinstance(said, str) else as_text(salvaged(said))[:_END]
    output = next(
        (result[n] for n in ("output", "stderr", "content", "message") if n in result), ""
    )
    if result.get("is_error") is True or result.get("returncode") not in (None, 0):
        return _telling(output if isinstance(output, str) else as_text(salvaged(output)))
    return None


def _read(text: str) -> Json:
    """Text that is a JSON object with an error in it, read; anything else is `None`."""
    head = text[:_HEAD].lstrip()
    if not head.startswith("{") or len(text) > _END:
        return None
    if not any(f'"{name}"' in head for name in ("error", "is_error", "returncode")):
        return None
    try:
        return cast("Json", json.loads(text))
    except (ValueError, RecursionError):
        return None


def _telling(output: str) -> str:
    """The line of a failed command's output that says what went wrong; all where none does."""
    raised = _LAST_LINE.findall(output[-_END:])
    if raised:
        return str(raised[-1])
    return output[:_END] if output.strip() else NO_OUTPUT
