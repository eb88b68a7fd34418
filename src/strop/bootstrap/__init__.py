"""What an agent has before it has learned anything: seeds, a warm-up, what others learned.

    seed.py      demonstrations by people, as a proposal
    teacher.py   demonstrations by a stronger model
    warmup.py    a batch of train tasks, run and scored by whoever can
    transfer.py  what of another agent's items fits here
    bundles.py   those items as proposals

Nothing here ships anything: what it makes are `Proposer`s for `loops.hear_once`, and the gate
decides on what they propose.

Next file: `bootstrap/seed.py`.
"""

from strop.bootstrap.bundles import Bundles
from strop.bootstrap.seed import Demonstrations, Refused, admitted, from_tasks, read_demonstrations
from strop.bootstrap.teacher import Taught, Teacher, worth_asking
from strop.bootstrap.transfer import (
    LEVERS,
    Arrived,
    Setting,
    arrive,
    lever_of,
    refuse_unknown,
)
from strop.bootstrap.warmup import Given, Warmed, batch, give_scores, read_scores, warm_up

__all__ = [
    "LEVERS",
    "Arrived",
    "Bundles",
    "Demonstrations",
    "Given",
    "Refused",
    "Setting",
    "Taught",
    "Teacher",
    "Warmed",
    "admitted",
    "arrive",
    "batch",
    "from_tasks",
    "give_scores",
    "lever_of",
    "read_demonstrations",
    "read_scores",
    "refuse_unknown",
    "warm_up",
    "worth_asking",
]
