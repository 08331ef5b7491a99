"""How a batch of records gets into the tables, within one transaction.

The index over (segment, id) decides what is new: every readable record is offered to it under the
next sequence, and what it ignores was known. Only new records are judged by their kind. Nothing is
kept in memory from one batch to the next, so a transaction that fails leaves nothing behind.
"""

import functools
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from managers.state import dead_letters, digests
from managers.state.dead_letters import DeadLetter
from p2p.envelope import (
    NoEnvelope,
    Record,
    RecordId,
    RecordRefused,
    Segment,
    parse_record,
    record_id,
)
from p2p.identity.ids import NodeId
from p2p.kinds import Kinds
from p2p.manifest import month_key, segment_key
from p2p.store import Ingested, Refusal, Stored

_Row = tuple[int, int, int, RecordId]
"""A new row of `records`: seq, segment, stream, id."""


class Intake:
    """One batch on its way into the tables."""

    def __init__(
        self, db: sqlite3.Connection, kinds: Kinds, now_ms: int, source: NodeId | None
    ) -> None:
        """Prepare for one call of `ingest`, in a transaction on `db`."""
        self._db = db
        self._kinds = kinds
        self._now_ms = now_ms
        self._source = source
        self._records: dict[RecordId, Record] = {}
        self._repeated: list[RecordId] = []
        self._stored: list[Stored] = []
        self._known: list[RecordId] = []
        self._refused_before: list[RecordId] = []
        self._letters: dict[RecordId, DeadLetter] = {}
        self.held_seqs: list[int] = []
        """The rows of those records of the batch that are held now, new or known."""

    def ingest(self, batch: Iterable[bytes]) -> Ingested:
        """Store what is good and new, remember what is bad and new."""
        self._parse(batch)
        if new := self._insert():
            self._judge(new)
        bad = {*self._letters, *self._refused_before}
        for id_ in self._repeated:
            (self._refused_before if id_ in bad else self._known).append(id_)
        dead_letters.add(self._db, list(self._letters.values()))
        return Ingested(
            tuple(self._stored),
            tuple(self._known),
            tuple(Refusal(letter.id, letter.reason) for letter in self._letters.values()),
            tuple(self._refused_before),
        )

    def _parse(self, batch: Iterable[bytes]) -> None:
        for data in batch:
            try:
                record = parse_record(data)
            except NoEnvelope as error:
                id_ = record_id(data)
                if id_ in self._letters or dead_letters.holds(self._db, id_):
                    self._refused_before.append(id_)
                else:
                    self._refuse(id_, error, None, data)
                continue
            if self._records.setdefault(record.id, record) is not record:
                self._repeated.append(record.id)

    def _refuse(self, id_: RecordId, error: RecordRefused, kind: str | None, data: bytes) -> None:
        reason = str(error)[: dead_letters.reason_chars_max]
        self._letters[id_] = DeadLetter(id_, reason, kind, self._now_ms, self._source, data)

    def _insert(self) -> list[_Row]:
        """Offer all readable records to the table; return the rows it did not have."""
        place = functools.cache(functools.partial(_place, functools.cache(self._row)))
        (latest,) = self._db.execute("SELECT latest FROM store").fetchone()
        rows = [
            (seq, *place(record.segment, record.producer), id_)
            for seq, (id_, record) in enumerate(self._records.items(), start=latest + 1)
        ]
        taken = self._db.executemany("INSERT OR IGNORE INTO records VALUES (?, ?, ?, 0, ?)", rows)
        if taken.rowcount == len(rows):
            return rows
        added = {
            seq for (seq,) in self._db.execute("SELECT seq FROM records WHERE seq > ?", (latest,))
        }
        for row in rows:
            if row[0] not in added:
                self._recognise(row)
        return [row for row in rows if row[0] in added]

    def _recognise(self, row: _Row) -> None:
        _, segment, _, id_ = row
        seq, refused = self._db.execute(
            "SELECT seq, refused FROM records WHERE segment = ? AND id = ?", (segment, id_)
        ).fetchone()
        if refused:
            self._refused_before.append(id_)
        else:
            self._known.append(id_)
            self.held_seqs.append(seq)

    def _judge(self, rows: Sequence[_Row]) -> None:
        """Keep the bodies of good records, mark the others, and count both."""
        bodies: list[tuple[int, bytes]] = []
        known: defaultdict[int, list[RecordId]] = defaultdict(list)
        refused: defaultdict[int, list[RecordId]] = defaultdict(list)
        held: defaultdict[int, int] = defaultdict(int)
        for seq, segment, stream, id_ in rows:
            record = self._records[id_]
            known[segment].append(id_)
            try:
                self._kinds.check(record)
            except RecordRefused as error:
                refused[segment].append(id_)
                self._refuse(id_, error, record.kind, record.data)
                self._db.execute("UPDATE records SET refused = 1 WHERE seq = ?", (seq,))
            else:
                held[stream] += 1
                bodies.append((seq, record.data))
                self.held_seqs.append(seq)
                self._stored.append(Stored(seq, id_, record.kind, record.config, record.producer))
        self._db.execute("UPDATE store SET latest = ?", (rows[-1][0],))
        self._db.executemany("INSERT INTO bodies VALUES (?, ?)", bodies)
        self._db.executemany(
            "UPDATE streams SET held = held + ? WHERE id = ?",
            [(count, stream) for stream, count in held.items()],
        )
        digests.add(self._db, known, refused)

    def _row(self, table: str, **names: object) -> int:
        """Find the row of this name, or make one that has counted nothing yet."""
        columns, values = tuple(names), tuple(names.values())
        found = f"SELECT id FROM {table} WHERE {' AND '.join(f'{name} = ?' for name in columns)}"
        row = self._db.execute(found, values).fetchone()
        if row is None:
            marks = ", ".join("?" * len(columns))
            self._db.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", values)
            row = self._db.execute(found, values).fetchone()
        return int(row[0])


def _place(row: Callable[..., int], segment: Segment, producer: NodeId) -> tuple[int, int]:
    """Find or make the rows of a segment and of a producer's stream."""
    kind = segment.kind
    month = row("months", kind=kind, config=segment.config, key=month_key(segment))
    of_segment = row("segments", month=month, day=segment.day, key=segment_key(segment))
    return of_segment, row("streams", kind=kind, producer=producer)
