"""The options that bound what a command may spend.

Next file: `cli/beginning.py`.
"""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from strop.evaluation import Budget

__all__ = ["Cost", "Minutes", "Runs", "Tokens", "budget_of"]

Runs = Annotated[
    int | None, typer.Option("--runs", metavar="N", help="At most so many agent runs.")
]
Tokens = Annotated[
    int | None, typer.Option("--tokens", metavar="N", help="At most about so many tokens.")
]
Cost = Annotated[
    float | None, typer.Option("--cost", metavar="USD", help="At most about this cost.")
]
Minutes = Annotated[
    float | None, typer.Option("--minutes", metavar="M", help="At most about so long.")
]


def budget_of(
    runs: int | None, tokens: int | None, cost: float | None, minutes: float | None
) -> "Budget":
    """The options as a `Budget`.

    Raises:
        BadInput: A bound that is not above 0.
    """
    from strop.evaluation import Budget  # loads NumPy and Pydantic, which `--help` need not

    return Budget(runs=runs, tokens=tokens, cost=cost, minutes=minutes)
