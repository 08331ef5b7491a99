"""Who else holds what: the evidence, and what follows from it.

A peer's evidence is a watermark - it holds all our rows up to there - and receipts for single rows
above, never below, so that no copy counts twice. All of it is void once the peer's store id
changes, for then its disk may have been lost; the planner
voids it as soon as it hears of the change.

A record is *safe* when max(1, min(2, M)) of the M durable members besides its producer hold it.
Whatever lies below enough watermarks is safe at once, so only the rows above are looked at.
"""

import dataclasses
import heapq
import itertools
import sqlite3
from collections.abc import Collection

from p2p.envelope import RecordId
from p2p.identity.ids import NodeId
from p2p.store import Mark, Safety

copies_wanted = 2
"""As many durable holders besides its producer make a record safe, where there are that many."""


@dataclasses.dataclass(frozen=True, slots=True)
class Holder:
    """A peer of which there is evidence."""

    row: int
    watermark: int


@dataclasses.dataclass(frozen=True, slots=True)
class Want:
    """A number of copies, and who may hold them."""

    copies: int
    holders: tuple[Holder, ...]

    @property
    def floor(self) -> int:
        """The sequence up to which watermarks alone prove enough copies."""
        watermarks = sorted((holder.watermark for holder in self.holders), reverse=True)
        return watermarks[self.copies - 1] if len(watermarks) >= self.copies else 0

    @property
    def lacking(self) -> str:
        """SQL for the rows of a stream, above a sequence, that have fewer copies than wanted."""
        rows = ", ".join(str(holder.row) for holder in self.holders)
        above = [holder.watermark for holder in self.holders if holder.watermark > self.floor]
        return f"""
            FROM records AS r WHERE r.stream = ? AND r.refused = 0 AND r.seq > ? AND (
                SELECT count(*) FROM receipts WHERE seq = r.seq AND holder IN ({rows})
            ) {"".join(f" + (r.seq <= {watermark})" for watermark in above)} < {self.copies}
        """


def note_receipts(
    db: sqlite3.Connection, peer: NodeId, peer_at: Mark, seqs: Collection[int]
) -> None:
    """Note that a peer holds single rows."""
    holder = _holder(db, peer, peer_at)
    db.executemany(
        "INSERT OR IGNORE INTO receipts VALUES (?, ?)",
        [(seq, holder.row) for seq in sorted(seqs) if seq > holder.watermark],
    )


def note_watermark(db: sqlite3.Connection, peer: NodeId, peer_at: Mark, seq: int) -> None:
    """Note that a peer holds every row up to `seq`."""
    holder = _holder(db, peer, peer_at)
    if seq > holder.watermark:
        db.execute("UPDATE holders SET watermark = ? WHERE id = ?", (seq, holder.row))
        db.execute(
            "DELETE FROM receipts WHERE seq > ? AND seq <= ? AND holder = ?",
            (holder.watermark, seq, holder.row),
        )


def void(db: sqlite3.Connection, peer: NodeId, peer_at: Mark) -> None:
    """Drop all that was noted of a peer, whose store is now this far."""
    db.execute(
        "DELETE FROM receipts WHERE holder IN (SELECT id FROM holders WHERE node = ?)", (peer,)
    )
    db.execute(
        "UPDATE holders SET store = ?, watermark = 0, seen = ? WHERE node = ?",
        (peer_at.store, peer_at.seq, peer),
    )


def seen(db: sqlite3.Connection) -> dict[NodeId, Mark]:
    """Return the furthest that each peer's store had come when there last was evidence of it."""
    rows = db.execute("SELECT node, store, seen FROM holders")
    return {node: Mark(store, at) for node, store, at in rows}


def watermark(db: sqlite3.Connection, peer: NodeId) -> int:
    """Return the sequence up to which a peer holds every row; 0 if nothing is known."""
    row = db.execute("SELECT watermark FROM holders WHERE node = ?", (peer,)).fetchone()
    return row[0] if row else 0


