"""Findings into proposals: one file per lever. Proposing decides nothing; the gate does.

Next file: `propose/proposal.py`.
"""

from strop.propose.examples import propose_examples
from strop.propose.proposal import Proposal

__all__ = ["Proposal", "propose_examples"]
