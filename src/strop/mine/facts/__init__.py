"""Facts: what look-ups return every time, and which names there are.

    hints, names  what is known of the language of calls; names in a text
    calls         the same call, whatever its spelling; whether it only reads
    results       data-like results on one line; prose is none
    evidence      distinct tasks, when, and the inputs a fact is found by
    answers       calls with their results, and families of calls that always agree
    shapes        what objects of one kind have in common
    scopes, lines the names of one scope, and how they are told
    miner         `mine_facts`: all of it over a stream of runs

Next file: `mine/facts/hints.py`.
"""

from strop.mine.facts.miner import FactMiner, FactRules, mine_facts

__all__ = ["FactMiner", "FactRules", "mine_facts"]
