"""The node's store, reached without making the event loop wait."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import trio

from mixins.threads import Threads
from p2p.identity.ids import NodeId
from p2p.store import Ingested, NodeStore

ResultT = TypeVar("ResultT")


class StoreAccess:
    """One writer at a time and one reader at a time, in threads.

    The store has a connection for each, so a long read never delays a commit.
    """

    def __init__(self, store: NodeStore, threads: Threads) -> None:
        self._store = store
        self._threads = threads
        self._reading = trio.Lock()
        self._writing = trio.Lock()
        self.ingest_fault = ""
        """Why the latest batch of records could not be stored; empty if it could."""

    async def read(self, query: Callable[[NodeStore], ResultT]) -> ResultT:
        """Run a query that changes nothing."""
        async with self._reading:
            return await self._threads.run(query, self._store)

    async def write(self, change: Callable[[NodeStore], ResultT]) -> ResultT:
        """Run a change; it is on the disk when this returns."""
        async with self._writing:
            return await self._threads.run(change, self._store)

    async def ingest(
        self, batch: Iterable[bytes], now_ms: int, source: NodeId | None = None
    ) -> Ingested:
        """Check and store a batch of records; those stored are on the disk when this returns."""
        records = tuple(batch)
        try:
            done = await self.write(lambda store: store.ingest(records, now_ms, source=source))
        except BaseException as error:
            if not isinstance(error, trio.Cancelled):
                self.ingest_fault = str(error)
            raise
        self.ingest_fault = ""
        return done
