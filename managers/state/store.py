"""A node's records in one SQLite file. See `p2p.store.NodeStore`.

Everything that the store answers is read from what it keeps with the rows, so that counts, sums
and views cost the same with a million records as with ten; what grows is said where it does.
"""

import contextlib
import heapq
import itertools
import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from managers.state import copies, dead_letters
from managers.state.database import Connect, Database
from managers.state.dead_letters import DeadLetter
from managers.state.digests import digest
from managers.state.ingest import Intake
from managers.state.schema import id_prefix_bytes
from managers.state.view import SqliteView
from p2p.envelope import RecordId
from p2p.identity.ids import NodeId
from p2p.kinds import Kinds
from p2p.manifest import Digest
from p2p.store import Ingested, Mark, Safety

setting_chars_max = 64 * 1024

page_rows = 4096
"""How many sequences a page of `iterate_ids` covers."""

_lookup_ids_max = 500


class SqliteStore:
    """A node's records, and the little else that a node must not forget.

    Not thread-safe: one thread at a time may call the methods that change something, and one the
    others, views included; the two do not wait for each other. A method that changes something has
    made it durable when it returns, and has changed nothing if it raises `StoreError`.
    """

    def __init__(
        self,
        path: Path,
        kinds: Kinds,
        new_id: Callable[[int], bytes],
        connect: Connect | None = None,
    ) -> None:
        """Open the store, creating it if there is none.

        `new_id` returns that many fresh random bytes. `connect` opens a connection to `path` that
        any thread may use; by default, SQLite's own. Raises `StoreError`.
        """
        self._database = Database(path, new_id, connect)
        self._kinds = kinds
        with contextlib.ExitStack() as opened:
            opened.callback(self.close)
            with self._database.reading() as db:
                (self.id,) = db.execute("SELECT id FROM store").fetchone()
            opened.pop_all()

    def close(self) -> None:
        """Close the file. Nothing else may be called after."""
        self._database.close()

    # What it changes.

    def ingest(
        self,
        batch: Iterable[bytes],
        now_ms: int,
        *,
        source: NodeId | None = None,
        source_at: Mark | None = None,
    ) -> Ingested:
        """Check and store a batch in one transaction, synced to disk on return.

        Bad records never raise; they become dead letters that name `source`. With `source_at`, its
        copies of the others are noted, as by `note_receipts`.
        """
        with self._database.writing() as db:
            intake = Intake(db, self._kinds, now_ms, source)
            done = intake.ingest(batch)
            if source is not None and source_at is not None and intake.held_seqs:
                copies.note_receipts(db, source, source_at, intake.held_seqs)
            return done

    def note_receipts(self, peer: NodeId, peer_at: Mark, ids: Collection[RecordId]) -> None:
        """Note that a peer has committed these records; those not held here do not matter.

        Another store id than before voids what was noted of the peer.
        """
        with self._database.writing() as db:
            held = _held(db, "SELECT id, seq FROM records", ids)
            copies.note_receipts(db, peer, peer_at, [seq for _, seq in held])

    def note_watermark(self, peer: NodeId, peer_at: Mark, seq: int) -> None:
        """Note that a peer holds all our rows up to `seq`; a lower one than before changes nothing.

        Another store id than before voids what was noted of the peer. Raises `ValueError` if `seq`
        is ahead of our rows.
        """
        with self._database.writing() as db:
            _check_seq(db, seq)
            copies.note_watermark(db, peer, peer_at, seq)

    def void_evidence(self, peer: NodeId, peer_at: Mark) -> None:
        """Drop all that was noted of a peer, whose store is now this far."""
        with self._database.writing() as db:
            copies.void(db, peer, peer_at)

    def set_setting(self, name: str, value: object) -> None:
        """Keep a small value (anything that JSON can say). Raises `ValueError` if it is large."""
        text = json.dumps(value, allow_nan=False)
        if len(text) > setting_chars_max:
            raise ValueError(f"setting {name!r} has {len(text)} > {setting_chars_max} characters")
        with self._database.writing() as db:
            db.execute("REPLACE INTO settings VALUES (?, ?)", (name, text))

    def reserve(self, name: str, block: int) -> int:
        """Return the first of `block` numbers that are given out this once, across restarts."""
        if block < 1:
            raise ValueError(f"cannot reserve {block} numbers of {name!r}")
        with self._database.writing() as db:
            row = db.execute("SELECT next FROM counters WHERE name = ?", (name,)).fetchone()
            first = row[0] if row else 0
            db.execute("REPLACE INTO counters VALUES (?, ?)", (name, first + block))
        return int(first)

    def remember_member(self, node: NodeId, record: bytes, heard_ms: int) -> None:
        """Keep a member's own signed words for the next start, in place of older ones."""
        with self._database.writing() as db:
            db.execute("REPLACE INTO members VALUES (?, ?, ?)", (node, record, heard_ms))

    def forget_member(self, node: NodeId) -> None:
        """Drop what was kept of a member."""
        with self._database.writing() as db:
            db.execute("DELETE FROM members WHERE node = ?", (node,))

    def renew_store_id(self, new_id: Callable[[int], bytes]) -> None:
        """Take a new id, so that peers void what they noted of this store."""
        fresh = new_id(8)
        with self._database.writing() as db:
            db.execute("UPDATE store SET id = ?", (fresh,))
        self.id = fresh

    # What it tells.

    def view(self, seq: int | None = None) -> SqliteView:
        """Return the store as of `seq`, by default now. Raises `ValueError` if `seq` is ahead."""
        with self._database.reading() as db:
            seq = _latest(db) if seq is None else _check_seq(db, seq)
        return SqliteView(self._database, self.id, seq)

    def max_seq(self) -> int:
        """Return the sequence of the newest row; 0 if there is none."""
        with self._database.reading() as db:
            return _latest(db)

    def bodies(self, ids: Collection[RecordId]) -> Mapping[RecordId, bytes]:
        """Return the bytes of those records that are held; refused and unknown ones are absent."""
        with self._database.reading() as db:
            return dict(_held(db, "SELECT id, body FROM records JOIN bodies USING (seq)", ids))

    def body_sizes(self, ids: Collection[RecordId]) -> Mapping[RecordId, int]:
        """Return the sizes in bytes of those records that are held; no body is read for it."""
        with self._database.reading() as db:
            select = "SELECT id, length(body) FROM records JOIN bodies USING (seq)"
            return dict(_held(db, select, ids))

    def own_after(
        self, producer: NodeId, seq: int, limit: int, bytes_max: int
    ) -> Sequence[tuple[int, RecordId, bytes]]:
        """Return held records of one producer after a sequence: (seq, id, bytes), in order.

        At most `limit`, and at most `bytes_max` bytes of records but always one if there is one.
        """
        with self._database.reading() as db:
            return _own_after(db, producer, seq, limit, bytes_max)

    def seen(self) -> Mapping[NodeId, Mark]:
        """Return the furthest that each peer's store had come when there was evidence of it."""
        with self._database.reading() as db:
            return copies.seen(db)

    def watermark(self, peer: NodeId) -> int:
        """Return the sequence up to which the peer holds all our rows; 0 if nothing is known."""
        with self._database.reading() as db:
            return copies.watermark(db, peer)

    def safety(
        self,
        kind: str,
        me: NodeId,
        durable: Collection[NodeId],
        others: Collection[NodeId],
        upto: int,
    ) -> Safety:
        """Count the held records of a kind by how well they are kept; see `p2p.store.NodeStore`.

        Costs as much as there are records above what watermarks prove.
        """
        with self._database.reading() as db:
            return copies.safety(db, kind, me, durable, others, upto)

    def only_here_ids(
        self, kind: str, others: Collection[NodeId], limit: int
    ) -> Sequence[RecordId]:
        """List held records of a kind that none of `others` is known to hold, oldest first."""
        with self._database.reading() as db:
            return copies.only_here(db, kind, others, limit)

    def count_by_config(self, kind: str) -> Mapping[str, int]:
        """Count the held records of a kind, by config."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT config, sum(count - refused_count) AS held FROM months"
                " WHERE kind = ? GROUP BY config HAVING held > 0 ORDER BY config",
                (kind,),
            )
            return dict(rows.fetchall())

    def held_digest(self, kind: str) -> Digest:
        """Sum up the held records of a kind."""
        held = Digest()
        with self._database.reading() as db:
            for count, total, refused_count, refused_total in db.execute(
                "SELECT count, total, refused_count, refused_total FROM months WHERE kind = ?",
                (kind,),
            ):
                held += digest(count, total) - digest(refused_count, refused_total)
        return held

    def iterate_ids(self, kind: str, config: str | None = None) -> Iterator[Sequence[RecordId]]:
        """List the held records of a kind in pages, oldest first, up to the newest of now.

        Each page is a query of its own, made when it is asked for.
        """
        last = self.max_seq()
        for seq in range(0, last, page_rows):
            with self._database.reading() as db:
                page = db.execute(
                    "SELECT records.id FROM records CROSS JOIN segments CROSS JOIN months"
                    " WHERE records.seq > ? AND records.seq <= ? AND records.refused = 0"
                    " AND segments.id = records.segment AND months.id = segments.month"
                    " AND months.kind = ? AND months.config = coalesce(?, months.config)"
                    " ORDER BY records.seq",
                    (seq, min(seq + page_rows, last), kind, config),
                ).fetchall()
            if page:
                yield [id_ for (id_,) in page]

    def dead_letter_count(self) -> int:
        """Count the records that were refused as invalid."""
        with self._database.reading() as db:
            return dead_letters.count(db)

    def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """List the records refused last, the newest first."""
        with self._database.reading() as db:
            return dead_letters.newest(db, limit)

    def get_setting(self, name: str) -> object:
        """Return a small value kept for the node, or None."""
        with self._database.reading() as db:
            row = db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        value: object = json.loads(row[0]) if row else None
        return value

    def members(self) -> Sequence[tuple[NodeId, bytes, int]]:
        """List the members remembered: (node, their own signed words, when heard in ms)."""
        with self._database.reading() as db:
            rows = db.execute("SELECT node, record, heard_ms FROM members ORDER BY node")
            return rows.fetchall()


def _latest(db: sqlite3.Connection) -> int:
    (latest,) = db.execute("SELECT latest FROM store").fetchone()
    return int(latest)


def _check_seq(db: sqlite3.Connection, seq: int) -> int:
    latest = _latest(db)
    if not 0 <= seq <= latest:
        raise ValueError(f"sequence {seq} is not from 0 to {latest}")
    return seq


def _held(
    db: sqlite3.Connection, select: str, ids: Collection[RecordId]
) -> Iterator[tuple[RecordId, Any]]:
    """Run `select`, whose first column is an id, for those of these records that are held."""
    wanted = frozenset(ids)
    prefixes = sorted({id_[:id_prefix_bytes] for id_ in wanted})
    for start in range(0, len(prefixes), _lookup_ids_max):
        chunk = prefixes[start : start + _lookup_ids_max]
        marks = ", ".join("?" * len(chunk))
        for id_, value in db.execute(
            f"{select} WHERE refused = 0 AND substr(id, 1, {id_prefix_bytes}) IN ({marks})", chunk
        ):
            if id_ in wanted:
                yield id_, value


def _own_after(
    db: sqlite3.Connection, producer: NodeId, seq: int, limit: int, bytes_max: int
) -> list[tuple[int, RecordId, bytes]]:
    streams = db.execute("SELECT id FROM streams WHERE producer = ?", (producer,)).fetchall()
    by_stream = [
        db.execute(
            "SELECT seq, id FROM records"
            " WHERE stream = ? AND refused = 0 AND seq > ? ORDER BY seq LIMIT ?",
            (stream, seq, limit),
        )
        for (stream,) in streams
    ]
    found: list[tuple[int, RecordId, bytes]] = []
    size = 0
    for at, id_ in itertools.islice(heapq.merge(*by_stream), limit):
        (body,) = db.execute("SELECT body FROM bodies WHERE seq = ?", (at,)).fetchone()
        size += len(body)
        if found and size > bytes_max:
            break
        found.append((at, id_, body))
    return found
