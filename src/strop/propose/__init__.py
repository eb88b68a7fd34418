"""Findings into proposals: one file per lever. Proposing decides nothing; the gate does.

Next file: `propose/proposal.py`.
"""

from strop.propose.brief import Brief, Embed, Proposer, Tried
from strop.propose.chains import MinedChains
from strop.propose.examples import MinedExamples, propose_examples
from strop.propose.proposal import Aim, Proposal
from strop.propose.retirement import RetiredExamples

__all__ = [
    "Aim",
    "Brief",
    "Embed",
    "MinedChains",
    "MinedExamples",
    "Proposal",
    "Proposer",
    "RetiredExamples",
    "Tried",
    "propose_examples",
]
