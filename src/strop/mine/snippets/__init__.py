"""Recurring code: what agents write again and again, as tools they could call instead.

Next file: `mine/snippets/shell.py`.
"""

from strop.mine.snippets.blocks import Block, blocks_of
from strop.mine.snippets.miner import SnippetMiner, mine_snippets

__all__ = ["Block", "SnippetMiner", "blocks_of", "mine_snippets"]
