"""The levers by name: who proposes for each, from mining and from reflection.

A plain table; nothing registers itself. Which levers are pulled is the configuration's business.

Next file: `cycle.py`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial

from strop.errors import BadInput
from strop.propose import Proposer
from strop.propose.chains import MinedChains
from strop.propose.confusions import ConfusionLessons
from strop.propose.curation import Curation, CurationPolicy
from strop.propose.descriptions import MinedDescriptions
from strop.propose.examples import MinedExamples
from strop.propose.facts import KeptFacts, MinedFacts
from strop.propose.heuristics import MinedHeuristics
from strop.propose.lessons import MinedLessons
from strop.propose.preferences import MinedPreferences
from strop.propose.reflect.clauses import ReflectedClauses
from strop.propose.reflect.criteria import ReflectedCriteria
from strop.propose.reflect.descriptions import ReflectedDescriptions
from strop.propose.reflect.gepa import GepaClauses
from strop.propose.reflect.heuristics import ReflectedHeuristics
from strop.propose.reflect.lessons import ReflectedLessons
from strop.propose.reflect.reflector import Reflector
from strop.propose.reflect.rules import ModelDistiller
from strop.propose.reflect.tools import ReflectedTools
from strop.propose.resolutions import MinedResolutions
from strop.propose.retirement import RetiredExamples
from strop.propose.snippets import MinedSnippets
from strop.sandbox import best_sandbox

__all__ = ["DEFAULT", "LEVERS", "Lever", "resolve_levers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lever:
    """One lever of the improvement surface.

    Attributes:
        about: One line for people.
        mined: Makes the proposers that need no model.
        reflected: Makes the proposers that ask one, given as ``reflector``.
    """

    about: str
    mined: tuple[Callable[[], Proposer], ...] = ()
    reflected: tuple[Callable[..., Proposer], ...] = ()


# In the order in which they are pulled: what holds in general before what shows single cases, and
# the table, which answers in everybody's place, when the others have done what they can.
LEVERS: dict[str, Lever] = {
    "preferences": Lever(about="what people asked for repeatedly", mined=(MinedPreferences,)),
    "facts": Lever(about="what look-ups keep returning", mined=(KeptFacts, MinedFacts)),
    "lessons": Lever(
        about="what failed, and what mended it",
        mined=(MinedLessons, ConfusionLessons),
        reflected=(ReflectedLessons,),
    ),
    "heuristics": Lever(
        about="what runs that succeed do and others do not",
        mined=(MinedHeuristics,),
        reflected=(ReflectedHeuristics,),
    ),
    "clauses": Lever(about="the system prompt", reflected=(ReflectedClauses,)),
    "examples": Lever(about="answers worth showing again", mined=(MinedExamples, RetiredExamples)),
    "tools": Lever(
        about="calls in a row and code that recur, as tools; how tools are described",
        mined=(MinedChains, partial(MinedSnippets, sandbox=best_sandbox), MinedDescriptions),
        reflected=(partial(ReflectedTools, sandbox=best_sandbox), ReflectedDescriptions),
    ),
    "resolutions": Lever(about="answers that need no model any more", mined=(MinedResolutions,)),
    "criteria": Lever(about="what the judge grades by", reflected=(ReflectedCriteria,)),
    "curation": Lever(about="fewer memories that say the same"),  # made from its policy
    "gepa": Lever(about="the system prompt, by GEPA's mutation", reflected=(GepaClauses,)),
}
DEFAULT = tuple(name for name in LEVERS if name != "gepa")
"""All but what needs an extra package and pulls a lever a second time."""


def resolve_levers(
    names: Iterable[str],
    *,
    reflector: Reflector | None = None,
    curation: CurationPolicy | None = None,
) -> tuple[Proposer, ...]:
    """The proposers of the named levers, in the order of `LEVERS`.

    Args:
        names: Which levers.
        reflector: Asks a model; without one, all proposals are mined.
        curation: How memories are curated; by default duplicates are merged.

    Raises:
        BadInput: There is no such lever.
    """
    wanted = set(names)
    for name in sorted(wanted - LEVERS.keys()):
        near = get_close_matches(name, LEVERS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the levers are {', '.join(LEVERS)}"
        raise BadInput(f"there is no lever {name!r}; {hint}", where="levers")
    proposers: list[Proposer] = []
    for name, lever in LEVERS.items():
        if name == "curation" and name in wanted:
            proposers.append(_curation(curation or CurationPolicy(), reflector))
        elif name in wanted:
            proposers += [make() for make in lever.mined]
            if reflector is not None:
                proposers += [reflect(reflector=reflector) for reflect in lever.reflected]
    return tuple(proposers)


def _curation(policy: CurationPolicy, reflector: Reflector | None) -> Curation:
    """A model words the rules, where there is one and rules are wanted."""
    if reflector is None or policy.mode != "distil":
        return Curation(policy=policy)
    return Curation(policy=policy, distiller=ModelDistiller(reflector=reflector))
