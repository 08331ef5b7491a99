"""The store's file: two connections, transactions, the schema's version.

One connection writes and alone checkpoints; the other only reads. SQLite before 3.51.3 can
corrupt a file whose log is reset by two connections at once, and a reader of its own lets counts
and views go on while a batch is written.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from managers.state import schema
from managers.state.errors import ForeignFile, SchemaTooNew, StoreError, explained

Connect = Callable[[], sqlite3.Connection]

log_bytes_min, log_bytes_max = 4 * 1024 * 1024, 64 * 1024 * 1024
log_share = 4
"""The log is folded into the file when it is a fourth of it, within these bounds: in a large store,
where a batch touches pages everywhere, a page is so written once for several batches. But it aims
at half of what is left on the disk at most, or there would be no room to fold it."""

_busy_ms_max = 5000

_writer_pragmas = (
    "synchronous = FULL",
    "fullfsync = 1",  # on macOS, fsync alone leaves the data in the drive's cache
    "checkpoint_fullfsync = 1",
    f"busy_timeout = {_busy_ms_max}",
    "cache_size = -16384",  # KiB
)
_reader_pragmas = (
    "query_only = 1",
    "wal_autocheckpoint = 0",
    f"busy_timeout = {_busy_ms_max}",
    "cache_size = -8192",  # KiB
)


class Database:
    """One file and the two connections to it.

    Not thread-safe: at any time one thread may write and one may read.
    """

    def __init__(
        self,
        path: Path,
        new_id: Callable[[int], bytes],
        connect: Connect | None = None,
        steps: Sequence[Sequence[str]] = schema.steps,
    ) -> None:
        """Open the file, creating it or bringing its schema up to date.

        `connect` opens a connection to `path` that any thread may use. Raises `StoreError`.
        """
        self.path = path
        self._log_bytes = -1
        if connect is None:
            connect = self._connect
        with explained(path), contextlib.ExitStack() as opened:
            self._writer = opened.enter_context(contextlib.closing(connect()))
            self._writer.isolation_level = None
            self._prepare(new_id, steps)
            self._reader = opened.enter_context(contextlib.closing(connect()))
            self._reader.isolation_level = None
            for pragma in _reader_pragmas:
                self._reader.execute(f"PRAGMA {pragma}")
            opened.pop_all()

    def close(self) -> None:
        """Close the file; the log is folded into it."""
        self._reader.close()
        self._writer.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Make what is done within one change: all of it is on the disk at the end, or none.

        A change for which there is no room has the log folded into the file, which gives its room
        back: it may succeed at the next try. Raises `StoreError`.
        """
        try:
            with explained(self.path):
                self._bound_log()
                with _transaction(self._writer, "IMMEDIATE"):
                    yield self._writer
        except StoreError as fault:
            if fault.may_pass:
                self._fold_log()
            raise

    def _fold_log(self) -> None:
        """Fold as much of the log into the file as can be done without waiting for anybody."""
        with contextlib.suppress(sqlite3.Error):
            self._writer.execute("PRAGMA busy_timeout = 0")
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._writer.execute(f"PRAGMA busy_timeout = {_busy_ms_max}")

    def _bound_log(self) -> None:
        try:
            disk = os.statvfs(self.path.parent)
        except OSError:  # the bound only saves room: what is wrong shows when the log is written
            return
        free_bytes = disk.f_bavail * disk.f_frsize
        (pages,) = self._writer.execute("PRAGMA page_count").fetchone()
        wanted_bytes = max(log_bytes_min, pages * self._page_bytes // log_share)
        log_bytes = min(wanted_bytes, log_bytes_max, free_bytes // 2)
        if log_bytes != self._log_bytes:
            self._log_bytes = log_bytes
            bound = max(1, log_bytes // self._page_bytes)
            self._writer.execute(f"PRAGMA wal_autocheckpoint = {bound}")
            self._writer.execute(f"PRAGMA journal_size_limit = {log_bytes}")

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Let all queries within see the same state."""
        with explained(self.path), _transaction(self._reader, "DEFERRED"):
            yield self._reader

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, check_same_thread=False)

    def _prepare(self, new_id: Callable[[int], bytes], steps: Sequence[Sequence[str]]) -> None:
        """Check whose file it is before anything in it is touched."""
        version = self._version(len(steps))
        if version == 0:
            self._writer.execute(f"PRAGMA page_size = {schema.page_bytes}")
        (mode,) = self._writer.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreError(f"{self.path} cannot have a log beside it: put it on a local disk")
        for pragma in _writer_pragmas:
            self._writer.execute(f"PRAGMA {pragma}")
        (self._page_bytes,) = self._writer.execute("PRAGMA page_size").fetchone()
        if version == len(steps):
            return
        if version > 0:
            self._back_up(version)
        with _transaction(self._writer, "IMMEDIATE"):
            for step in steps[version:]:
                for statement in step:
                    self._writer.execute(statement)
            if version == 0:
                self._writer.execute("INSERT INTO store (id) VALUES (?)", (new_id(8),))
            self._writer.execute(f"PRAGMA application_id = {schema.application_id}")
            self._writer.execute(f"PRAGMA user_version = {len(steps)}")

    def _version(self, known: int) -> int:
        (application,) = self._writer.execute("PRAGMA application_id").fetchone()
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        (tables,) = self._writer.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if (application, version, tables) == (0, 0, 0):
            return 0
        if application != schema.application_id:
            raise ForeignFile(f"{self.path} is a database of another program: name another file")
        if version > known:
            raise SchemaTooNew(
                f"{self.path} has schema {version}, this version of ringrift-agent knows {known}:"
                " upgrade it, or go back to the backup made before the schema changed"
            )
        return int(version)

    def _back_up(self, version: int) -> None:
        """Copy the file to `<name>.v<version>.bak`, which appears only once it is complete."""
        backup = self.path.with_name(f"{self.path.name}.v{version}.bak")
        unfinished = backup.with_name(f"{backup.name}.tmp")
        unfinished.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(unfinished)) as target:
            target.execute("PRAGMA journal_mode = OFF")
            self._writer.backup(target)
        os.replace(unfinished, backup)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, mode: str) -> Iterator[None]:
    connection.execute(f"BEGIN {mode}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have ended it already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
