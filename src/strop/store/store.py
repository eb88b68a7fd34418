"""`Store`: what the loops read and write, each call one short transaction.

The methods here open the transaction, bind the agent and hand over; the queries are in `records`,
`runs`, `ledger`, `uses` and `vectors`. Safe to use from several threads and several processes at
once.

Next file: `libraries.py`.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.exc import IntegrityError

from strop.errors import BadInput, StoreUnavailable, UserMistake
from strop.jsonvalue import Json, JsonObject
from strop.release import Channel, LedgerEntry, Release
from strop.run import Run, Score, ScoredRun, ScoreFailure
from strop.spec import AgentSpec
from strop.store import ledger, records, runs, uses, vectors
from strop.store.engine import Database, open_database
from strop.store.runs import EvaluationKey
from strop.store.scope import Scope
from strop.store.spool import spooled
from strop.task import Split, Task
from strop.tools.ladder import UseRecord
from strop.tools.uses import Use

__all__ = ["Store", "open_store"]

_PAGE = 200
"""Runs in memory at a time while streaming; some MB even when each holds a long conversation."""

_ATTEMPTS = 200
"""Each failed try to append means that another writer succeeded: never reached by bad luck."""


def open_store(
    url: str, *, agent: str, clock: Callable[[], float] = time.time, timeout: float = 5.0
) -> "Store":
    """Open the store at `url`, creating or upgrading its tables (and a file's folders) as needed.

    Args:
        url: The path of a SQLite file (also as ``sqlite:///path``), or ``postgresql://...``.
        agent: The namespace: rows of other agents are never seen.
        clock: Seconds since the epoch; stamps scores and ledger entries.
        timeout: Seconds to wait for a lock that another process holds.

    Raises:
        UserMistake: No agent, or a URL of no known kind.
        NotInstalled: The Postgres driver is missing.
        StoreUnavailable: The database cannot be used; the message says why and what to do.
    """
    if not agent:
        raise UserMistake("a store needs the name of the agent")
    return Store(open_database(url, timeout=timeout), agent=agent, clock=clock)


_SPECS_KEPT = 8  # in memory: the released spec, its origin, a candidate, and some before them


class Store:
    """All that is remembered of one agent. Every method may raise `StoreUnavailable`."""

    def __init__(self, database: Database, *, agent: str, clock: Callable[[], float]) -> None:
        self._database = database
        self._agent = agent
        self._clock = clock
        self._specs: dict[str, AgentSpec] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections to the database."""
        self._database.close()

    # --- specs, tasks, documents, settings -------------------------------------------------------

    def put_spec(self, spec: AgentSpec) -> None:
        """Store a spec; one with this id that is there already stays."""
        with self._write() as scope:
            records.put_spec(scope, spec)

    def spec(self, spec_id: str) -> AgentSpec:
        """The spec by its id or a beginning of it, four characters or more.

        Raises:
            UserMistake: No spec, or several, have such an id.
        """
        # Specs never change, and one with thousands of examples takes a while to read.
        held = self._specs.get(spec_id)
        if held is not None:
            return held
        with self._read() as scope:
            spec = records.get_spec(scope, spec_id)
        if spec.id == spec_id:
            while len(self._specs) >= _SPECS_KEPT:
                self._specs.pop(next(iter(self._specs)), None)
            self._specs[spec_id] = spec
        return spec

    def put_tasks(self, tasks: Iterable[Task]) -> None:
        """Store tasks, in the place of those with the same id."""
        ready = list(tasks)
        with self._write() as scope:
            records.put_tasks(scope, ready)

    def tasks(self, *, split: Split | None) -> tuple[Task, ...]:
        """The tasks of a split (`None`: all), in the order they were first stored."""
        with self._read() as scope:
            return records.get_tasks(scope, split=split)

    def task(self, task_id: str) -> Task | None:
        """The task with this id, or `None`."""
        with self._read() as scope:
            return records.get_task(scope, task_id)

    def put_document(self, kind: str, id: str, body: JsonObject) -> None:  # noqa: A002
        """Store a finding, proposal, comparison, ... as JSON; one that is there already stays."""
        with self._write() as scope:
            records.put_document(scope, kind, id, body)

    def document(self, kind: str, id: str) -> dict[str, Json]:  # noqa: A002
        """A document by its whole id.

        Raises:
            UserMistake: There is none.
        """
        with self._read() as scope:
            return records.document(scope, kind, id)

    def find_document(self, kind: str, id: str) -> dict[str, Json] | None:  # noqa: A002
        """A document by its whole id, or `None` where there is none."""
        with self._read() as scope:
            return records.find_document(scope, kind, id)

    def documents(self, kind: str) -> Iterator[tuple[str, dict[str, Json]]]:
        """Ids and bodies of all documents of a kind, oldest first, streamed."""
        last, full = 0, True
        while full:
            with self._read() as scope:
                page = records.documents_after(scope, kind, last, limit=_PAGE)
            yield from ((key, body) for _, key, body in page)
            full = len(page) == _PAGE
            last = page[-1][0] if page else last

    def get_meta(self, key: str) -> str | None:
        """What was last set under `key`, or `None`."""
        with self._read() as scope:
            return records.get_meta(scope, key)

    def set_meta(self, key: str, value: str) -> None:
        """Keep a small fact, in the place of what was under `key`."""
        with self._write() as scope:
            records.set_meta(scope, key, value)

    # --- runs, scores, evaluations ---------------------------------------------------------------

    def put_run(
        self,
        run: Run,
        score: Score | ScoreFailure | None = None,
        *,
        key: EvaluationKey | None = None,
        task: Task | None = None,
    ) -> None:
        """Store a run, its score and (with `key`) its evaluation, all or nothing.

        A production task comes with its run: `task` takes the place of one with the same id.

        A result that is not final (the model or the scorer failed) is stored but not cached under
        `key`, so that it is tried again. If `key` is cached already, what is cached stays.

        Raises:
            BadInput: A run with this id is there already, or the run holds what JSON cannot.
        """
        final = not isinstance(score, ScoreFailure) and (
            run.error is None or run.error.type != "model"
        )
        row = runs.row(ScoredRun(run=run, score=score))
        try:
            with self._write() as scope:
                if task is not None:
                    records.put_tasks(scope, [task])
                runs.put(scope, row, key=key if final else None, at=self._now())
        except IntegrityError as error:
            raise BadInput(f"run id {run.id!r} is in the store already") from error

    def put_runs(self, scored: Iterable[ScoredRun]) -> int:
        """Store many runs, all or nothing, and say how many.

        `scored` is read to its end before the transaction begins, so a slow source keeps no other
        process waiting; what is read lies in a temporary file when it is large.

        Raises:
            BadInput: A run id is there already or stands twice; the message names it.
        """
        with spooled(runs.row(each) for each in scored) as batches:
            try:
                with self._write() as scope:
                    at = self._now()
                    return sum(runs.put_many(scope, batch, at=at) for batch in batches)
            except IntegrityError as error:
                raise BadInput("another process stored runs with the same ids meanwhile") from error

    def add_score(self, run_id: str, score: Score) -> None:
        """Add a later score, such as a person's (``name="human"``); earlier ones are kept.

        Raises:
            UserMistake: No run, or several, have such an id.
        """
        with self._write() as scope:
            runs.add_score(scope, run_id, score, at=self._now())

    def run(self, run_id: str) -> ScoredRun:
        """The run by its id or a beginning of it, four characters or more, with its score.

        Its score is the newest by a person (``name="human"``) if there is one, else the newest.

        Raises:
            UserMistake: No run, or several, have such an id.
        """
        with self._read() as scope:
            return runs.get(scope, run_id)

    def runs(
        self, *, split: Split, spec: str | None = None, limit: int | None = None
    ) -> Iterator[ScoredRun]:
        """The runs of a split in the order they were stored, a page at a time.

        Args:
            split: Where the runs are from.
            spec: Only runs of the spec with this whole id.
            limit: Only the newest so many (still oldest first).
        """
        left = limit
        start: int | None = 0
        if left is not None:
            if left <= 0:
                return
            with self._read() as scope:
                start = runs.newest_from(scope, split=split, spec=spec, limit=left)
        while start is not None and left != 0:
            size = _PAGE if left is None else min(_PAGE, left)
            with self._read() as scope:
                page, start = runs.page(scope, split=split, spec=spec, start=start, size=size)
            yield from page
            left = None if left is None else left - len(page)

    def count_runs(self) -> dict[Split, int]:
        """How many runs there are, for every split."""
        with self._read() as scope:
            return runs.count(scope)

    def evaluation(self, key: EvaluationKey) -> ScoredRun | None:
        """The run that is cached under `key`, or `None`."""
        return self.evaluations([key]).get(key)

    def evaluations(self, keys: Sequence[EvaluationKey]) -> dict[EvaluationKey, ScoredRun]:
        """Those of `keys` that are cached; few queries, however many keys."""
        with self._read() as scope:
            return runs.cached(scope, keys)

    # --- the ledger ------------------------------------------------------------------------------

    def append(self, kind: str, body: JsonObject, *, after: int | None = None) -> LedgerEntry:
        """Add the ledger's next entry, whoever else is adding one at the same time.

        Args:
            kind: ``verdict``, ``promotion``, ...
            body: The event itself.
            after: Number of the entry that it must come right after, for what was decided on the
                ledger as it was then; `None` for what holds anyway.

        Raises:
            LedgerMoved: Others came in between.
        """
        return self._linked(
            lambda scope: ledger.append(scope, kind, body, at=self._now(), after=after)
        )

    def append_release(self, release: Release, spec: AgentSpec) -> LedgerEntry:
        """Store `spec` and release it, all or nothing, if `release.previous` is still what serves.

        Raises:
            ReleaseConflict: Someone else released on this channel meanwhile; run again.
            BadInput: `release` is not of `spec`.
        """
        return self._linked(
            lambda scope: ledger.append_release(scope, release, spec, at=self._now())
        )

    def head(self) -> int:
        """Number of the ledger's newest entry; 0 before the first."""
        with self._read() as scope:
            return ledger.head(scope)

    def ledger(
        self, *, after: int | None = None, kinds: Sequence[str] = ()
    ) -> Iterator[tuple[LedgerEntry, str]]:
        """All entries in order, each with the hash stored beside it (for `release.first_break`).

        Args:
            after: Only those after this number.
            kinds: Only those of these kinds.
        """
        last = after
        full = True
        while full:
            with self._read() as scope:
                page = ledger.entries_after(scope, last, limit=_PAGE, kinds=kinds)
            yield from page
            full = len(page) == _PAGE
            last = page[-1][0].seq if page else last

    def releases(self, channel: Channel = Channel.STABLE) -> tuple[Release, ...]:
        """The channel's releases, oldest first."""
        with self._read() as scope:
            return ledger.releases(scope, channel)

    def released(self, channel: Channel = Channel.STABLE) -> Release | None:
        """The channel's newest release: what serves now. `None` before the first."""
        with self._read() as scope:
            return ledger.released(scope, channel)

    # --- uses of tools ---------------------------------------------------------------------------

    def put_use(self, use: Use, *, since: int = 0, window: int = 0) -> UseRecord:
        """Store a use, and give the record of its tool with it; one transaction for both.

        Args:
            use: What a tool did. Of each digest the newest 1,000 uses are kept.
            since: As in `use_record`.
            window: As in `use_record`.
        """
        with self._write() as scope:
            return uses.put(scope, use, since=since, window=window)

    def use_record(self, digest: str, *, since: int = 0, window: int = 0) -> UseRecord:
        """How the tool whose code has this digest did.

        Args:
            digest: Of its code (`tools.code_digest`).
            since: Number of the last use that no longer counts (`UseRecord.last`); 0 for all.
            window: How many of the newest uses to tell one by one.
        """
        with self._read() as scope:
            return uses.record(scope, digest, since=since, window=window)

    def uses(self, digest: str, *, limit: int) -> tuple[Use, ...]:
        """The newest uses of a digest, newest first."""
        with self._read() as scope:
            return uses.newest(scope, digest, limit=limit)

    # --- vectors ---------------------------------------------------------------------------------

    def vectors(self, embedder: str, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Vectors of shape (dim,) by text, for those of `texts` that are known of this embedder."""
        with self._read() as scope:
            return vectors.get(scope, embedder, texts)

    def put_vectors(self, embedder: str, given: Mapping[str, NDArray[Any]]) -> None:
        """Store vectors of shape (dim,) by text; one that is there already stays.

        Raises:
            BadInput: A vector of another shape, or one that holds NaN or infinity.
        """
        with self._write() as scope:
            vectors.put(scope, embedder, given)

    def count_vectors(self) -> dict[str, int]:
        """How many vectors there are, by embedder."""
        with self._read() as scope:
            return vectors.count(scope)

    def drop_vectors(self, *, keep: str) -> int:
        """Delete the vectors of every embedder but `keep`, and say how many."""
        with self._write() as scope:
            return vectors.drop(scope, keep=keep)

    # --- transactions ----------------------------------------------------------------------------

    @contextmanager
    def _read(self) -> Iterator[Scope]:
        with self._database.transaction(write=False) as connection:
            yield Scope(connection=connection, agent=self._agent)

    @contextmanager
    def _write(self) -> Iterator[Scope]:
        with self._database.transaction(write=True) as connection:
            yield Scope(connection=connection, agent=self._agent)

    def _linked(self, add: Callable[[Scope], LedgerEntry]) -> LedgerEntry:
        """What `add` appends; tried again when another writer took its place in the chain."""
        for _ in range(_ATTEMPTS):
            try:
                with self._write() as scope:
                    return add(scope)
            except IntegrityError:
                continue
        raise StoreUnavailable(f"{self._database.name} is written by too many at once; run again")

    def _now(self) -> float:
        # A clock may give whole numbers; the database gives back 1.0, which hashes differently.
        return float(self._clock())
