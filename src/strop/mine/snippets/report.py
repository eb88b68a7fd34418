"""What is known of a chosen tool as a `Finding`: the tool, its support, and recorded instances.

An instance has a result only where it is certain what the tool should return: the block ran by
itself, and all that it printed is what the tool returns. A wrong result would have a sound tool
refused; a missing one only leaves it less checked.

Next file: `mine/snippets/miner.py`.
"""

import ast
import re
from collections.abc import Sequence

from strop.jsonvalue import Json, canonical
from strop.mine.finding import Finding
from strop.mine.snippets.choosing import Candidate
from strop.mine.snippets.kept import PRINTED, Held, Kept
from strop.mine.snippets.needs import needs_of_calls
from strop.mine.snippets.results import is_silent
from strop.mine.snippets.windows import Window
from strop.mine.snippets.writing import Tool

__all__ = ["finding_of", "named"]

_INSTANCES = 50  # instances in a finding
_LARGEST = 20_000  # characters of an instance's arguments
# What may print without `print`, or past what a tool captures.
_SPEAKS = re.compile(
    r"(?:subprocess|os[.:](?:system|popen|write)|sys[.:](?:std|__std)|pprint|logging|warnings"
    r"|traceback|call$)|.*[.:](?:call_command|print\w*|info|dis|show)$"
)


def finding_of(candidate: Candidate, name: str, *, kept: Kept, outcome: tuple[int, int]) -> Finding:
    """A candidate as a finding of kind ``snippet``; see `SnippetMiner.findings`.

    Args:
        candidate: A chosen one.
        name: What its tool is called.
        kept: The blocks that it is from.
        outcome: How many of its runs were successes, and failures.
    """
    tool = candidate.tool
    held = [kept.blocks[w.block] for w in tool.windows]
    tasks, runs = kept.tasks, kept.runs
    instances: list[dict[str, Json]] = []
    for window, args, block in zip(tool.windows, tool.args, held, strict=True):
        short = args is not None and len(canonical(args)) <= _LARGEST
        instance: dict[str, Json] = {
            "run": runs[block.run],
            "task": tasks[block.task],
            "position": block.position,
            "block": window.block,
            "lines": list(window.lines),
            "args": args if short else None,
            "replayable": short,
            "printed": block.printed,
        }
        result = _result(tool, window, block) if short else None
        instances.append(instance if result is None else {**instance, "result": result})
    supported = len(candidate.tasks)
    return Finding(
        kind="snippet",
        claim=f"{supported} tasks run the same code, which `{name}` would do in one call",
        runs=tuple(dict.fromkeys(runs[block.run] for block in held)),
        data={
            "tool": {
                "name": name,
                "description": tool.description,
                "parameters": tool.parameters,
                "body": {
                    "kind": "code",
                    "source": tool.source.replace(f"def {tool.name}(", f"def {name}(", 1),
                    "function": name,
                    "imports": list(tool.imports),
                },
                "needs": needs_of_calls(tool.calls).to_json(),
            },
            "support": {
                "tasks": supported,
                "runs": len({block.run for block in held}),
                "successes": outcome[0],
                "failures": outcome[1],
            },
            "saving": candidate.saving,
            "instances": list(sorted(instances, key=lambda i: not i["replayable"])[:_INSTANCES]),
        },
    )


def _result(tool: Tool, window: Window, held: Held) -> str | None:
    """What the tool returns for a window, from what its block printed; `None`: not known.

    The text itself, whichever value the tool returns: results are compared with what they print as.
    """
    # Nothing where something is printed means that the trace did not keep it.
    if not tool.prints or not held.printed or len(held.printed) >= PRINTED:
        return None
    if any(map(_SPEAKS.match, tool.calls)):
        return None
    body = window.unit.tree.body
    begin = next((i for i, stmt in enumerate(body) if stmt is window.stmts[0]), None)
    if begin is None:  # it may run more than once, or never
        return None
    if window.unit.prints != sum(map(_prints, window.stmts)):
        return None
    rest = [*body[:begin], *body[begin + len(window.stmts) :]]
    return held.printed if is_silent(rest, window.unit) else None


def _prints(stmt: ast.stmt) -> int:
    return sum(isinstance(n, ast.Name) and n.id == "print" for n in ast.walk(stmt))


def named(candidates: Sequence[Candidate]) -> list[tuple[Candidate, str]]:
    """Candidates with names of which no two are the same."""
    seen: dict[str, int] = {}
    out = []
    for candidate in candidates:
        name = candidate.tool.name
        seen[name] = seen.get(name, 0) + 1
        out.append((candidate, name if seen[name] == 1 else f"{name}_{seen[name]}"))
    return out
