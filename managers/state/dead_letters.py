"""Records refused as invalid: their ids and reasons for ever, their bytes for a while."""

import dataclasses
import sqlite3
from collections.abc import Sequence

from p2p.envelope import RecordId
from p2p.identity.ids import NodeId

bodies_bytes_max = 16 * 1024 * 1024
"""The bytes of the newest dead letters are kept up to this much in all, to look into."""

reason_chars_max = 200
"""A reason may quote the record, which may be large."""

_drop_oldest_bodies = """
    DELETE FROM dead_bodies WHERE number <= (
        SELECT max(number) FROM (
            SELECT number, sum(length(body)) OVER (ORDER BY number DESC) AS bytes FROM dead_bodies
        ) WHERE bytes > ?
    )
"""


@dataclasses.dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused record."""

    id: RecordId
    reason: str
    kind: str | None
    """None if the record has no readable envelope."""
    seen_ms: int
    source: NodeId | None
    """The peer that sent it; None if it was made here."""
    body: bytes | None
    """None once newer letters took the room."""


def add(db: sqlite3.Connection, letters: Sequence[DeadLetter]) -> None:
    """Keep letters whose ids are not kept yet."""
    if not letters:
        return
    number = count(db)
    db.executemany(
        "INSERT INTO dead_letters VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                number + position,
                letter.id,
                letter.reason,
                letter.kind,
                letter.seen_ms,
                letter.source,
            )
            for position, letter in enumerate(letters, start=1)
        ],
    )
    db.executemany(
        "INSERT INTO dead_bodies VALUES (?, ?)",
        [(number + position, letter.body) for position, letter in enumerate(letters, start=1)],
    )
    db.execute(_drop_oldest_bodies, (bodies_bytes_max,))


def holds(db: sqlite3.Connection, id_: RecordId) -> bool:
    """Tell whether a record is known to be invalid."""
    return db.execute("SELECT 1 FROM dead_letters WHERE id = ?", (id_,)).fetchone() is not None


def count(db: sqlite3.Connection) -> int:
    """Count the letters. None is ever deleted, so the highest number is their count."""
    (number,) = db.execute("SELECT coalesce(max(number), 0) FROM dead_letters").fetchone()
    return int(number)


def newest(db: sqlite3.Connection, limit: int) -> list[DeadLetter]:
    """List the newest letters, the newest first."""
    rows = db.execute(
        "SELECT id, reason, kind, seen_ms, source, body"
        " FROM dead_letters LEFT JOIN dead_bodies USING (number) ORDER BY number DESC LIMIT ?",
        (limit,),
    )
    return [DeadLetter(*row) for row in rows]
