"""Chains: tools that agents call in a row, one's result going into the next one's arguments.

    effects   which tools only read, by their names
    rules     when calls in a row count as a chain
    leaves    values in arguments and results, and where they stand
    links     which earlier results and arguments hold a leaf
    records   a run's calls, with where each leaf of their arguments may come from
    steps     a step's sources, and whether they hold in a call
    mapping   the source that holds in all instances
    anchors   how calls are tied to those before them
    following which occurrences go on with one more step
    growth    chains grown call by call
    choosing  what is worth a tool: saving, outcomes, no chain within another
    wording   name, description, parameters and body of the tool
    miner     `mine_chains`: all of it over a stream of runs

Next file: `mine/chains/effects.py`.
"""

from strop.mine.chains.effects import only_reads
from strop.mine.chains.miner import ChainMiner, mine_chains
from strop.mine.chains.rules import ChainRules

__all__ = ["ChainMiner", "ChainRules", "mine_chains", "only_reads"]
