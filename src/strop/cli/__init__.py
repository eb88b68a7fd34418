"""The command line: `main`, and how everything that can go wrong is told.

    options.py     options that several commands share
    groups.py      the commands in groups,
    granting.py    those about learned tools, and
    app.py         all other commands: their options and help; what they do is in the files below
    opening.py     from a configuration's path to a store, and
    assembling.py  to an agent that can run
    output.py      consoles, JSON, tables, numbers
    progress.py    what is told while evaluations run
    beginning.py   demo, init, doctor: their options    setup.py     init
    doctor.py      doctor          demo.py       demo   budgeting.py bounds of a cycle
    running.py     run             evaluating.py eval          improving.py  improve
    bootstrapping.py  seed         warming.py    warmup        transferring.py  transfer
    mining.py      mine            reading.py    runs for mine
    memory.py      memory          explaining.py explain
    standing.py    where tools stand  tools.py   tools list, tools show
    trying.py      tools test      review.py     review, tools promote, demote, retire
    releasing.py   rollback        history.py    log, score, audit verify
    showing.py     diff, show      traces.py     import, export
    tasks.py       tasks split, tasks check

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 misused, 3
inconclusive, 130 interrupted. No command decides anything: they parse, call and print.

Next file: `cli/options.py`.
"""

import contextlib
import errno
import io
import json
import os
import sys
import traceback
from collections.abc import Sequence

from strop.errors import StropError, UserMistake

__all__ = ["main"]

FAILED, MISUSED, INTERRUPTED = 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The arguments after the program's name; by default the process's own.

    Returns:
        The exit code.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    # Pydantic AI greets terminals with a banner; the terminal is ours.
    os.environ.setdefault("PYDANTIC_AI_NO_BANNER", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Files and pipes get UTF-8, a terminal what it can show, if need be as an escape.
            encoding = None if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")
    try:
        code = _dispatch(args)
        sys.stdout.flush()
    except BrokenPipeError:
        _hush()
        return FAILED
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last place that can say it in one line
        return _tell(error, args)
    if code == INTERRUPTED:  # Typer gives this code back in the place of a KeyboardInterrupt
        _report(
            "Interrupted",
            "interrupted; finished evaluations are kept, the same command goes on from there",
            args,
        )
    return code


def _dispatch(args: list[str]) -> int:
    # Inside `main`, so that an interrupt while modules load is told like any other.
    from strop.cli.app import app

    code = app(args=args, prog_name="strop", standalone_mode=False)
    return code if isinstance(code, int) else 0


def _tell(error: Exception, args: Sequence[str]) -> int:
    """Say what went wrong in one line, and which exit code that is."""
    debug = bool(os.environ.get("STROP_DEBUG"))
    if debug and not _is_usage(error):
        traceback.print_exception(error)
    if isinstance(error, StropError):
        _report(type(error).__name__, str(error), args, where=getattr(error, "where", None))
        return MISUSED if isinstance(error, UserMistake) else FAILED
    if _is_usage(error):
        if type(error).__name__ != "NoArgsIsHelpError":  # which has printed the help itself
            message = str(getattr(error, "message", error)).rstrip(".")
            context = getattr(error, "ctx", None)
            path = context.command_path if context else "strop"
            _report("Usage", f"{_of_usage(error) or message}; see `{path} --help`", args)
        return MISUSED
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        _report(type(error).__name__, f"cannot be written: {error}", args)
        try:
            sys.stdout.flush()
        except OSError:
            _hush()
        return FAILED
    hint = "" if debug else "; this is a bug, run with STROP_DEBUG=1 for the traceback"
    _report(type(error).__name__, f"{type(error).__name__}: {error}{hint}", args)
    return FAILED


def _is_usage(error: Exception) -> bool:
    # By shape: Typer brings its own copy of click's exceptions, older ones used click's.
    return hasattr(error, "exit_code") and hasattr(error, "format_message")


def _of_usage(error: Exception) -> str:
    """What click says of a usage error, without its full stop."""
    told = error.format_message() if hasattr(error, "format_message") else ""
    return str(told).strip().rstrip(".")


def _report(kind: str, message: str, args: Sequence[str], *, where: str | None = None) -> None:
    """One line on stderr; with `--json`, the same as an object on stdout."""
    line = " ".join(message.split())
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line)
    with contextlib.suppress(OSError):
        print(f"strop: {shown}", file=sys.stderr)  # noqa: T201 - this is the place that prints
    # Looked up in the arguments, because a usage error comes before any option is parsed.
    if "--json" in args[: args.index("--")] if "--" in args else "--json" in args:
        body = {"type": kind, "message": line, "where": where}
        try:
            print(json.dumps({"schema": "strop.error/1", "error": body}), flush=True)  # noqa: T201
        except OSError:  # nobody reads, or the disk is full
            _hush()


def _hush() -> None:
    """Stdout leads nowhere: keep the interpreter from complaining when it flushes the rest."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
