"""The levers by name: who proposes for each, from mining and from reflection.

A plain table; nothing registers itself. Which levers are pulled is the configuration's business.

Next file: `cycle.py`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from strop.errors import BadInput
from strop.propose import MinedExamples, Proposer, RetiredExamples

__all__ = ["DEFAULT", "LEVERS", "Lever", "resolve_levers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lever:
    """One lever of the improvement surface.

    Attributes:
        about: One line for people.
        mined: Makes the proposers that need no model.
    """

    about: str
    mined: tuple[Callable[[], Proposer], ...] = ()


# In the order in which they are pulled.
LEVERS: dict[str, Lever] = {
    "examples": Lever(about="answers worth showing again", mined=(MinedExamples, RetiredExamples)),
}
DEFAULT = tuple(LEVERS)


def resolve_levers(names: Iterable[str]) -> tuple[Proposer, ...]:
    """The proposers of the named levers, in the order of `LEVERS`.

    Raises:
        BadInput: There is no such lever.
    """
    wanted = set(names)
    for name in sorted(wanted - LEVERS.keys()):
        near = get_close_matches(name, LEVERS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the levers are {', '.join(LEVERS)}"
        raise BadInput(f"there is no lever {name!r}; {hint}", where="levers")
    return tuple(make() for name, lever in LEVERS.items() if name in wanted for make in lever.mined)
