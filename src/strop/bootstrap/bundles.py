"""One lever's items as a row of proposals: all together, then by halves.

So a good half is not lost with a bad one. It is no search for the best subset: every proposal is a
look at the held-out tasks, and how many there may be is for the caller.

Next file: `bootstrap/transfer.py`.
"""

from collections import deque
from collections.abc import Sequence

from strop.propose import Brief, Proposal
from strop.spec import Add, Item

__all__ = ["Bundles"]


class Bundles:
    """One lever's items, proposed together, then by halves of what was not taken.

    The first call proposes all. A bundle that is not in the next brief's spec was not accepted, and
    its halves are queued behind what waits already.

    Args:
        lever: The lever.
        items: What to propose.
        agent: Where it is from.
    """

    def __init__(self, lever: str, items: Sequence[Item], *, agent: str) -> None:
        self._lever, self._agent = lever, agent
        self._waiting = deque([tuple(items)])
        self._tried: tuple[Item, ...] = ()

    @property
    def name(self) -> str:
        """For example ``transfer:lessons``."""
        return f"transfer:{self._lever}"

    async def __call__(self, brief: Brief) -> Proposal | None:
        held = {item.id for item in brief.spec.items}
        tried, self._tried = self._tried, ()
        if len(tried) > 1 and not any(item.id in held for item in tried):
            middle = (len(tried) + 1) // 2
            self._waiting += [tried[:middle], tried[middle:]]
        while self._waiting:
            bundle = tuple(item for item in self._waiting.popleft() if item.id not in held)
            if bundle:
                self._tried = bundle
                return self._proposal(brief, bundle)
        return None

    def _proposal(self, brief: Brief, bundle: Sequence[Item]) -> Proposal:
        return Proposal(
            parent=brief.spec.id,
            changes=tuple(Add(item=item) for item in bundle),
            findings=(),
            proposer=self.name,
            summary=f"{_counted(len(bundle), self._lever)} of the agent {self._agent}",
        )


def _counted(count: int, lever: str) -> str:
    one = "criterion" if lever == "criteria" else lever.removesuffix("s")
    return f"{count} {one if count == 1 else lever}"
