"""The node's store, reached without making the event loop wait.

What keeps the store from doing its work is told here, for whoever meets with it: once in the log,
and for as long as it lasts by `faults`.
"""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import trio

from mixins.threads import Threads
from p2p.identity.ids import NodeId
from p2p.store import Ingested, Mark, NodeStore, StoreFault

logger = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

queries_in_a_row = 30
"""So many must succeed before the store counts as readable again: most need little of the file."""


class _Way:
    """One way to use the store, and what keeps that from working at present."""

    def __init__(self, subject: str, done: str, successes: int = 1) -> None:
        """`subject` and `done` begin a sentence, as in `records cannot be stored`.

        As many `successes` in a row end a fault.
        """
        self._subject = subject
        self._done = done
        self._successes = successes
        self._lacking = 0
        self._fault: StoreFault | None = None

    def failed(self, fault: StoreFault) -> None:
        """Take note of a fault, and tell it if it is another than before."""
        if self._fault is not None and self._fault.lasts:
            return
        is_told = str(fault) == str(self._fault)
        self._fault = fault
        self._lacking = self._successes
        if not is_told:
            logger.error("%s", self.problem)

    def worked(self) -> None:
        """Take note of a success; enough of them end a fault that does not last."""
        self._lacking -= 1
        if self._fault is not None and not self._fault.lasts and self._lacking <= 0:
            self._fault = None
            logger.warning("%s can be %s again", self._subject, self._done)

    @property
    def problem(self) -> str:
        """A sentence; empty if this way works."""
        if self._fault is None:
            return ""
        return f"{self._subject} cannot be {self._done}: {self._fault}"


class StoreAccess:
    """One writer at a time and one reader at a time, in threads.

    The store has a connection for each, so a long read never delays a commit.
    """

    def __init__(self, store: NodeStore, threads: Threads) -> None:
        self._store = store
        self._threads = threads
        self._reading = trio.Lock()
        self._writing = trio.Lock()
        self._queries = _Way("the store", "read", queries_in_a_row)
        self._notes = _Way("notes", "stored")
        self._records = _Way("records", "stored")

    def faults(self) -> Iterator[str]:
        """Yield what does not work at present, a sentence for each."""
        for way in (self._records, self._notes, self._queries):
            if way.problem:
                yield way.problem

    async def read(self, query: Callable[[NodeStore], ResultT]) -> ResultT:
        """Run a query that changes nothing. Raises `StoreFault`."""
        async with self._reading:
            with _telling(self._queries):
                found = await self._threads.run(query, self._store)
        self._queries.worked()
        return found

    async def write(self, change: Callable[[NodeStore], ResultT]) -> ResultT:
        """Run a change other than of records; it is on the disk when this returns.

        A fault that may pass has it tried once more: a closure of several changes is then repeated
        from its start, also those that were made. Raises `StoreFault`.
        """
        with _telling(self._notes):
            done = await self._write(change)
        self._notes.worked()  # says nothing of records: a full disk may have room for a setting
        return done

    async def _write(self, change: Callable[[NodeStore], ResultT]) -> ResultT:
        async with self._writing:
            return await self._threads.run(_once_or_twice, change, self._store)

    async def ingest(
        self,
        batch: Iterable[bytes],
        now_ms: int,
        source: NodeId | None = None,
        source_at: Mark | None = None,
    ) -> Ingested:
        """Check and store a batch of records; those stored are on the disk when this returns.

        Raises `StoreFault`.
        """
        records = tuple(batch)
        with _telling(self._records):
            done = await self._write(
                lambda store: store.ingest(records, now_ms, source=source, source_at=source_at)
            )
        if done.stored:  # what is known needs no room
            self._records.worked()
            self._notes.worked()
        return done


@contextlib.contextmanager
def _telling(way: _Way) -> Iterator[None]:
    try:
        yield
    except StoreFault as fault:
        way.failed(fault)
        raise


def _once_or_twice(change: Callable[[NodeStore], ResultT], store: NodeStore) -> ResultT:
    try:
        return change(store)
    except StoreFault as fault:
        if not fault.may_pass:
            raise
        return change(store)
