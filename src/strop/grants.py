"""`Grants`: what tools are granted and which are halted, as the ledger says; and their record.

Every use is stored, and `tools/ladder.py` decides what follows from the record; each step is an
entry of the ledger that names who took it and the digest of the code it holds for. What people
decide is in `approvals.py`.

Next file: `ladder_tools.py`.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from strop.errors import BadInput, StoreUnavailable
from strop.jsonvalue import Json, JsonObject
from strop.permission import Level, Permissions
from strop.release import LedgerEntry
from strop.spec import Item, Kind
from strop.standing import KINDS, LADDER, AsOf, Standing, after
from strop.store import LedgerMoved, Store
from strop.tools.identity import body_kind, code_digest, needs_of, tools_by_name
from strop.tools.ladder import LadderPolicy, Move, Step, UseRecord, decide
from strop.tools.ready import Granted, Halted, read_tool
from strop.tools.uses import Use

__all__ = ["Amend", "Grants", "laddered", "of_digest"]

REQUESTED = "tool"
"""Kind of the documents that hold requested items, under the digest of their code."""

_ATTEMPTS = 200
_MOST = Permissions(level=Level.FULL)
"""The need that lets most steps happen: with it, what the item declares is seldom looked up."""


Amend = Callable[[Standing], tuple[str, JsonObject] | None]
"""From where a tool stands to the kind and body of an entry; `None` for none."""


class Grants:
    """Grants, breakers and the record of use of one agent's tools. Safe to use from many threads.

    Args:
        store: The agent's store; its clock stamps the entries.
        policy: What a record leads to.
    """

    def __init__(self, store: Store, policy: LadderPolicy | None = None) -> None:
        self.store = store
        self.policy = policy or LadderPolicy()
        self._lock = threading.Lock()
        self._standings: dict[str, Standing] = {}
        self._unreadable: int | None = None
        self._head = 0
        self._needs: dict[str, Permissions] = {}

    def as_of_now(self) -> AsOf:
        """All standings, for many questions at once.

        Asks the store whether the ledger has grown, and for more only then: what a person takes
        back in another process is gone at once.
        """
        with self._lock:
            head = self.store.head()
            if head != self._head:
                self._read(head)
            known = self._standings if self._unreadable is None else {}
            return AsOf(standings=known, unreadable=self._unreadable)

    def at_once(self) -> tuple[Granted, Halted]:
        """`granted` and `halted` as they are now, for many tools at the cost of one question."""
        now = self.as_of_now()
        return now.granted, now.halted

    def granted(self, digest: str) -> Permissions | None:
        """What the code with this digest is granted; `None` where nobody has decided anything."""
        return self.as_of_now().granted(digest)

    def halted(self, digest: str) -> str | None:
        """Why the tool with this digest is not to be used: its breaker is open. Else `None`."""
        return self.as_of_now().halted(digest)

    def standing(self, digest: str) -> Standing:
        """Where the code with this digest stands; as a new tool where the ledger is unreadable."""
        return self.as_of_now().standings.get(digest, Standing())

    def use_record(self, digest: str) -> UseRecord:
        """How the tool with this digest did since its last step."""
        return self._use_record(digest, self.standing(digest))

    def _use_record(self, digest: str, standing: Standing) -> UseRecord:
        record = self.store.use_record(digest, since=standing.since, window=self.policy.window)
        return replace(record, carried=standing.streak)

    def record(self, use: Use) -> Step | None:
        """Store a use, and take the step that its tool's record leads to, if any.

        Returns:
            The step that was taken.
        """
        with self._lock:
            standing = self._standings.get(use.digest, Standing())
        record = self.store.put_use(use, since=standing.since, window=self.policy.window)
        # By what was known last, which spares a look at the ledger for nearly every use.
        if self._step(use, standing, replace(record, carried=standing.streak)) is None:
            return None
        if self.as_of_now().unreadable is not None:
            return None
        step: Step | None = None

        def taken(standing: Standing) -> tuple[str, JsonObject] | None:
            nonlocal step
            step = self._step(use, standing, self._use_record(use.digest, standing))
            return None if step is None else (step.move.value, _body(use.tool, step))

        self.amend(use.digest, taken)
        return step

    def request(
        self, item: Item, *, by: str, findings: Sequence[str] = (), summary: str = ""
    ) -> LedgerEntry | None:
        """Ask people for what a proposed tool needs beyond its grant, or to close its breaker.

        Args:
            item: The tool, as proposed.
            by: Who proposes it, for example ``mined:snippets``.
            findings: Ids of the findings behind it.
            summary: One line for people.

        Returns:
            The entry; `None` where nothing is asked: the grant is enough and the breaker closed, it
            was asked before, a person has decided, the tool could not be called whatever it was
            granted, or the ledger cannot be read.
        """
        if read_tool(item).problem is not None or self.as_of_now().unreadable is not None:
            return None
        digest, need, name = code_digest(item), needs_of(item), str(item.content["name"])

        def asked(standing: Standing) -> tuple[str, JsonObject] | None:
            lacks = not standing.permissions.covers(need)
            if standing.request or standing.word or not (lacks or standing.halted):
                return None
            return "request", {
                "tool": name,
                "by": by,
                "needs": need.to_json(),
                "findings": list(findings),
                "summary": summary,
            }

        # The item first, so that whoever finds the request finds the code. Same digest, same code.
        self.store.put_document(REQUESTED, digest, item.to_json())
        return self.amend(digest, asked)

    def amend(self, digest: str, make: Amend) -> LedgerEntry | None:
        """Add the entry that `make` gives for where a tool stands, or none.

        The entry comes right after all that `make` was told of. Where others were faster, `make`
        is asked again, and sees what they decided; what it raises is passed on.

        Raises:
            StoreUnavailable: Others are always faster.
            UserMistake: The ledger cannot be read.
        """
        for _ in range(_ATTEMPTS):
            self.as_of_now().readable()
            with self._lock:
                head = self._head
                standing = self._standings.get(digest, Standing())
            made = make(standing)
            if made is None:
                return None
            kind, body = made
            try:
                entry = self.store.append(kind, {**body, "digest": digest}, after=head)
            except LedgerMoved:
                continue
            self.as_of_now()
            return entry
        raise StoreUnavailable("the ledger is written by too many at once; run again")

    # --- reading ---------------------------------------------------------------------------------

    def _read(self, head: int) -> None:
        """Read what has come since; from the beginning where this is another ledger."""
        again = head < self._head
        standings = {} if again else dict(self._standings)
        unreadable = None if again else self._unreadable
        for entry, stored in self.store.ledger(after=0 if again else self._head, kinds=KINDS):
            head = max(head, entry.seq)
            try:
                whole = entry.hash == stored
                digest = str(entry.body["digest"])
                standings[digest] = after(standings.get(digest, Standing()), entry)
            except (KeyError, TypeError, ValueError, AttributeError, BadInput):
                whole = False
            if not whole and unreadable is None:
                # Somebody has written into the ledger: which breakers it had open is not known, so
                # nobody serves until `strop audit verify` has shown what happened.
                unreadable = entry.seq
        self._standings, self._head, self._unreadable = standings, head, unreadable

    def _step(self, use: Use, standing: Standing, record: UseRecord) -> Step | None:
        granted = standing.permissions
        if standing.halted is not None or decide(self.policy, granted, _MOST, record) is None:
            return None
        step = decide(self.policy, granted, self._need(use), record)
        if step is not None and use.chain and step.move is not Move.OPEN:
            return None  # it holds no grant: its steps' tools have their own
        return step

    def _need(self, use: Use) -> Permissions:
        """What a used tool declares; of one that is nowhere to be found, the level it ran at."""
        known = self._needs.get(use.digest)
        if known is not None:
            return known
        item, tools = of_digest(self.store, use.digest)
        if item is None:
            return Permissions(level=use.level)
        self._needs[use.digest] = needs_of(item, tools)
        return self._needs[use.digest]


def of_digest(store: Store, digest: str) -> tuple[Item | None, dict[str, Item]]:
    """The tool whose code has this digest, and the tools beside it by name.

    It is looked for in what serves, then among the requests.
    """
    release = store.released()
    items = () if release is None else store.spec(release.spec).of_kind(Kind.TOOL)
    tools = tools_by_name(items)
    for item in items:
        if laddered(item) and code_digest(item) == digest:
            return item, tools
    body = store.find_document(REQUESTED, digest)
    requested = None if body is None else Item.from_json(body)
    # A document is in no hash of the ledger, so the digest is what vouches for the code.
    if requested is not None and code_digest(requested) != digest:
        requested = None
    return requested, tools


def laddered(item: Item) -> bool:
    """Whether an item is a tool that stands on the ladder: code, or a chain."""
    return item.kind is Kind.TOOL and body_kind(item) in ("code", "chain")


def _body(tool: str, step: Step) -> dict[str, Json]:
    """A step of the ladder's as the ledger has it."""
    record = step.record
    return {
        "tool": tool,
        "by": LADDER,
        "from": step.before.to_json(),
        "to": step.after.to_json(),
        "reason": step.reason,
        "uses": record.uses,
        "successes": record.successes,
        "rate": record.rate,
        "bound": record.bound,
        "streak": record.streak,
        "since": record.last,
    }
