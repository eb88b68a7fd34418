"""Recurring code: what agents write again and again, as tools they could call instead.

    shell, arguments, blocks
                      the Python in a run's calls
    values, names, normal
                      literals, names, and the form in which the same work looks the same
    trees, shapes     a statement without its literals and names, as a number
    grams             which statements recur in a row, by distinct tasks
    results, windows  one occurrence: its names, what it reads and what is read afterwards
    templates, unify  what occurrences have in common, with a parameter where they differ
    naming            names
    interface, writing
                      schema and description; source
    choosing, needs   which candidates to keep; what they need of the sandbox
    kept, report      the blocks in memory; a tool with its instances as a finding
    miner             `SnippetMiner`: all of it over a stream of runs

Next file: `mine/snippets/shell.py`.
"""

from strop.mine.snippets.blocks import Block, blocks_of
from strop.mine.snippets.miner import SnippetMiner, mine_snippets

__all__ = ["Block", "SnippetMiner", "blocks_of", "mine_snippets"]
