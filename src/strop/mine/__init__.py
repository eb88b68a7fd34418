"""Findings: claims about runs, made without a model, with run ids as evidence.

Next file: `mine/finding.py`.
"""

from strop.mine.chains import ChainMiner, mine_chains
from strop.mine.confusions import mine_confusions
from strop.mine.facts import FactMiner, mine_facts
from strop.mine.failures import FailureMiner, RepairMiner, mine_failures, mine_repairs
from strop.mine.feedback import feedback_texts
from strop.mine.finding import Finding
from strop.mine.gaps import GapMiner, mine_gaps
from strop.mine.misuse import MisuseMiner, mine_misuse
from strop.mine.orders import mine_orders
from strop.mine.preferences import mine_preferences
from strop.mine.resolutions import Answered, mine_resolutions
from strop.mine.snippets import SnippetMiner, mine_snippets
from strop.mine.stream import Miner, mine_stream
from strop.mine.successes import mine_answers

__all__ = [
    "Answered",
    "ChainMiner",
    "FactMiner",
    "FailureMiner",
    "Finding",
    "GapMiner",
    "Miner",
    "MisuseMiner",
    "RepairMiner",
    "SnippetMiner",
    "feedback_texts",
    "mine_answers",
    "mine_chains",
    "mine_confusions",
    "mine_facts",
    "mine_failures",
    "mine_gaps",
    "mine_misuse",
    "mine_orders",
    "mine_preferences",
    "mine_repairs",
    "mine_resolutions",
    "mine_snippets",
    "mine_stream",
]
