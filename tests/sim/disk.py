"""A disk that forgets, when its box crashes, whatever was not synced.

SQLite's log (WAL) is a file to which each commit appends frames. With `synchronous = FULL` a commit
syncs them; with less it does not, and a crash may take them away. Here it always does. The real
disk is never waited for, so a commit costs what writing to memory does, and only a crash copies.
"""

import shutil
import sqlite3
import struct
from pathlib import Path
from typing import Any

_log_header_bytes = 32
_frame_header_bytes = 24
_index_header = struct.Struct("=12xBBHI12x8s")
"""The start of the log's index: is initialised, byte order, page bytes, last frame, salts.

See "WAL-Index Header" in SQLite's description of its WAL-mode file format.
"""


class Disk:
    """The disk of one box, with a store on it."""

    def __init__(self, folder: Path) -> None:
        """`folder` must be empty."""
        self._folder = folder
        self._copies = 0
        self._synced = (b"", 0)
        """Which log, by its salts, was synced up to how many bytes."""
        self._backup: tuple[Path, tuple[bytes, int]] | None = None
        self.is_full = False
        """Whether every commit of a change fails for want of room."""
        self.path.parent.mkdir()

    @property
    def path(self) -> Path:
        """Where the store is, for a process that is about to start."""
        return self._folder / str(self._copies) / "records.db"

    def connect(self) -> sqlite3.Connection:
        """Open a connection to the store."""
        disk, path = self, self.path

        class Connection(sqlite3.Connection):
            syncs = True
            writes = False

            def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
                if sql.startswith("PRAGMA synchronous"):
                    self.syncs = sql.rsplit(maxsplit=1)[-1] in ("FULL", "EXTRA")
                    sql = "PRAGMA synchronous = OFF"
                elif sql.startswith("BEGIN"):
                    self.writes = sql == "BEGIN IMMEDIATE"
                elif sql == "COMMIT" and self.writes:
                    return self.commit_writes()
                return super().execute(sql, parameters)

            def commit_writes(self) -> sqlite3.Cursor:
                if disk.is_full:
                    raise _full()
                done = super().execute("COMMIT")
                if self.syncs and path == disk.path:
                    disk._synced = _end_of_log(path)
                return done

        return sqlite3.connect(path, check_same_thread=False, factory=Connection)

    def crash(self) -> None:
        """Go on with what was synced; what the dead process may still write comes to nothing."""
        before = self.path
        self._turn_page()
        self._copy(before, self.path)

    def wipe(self) -> None:
        """Go on with nothing."""
        self._turn_page()

    def back_up(self) -> None:
        """Keep a copy of what is synced now, in place of an earlier one."""
        path = self._folder / f"backup-{self._copies}" / self.path.name
        path.parent.mkdir(exist_ok=True)
        self._copy(self.path, path)
        self._backup = path, self._synced

    def restore(self) -> None:
        """Go on with the copy that `back_up` made."""
        assert self._backup is not None
        backup, self._synced = self._backup
        self._turn_page()
        for file in backup.parent.iterdir():
            shutil.copyfile(file, self.path.with_name(file.name))

    def _turn_page(self) -> None:
        self._copies += 1
        self.path.parent.mkdir()

    def _copy(self, source: Path, target: Path) -> None:
        """Copy a store as a power cut would leave it."""
        if source.exists():
            shutil.copyfile(source, target)
        salts, synced_bytes = self._synced
        log = _log(source)
        if log.exists() and _salts(log) == salts:
            _log(target).write_bytes(log.read_bytes()[:synced_bytes])
        else:
            _log(target).unlink(missing_ok=True)


def _full() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _salts(log: Path) -> bytes:
    """Return what tells this log from those before it; see "WAL Header"."""
    with log.open("rb") as file:
        return file.read(_log_header_bytes)[16:24]


def _end_of_log(path: Path) -> tuple[bytes, int]:
    """Return the salts of the log, and how many bytes of it are in use."""
    with path.with_name(f"{path.name}-shm").open("rb") as file:
        header = file.read(_index_header.size)
    _, _, page_bytes, frames, salts = _index_header.unpack(header)
    return salts, _log_header_bytes + frames * (_frame_header_bytes + page_bytes)
