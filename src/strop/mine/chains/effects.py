"""Which tools only read, by their names: what a chain may call ahead without being asked.

A hint on the safe side: a name that does not begin with a reading word, or has a changing word
anywhere in it, counts as one that changes something. Whoever knows better says so (`reads`).

Next file: `mine/chains/rules.py`.
"""

import re
from collections.abc import Collection

__all__ = ["only_reads"]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_READERS = _words(
    "browse calculate check compare compute count describe fetch find get inspect list load lookup "
    "look view peek query read retrieve search select show stat summarise summarize validate"
)
_WRITERS = _words(
    "accept add append apply approve archive assign attach begin block buy cancel change clear "
    "close commit confirm connect convert copy create deactivate delete deploy deposit disable "
    "drop edit enable exec execute fill finish flag forward grant import insert install join kill "
    "launch lock login logout mark merge modify move notify open pay place post publish push put "
    "reject remove rename reset resolve restart revoke run save send set sign start stop submit "
    "subscribe swap sync toggle trigger uninstall unlock update upload upsert withdraw write"
)
"""Words that are deeds wherever they stand. Those that are things as well (``get_order``,
``list_transfers``) are not in it: first in a name they are no reading words anyway."""
_BOTH = _words("and or then")


def only_reads(tool: str, reads: Collection[str] = ()) -> bool:
    """Whether a tool is taken to change nothing.

    Args:
        tool: Its name; words may be parted by case, underscores, dots or hyphens.
        reads: Names of tools that are known to only read, whatever they are called.
    """
    if tool in reads:
        return True
    words = [word.casefold() for word in _WORD.findall(tool[:200])]
    if not words or (words[0] not in _READERS and not _after_scope(words)):
        return False
    return (_WRITERS | _BOTH).isdisjoint(words[1:])


def _after_scope(words: list[str]) -> bool:
    """Whether the name is one like ``crm_get_user``: a scope, then a reading word."""
    return len(words) > 2 and words[0] not in _WRITERS and words[1] in _READERS
