"""A row of the table: what a system got right and what it took to get there."""

from typing import Any

from strop.gate import interval

Row = dict[str, Any]


def row(
    name: str,
    *,
    right: int,
    of: int,
    learned_from: int = 0,
    learning_calls: int = 0,
    learning_tokens: int = 0,
    learning_seconds: float = 0.0,
    calls: int = 0,
    tokens: int = 0,
    seconds: float = 0.0,
) -> Row:
    """One system on the sealed messages; an answer that failed is a wrong one.

    Args:
        name: For people.
        right: Sealed messages answered rightly.
        of: Sealed messages.
        learned_from: Labelled messages that its answers may draw on.
        learning_calls: Model calls before the sealed messages.
        learning_tokens: Their tokens, input and output.
        learning_seconds: Their time.
        calls: Model calls on the sealed messages.
        tokens: Their tokens.
        seconds: Their time.
    """
    bounds = interval([1.0] * right + [0.0] * (of - right))
    return {
        "row": name,
        "accuracy": round(right / of, 4),
        "interval": None if bounds is None else [round(bound, 4) for bound in bounds],
        "right": right,
        "of": of,
        "learned_from": learned_from,
        "learning": {
            "calls": learning_calls,
            "tokens": learning_tokens,
            "seconds": round(learning_seconds, 1),
        },
        "sealed": {"calls": calls, "tokens": tokens, "seconds": round(seconds, 1)},
    }
