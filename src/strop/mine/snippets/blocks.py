"""`Block`: one piece of Python that an agent wrote in a run, with what it printed where known.

Code that ran as a step of its own, code that a tool was given as an argument, and code inside the
shell commands of tool calls. A file that was written by one command and run by the next one has the
output of that run.

Next file: `mine/snippets/values.py`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from strop.jsonvalue import Json, is_object
from strop.mine.calls import CODE, Call
from strop.mine.snippets.arguments import python_argument
from strop.mine.snippets.shell import Inline, inline_python

__all__ = ["Block", "blocks_of"]

_RUNS = re.compile(r"\s*python[\d.]{0,6}[ \t]+(\S{1,300}\.py)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Python that an agent wrote.

    Attributes:
        source: The code.
        task: Id of the task.
        run: Id of the run.
        position: Which step of the run it is in, from 0.
        printed: What it printed, without white space at the end; `None` where the trace does not
            tell, and where it failed.
        failed: Whether the call that held it reports an error.
    """

    source: str
    task: str = ""
    run: str = ""
    position: int = 0
    printed: str | None = None
    failed: bool = False


def blocks_of(calls: Sequence[Call], *, task: str, run: str) -> tuple[Block, ...]:
    """The Python in a run's calls, in order."""
    blocks = []
    for number, call in enumerate(calls):
        found = _found(call)
        following = calls[number + 1] if number + 1 < len(calls) else None
        blocks += [
            Block(
                source=inline.source,
                task=task,
                run=run,
                position=call.position,
                printed=_printed(inline, call, following),
                failed=call.error is not None,
            )
            for inline in found
        ]
    return tuple(blocks)


def _found(call: Call) -> tuple[Inline, ...]:
    source = call.args.get("source") if call.tool == CODE and is_object(call.args) else None
    if not isinstance(source, str):
        source = python_argument(call.tool, call.args)
    if source is not None:
        return (Inline(source=source, alone=True),)
    return tuple(i for text in _texts(call.args) for i in inline_python(text))


def _texts(args: Json) -> list[str]:
    """The texts in a call's arguments: a shell tool may name its command as it likes."""
    if isinstance(args, str):
        return [args]
    if is_object(args):
        return [value for _, value in sorted(args.items()) if isinstance(value, str)]
    return []


def _printed(inline: Inline, call: Call, following: Call | None) -> str | None:
    if inline.alone:
        return _output(call)
    if inline.file is None or following is None or following.tool != call.tool:
        return None
    texts = _texts(following.args)
    ran = _RUNS.fullmatch(texts[0]) if len(texts) == 1 else None
    return _output(following) if ran is not None and ran[1] == inline.file else None


def _output(call: Call) -> str | None:
    """What a call that went well printed."""
    if call.error is not None:
        return None
    result = call.result
    if is_object(result):
        result = next((result[n] for n in ("output", "stdout", "content") if n in result), None)
    return result.rstrip() if isinstance(result, str) else None
