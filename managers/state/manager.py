"""Vouches for what this node produces, so that a record's producer can be proved.

Verifying a signature for each game would cost more than all the rest of its way, so the producer
signs batches: a `batch` record lists ids, and travels as any other record does.
"""

import functools
from collections.abc import Iterable
from typing import ClassVar

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mixins.alarm import Alarm
from mixins.base import Loop, P2PMixinBase
from mixins.runtime import Runtime
from p2p.batch import batch_ids_max, make_batch
from p2p.batch import name as batch_kind
from p2p.envelope import RecordId, parse_record
from p2p.events import Event, RecordsStored
from p2p.identity.ids import MeshId
from p2p.store import NodeStore

vouch_interval_s = 60.0
"""A record waits at most this long for its producer's signature, while the node runs."""

_vouched = "vouched_seq"
_catch_up_bytes_max = 8 * 1024 * 1024


class StateManager(P2PMixinBase):
    """Keeps the node's own record of what it has made."""

    name: ClassVar[str] = "state"
    publishes: ClassVar[tuple[type[Event], ...]] = (RecordsStored,)

    def __init__(self, runtime: Runtime, *, mesh: MeshId, key: Ed25519PrivateKey) -> None:
        super().__init__(runtime)
        self._mesh = mesh
        self._key = key
        self._waiting: dict[RecordId, int] = {}
        self._alarm = Alarm()
        self._vouching = trio.Lock()
        runtime.bus.subscribe(self.name, RecordsStored, self._stored)

    def loops(self) -> Iterable[Loop]:
        """Return the loop that signs."""
        return (Loop("vouch", self._vouch_for_ever),)

    def health(self) -> Iterable[str]:
        """Say what the store does not do."""
        return self.runtime.store.faults()

    def _stored(self, event: RecordsStored) -> None:
        if event.source is None:
            self._waiting |= {row.id: row.seq for row in event.rows if row.kind != batch_kind}
            if len(self._waiting) >= batch_ids_max:
                self._alarm.ring()

    async def load(self) -> None:
        """Find what was produced but not vouched for when the node last stopped."""
        self._waiting |= await self.read(self._unvouched)

    def _unvouched(self, store: NodeStore) -> dict[RecordId, int]:
        found: dict[RecordId, int] = {}
        seq = _as_seq(store.get_setting(_vouched))
        while rows := store.own_after(self.runtime.node, seq, batch_ids_max, _catch_up_bytes_max):
            found |= {id_: at for at, id_, data in rows if parse_record(data).kind != batch_kind}
            seq = rows[-1][0]
        return found

    async def _vouch_for_ever(self) -> None:
        while True:
            await self._alarm.wait(self.runtime.clock.monotonic_s() + vouch_interval_s)
            await self.vouch()

    async def vouch(self) -> None:
        """Sign everything produced here that is not signed yet."""
        async with self._vouching:
            while self._waiting:
                await self._vouch_some()

    async def _vouch_some(self) -> None:
        ids = sorted(self._waiting)[:batch_ids_max]
        last_seq = max(self._waiting[id_] for id_ in ids)
        store_id = await self.read(lambda store: store.id)
        made = await self.runtime.threads.run(self._batch, store_id, last_seq, ids)
        await self.ingest([made])
        for id_ in ids:
            del self._waiting[id_]
        floor = min(self._waiting.values(), default=last_seq + 1) - 1
        await self.write(functools.partial(_set_vouched, floor=floor))

    def _batch(self, store_id: bytes, seq: int, ids: list[RecordId]) -> bytes:
        return make_batch(
            key=self._key,
            mesh=self._mesh,
            time_ms=self.runtime.mesh_time_ms(),
            store=store_id,
            seq=seq,
            ids=ids,
        )


def _set_vouched(store: NodeStore, *, floor: int) -> None:
    store.set_setting(_vouched, floor)


def _as_seq(value: object) -> int:
    return value if isinstance(value, int) else 0