def safety(
    db: sqlite3.Connection,
    kind: str,
    me: NodeId,
    durable: Collection[NodeId],
    others: Collection[NodeId],
    upto: int,
) -> Safety:
    """Count the held records of a kind by how well they are kept; see `p2p.store.Safety`.

    Costs what a scan of the rows above the watermarks costs, and of those above `upto`.
    """
    holders = _holders(db)
    anyone = _anyone(holders, others)
    stored = unsafe = only_here = overdue = 0
    for stream, producer, held in _streams(db, kind):
        want = _want(producer, me, durable, holders)
        lacking = _count_lacking(db, stream, held, want)
        stored += held
        only_here += _count_lacking(db, stream, held, anyone)
        unsafe += lacking
        if lacking:
            overdue += lacking - _count_lacking_after(db, stream, want, upto)
    return Safety(stored, stored - unsafe, only_here, overdue)


def only_here(
    db: sqlite3.Connection, kind: str, others: Collection[NodeId], limit: int
) -> list[RecordId]:
    """List held records of a kind that none of `others` is known to hold, oldest first."""
    anyone = _anyone(_holders(db), others)
    rows = heapq.merge(
        *(
            db.execute(
                f"SELECT r.seq, r.id {anyone.lacking} ORDER BY r.seq LIMIT ?",
                (stream, anyone.floor, limit),
            )
            for stream, _, _ in _streams(db, kind)
        )
    )
    return [id_ for _, id_ in itertools.islice(rows, limit)]


def _anyone(holders: dict[NodeId, Holder], others: Collection[NodeId]) -> Want:
    return Want(1, tuple(holders[node] for node in others if node in holders))


def _want(
    producer: NodeId, me: NodeId, durable: Collection[NodeId], holders: dict[NodeId, Holder]
) -> Want:
    """Return what a producer's records want, besides the copy that is here."""
    peers = set(durable) - {me, producer}
    here = int(me in durable and me != producer)
    copies = max(1, min(copies_wanted, len(peers) + here)) - here
    return Want(copies, tuple(holders[peer] for peer in peers if peer in holders))


def _count_lacking(db: sqlite3.Connection, stream: int, held: int, want: Want) -> int:
    if want.copies <= 0:
        return 0
    if len(want.holders) < want.copies:
        return held
    return _count_lacking_after(db, stream, want, 0)


def _count_lacking_after(db: sqlite3.Connection, stream: int, want: Want, seq: int) -> int:
    after = max(seq, want.floor)
    (count,) = db.execute(f"SELECT count(*) {want.lacking}", (stream, after)).fetchone()
    return int(count)


def _holder(db: sqlite3.Connection, peer: NodeId, peer_at: Mark) -> Holder:
    """Return a peer's row, without its older evidence if that was about another store."""
    db.execute(
        "INSERT OR IGNORE INTO holders (node, store, watermark, seen) VALUES (?, ?, 0, 0)",
        (peer, peer_at.store),
    )
    id_, store, kept, seen = db.execute(
        "SELECT id, store, watermark, seen FROM holders WHERE node = ?", (peer,)
    ).fetchone()
    if store == peer_at.store:
        if peer_at.seq > seen:
            db.execute("UPDATE holders SET seen = ? WHERE id = ?", (peer_at.seq, id_))
        return Holder(id_, kept)
    db.execute("DELETE FROM receipts WHERE holder = ?", (id_,))
    db.execute(
        "UPDATE holders SET store = ?, watermark = 0, seen = ? WHERE id = ?",
        (peer_at.store, peer_at.seq, id_),
    )
    return Holder(id_, 0)


def _holders(db: sqlite3.Connection) -> dict[NodeId, Holder]:
    rows = db.execute("SELECT node, id, watermark FROM holders")
    return {node: Holder(row, kept) for node, row, kept in rows}


def _streams(db: sqlite3.Connection, kind: str) -> list[tuple[int, NodeId, int]]:
    return db.execute("SELECT id, producer, held FROM streams WHERE kind = ?", (kind,)).fetchall()
