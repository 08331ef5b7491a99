"""Records that these tests put into stores, and a disk that fails when told to."""

import os
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from managers.state.store import SqliteStore
from p2p.envelope import Record, RecordRefused, make_record
from p2p.identity.ids import NodeId
from p2p.kinds import Kind, Kinds

day_ms = 86_400_000
start_ms = 20_600 * day_ms
producers = tuple(NodeId(bytes([n]) * 16) for n in range(1, 4))


def check_game(record: Record) -> None:
    """Refuse what a test marks as bad."""
    if record.body == "bad" or (isinstance(record.body, list) and record.body[0] == "bad"):
        raise RecordRefused("marked as bad")


kinds = Kinds([Kind("game", 1, check_game)])


def game(
    number: int,
    *,
    bad: bool = False,
    kind: str = "game",
    format: int = 1,
    config: str = "square8_2p",
    day: int = 0,
    producer: NodeId = producers[0],
    size: int = 0,
) -> bytes:
    """Return a record that differs from those of other numbers."""
    body = ["bad" if bad else "good", number, bytes(size)]
    return make_record(kind, format, config, start_ms + day * day_ms, producer, body)


games = st.builds(
    game,
    st.integers(0, 9),
    bad=st.sampled_from([False, False, False, True]),
    kind=st.sampled_from(["game", "game", "unheard_of"]),
    format=st.sampled_from([1, 1, 2]),
    config=st.sampled_from(["square8_2p", "hex8_3p", ""]),
    day=st.sampled_from([0, 1, 45]),
    producer=st.sampled_from(producers),
)
junk = st.sampled_from([b"", b"\xc1", b"\x90", game(0)[:-1], game(0) + b"\0", b"\xc4\x00"])
batches = st.lists(st.one_of(games, games, games, junk), max_size=12)


def open_store(path: Path, **options: Any) -> SqliteStore:
    """Open a store that can judge games."""
    return SqliteStore(path, kinds, os.urandom, **options)


class Disk:
    """Connections to one file, that fail when told to and do not wait for the real disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.statements_left: int | None = None
        """How many statements may still be run; None for no limit."""

    def connect(self) -> sqlite3.Connection:
        """Open a connection."""
        disk = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
                disk.count(sql)
                sql = sql.replace("synchronous = FULL", "synchronous = OFF")
                return super().execute(sql, parameters)

            def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
                disk.count(sql)
                return super().executemany(sql, parameters)

        return sqlite3.connect(self.path, check_same_thread=False, factory=Connection)

    def count(self, sql: str) -> None:
        """Fail if the limit is reached. What undoes a change never fails."""
        if self.statements_left is None or sql == "ROLLBACK":
            return
        if self.statements_left == 0:
            raise sqlite3.OperationalError("disk I/O error")
        self.statements_left -= 1


def numbered(count: int, **options: Any) -> list[bytes]:
    """Return that many different games."""
    return [game(number, **options) for number in range(1000, 1000 + count)]


class Meter:
    """Connections to one file, of which the reader counts the steps that SQLite takes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connections: list[sqlite3.Connection] = []

    def connect(self) -> sqlite3.Connection:
        """Open a connection."""
        self.connections.append(sqlite3.connect(self.path, check_same_thread=False))
        return self.connections[-1]

    def steps(self, question: Callable[[], object]) -> int:
        """Ask the store something and return the steps it took."""
        _, reader = self.connections
        taken = 0

        def count() -> int:
            nonlocal taken
            taken += 1
            return 0

        reader.set_progress_handler(count, 1)
        question()
        reader.set_progress_handler(None, 1)
        return taken
