"""What can be wrong with the store's file.

    StoreError
    ├── StoreFull       no room left on the disk
    ├── StoreFailing    the disk, or a limit of this process, does not let the file be used
    ├── StoreBarred     this user may not use the file
    ├── StoreBusy       another program holds the file
    ├── StoreDamaged    the file is no longer a sound database
    ├── SchemaTooNew    a later version of this program wrote the file
    └── ForeignFile     an SQLite database, but of another program

Each message is a sentence for the operator, names the file and says what to do. The change that
met with one was not made, not even in part. What stays `sqlite3.Error` is a fault of ours.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from p2p.store import StoreFault


class StoreError(StoreFault):
    """The store's file cannot be used; the message says why and what to do."""


class StoreFull(StoreError):
    """There is no room for what was to be written."""

    may_pass = True


class StoreFailing(StoreError):
    """The file cannot be read or written as it should."""

    may_pass = True


class StoreBarred(StoreError):
    """The file cannot be opened, or not for writing."""


class StoreBusy(StoreError):
    """Another program has locked the file for longer than we wait."""


class StoreDamaged(StoreError):
    """The file is not, or no longer, a sound database."""

    lasts = True


class SchemaTooNew(StoreError):
    """A later version of this program has changed the file's layout."""


class ForeignFile(StoreError):
    """The file is a database of another program."""


_barred_codes = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY}
_busy_codes = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's words for what is wrong with the disk or the file into ours."""
    try:
        yield
    except sqlite3.Error as error:
        # Errors of the sqlite3 module itself carry no code of the library.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise StoreFull(f"no room left for {path}: free some disk space") from error
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise StoreDamaged(
                f"{path} is damaged ({error}): move it away together with its -wal and -shm files;"
                " a new store fetches from the other nodes whatever they hold"
            ) from error
        if code == sqlite3.SQLITE_IOERR:
            raise StoreFailing(
                f"{path} cannot be used ({error}): see that its disk works,"
                " and that no limit, such as `ulimit -f`, is in the way"
            ) from error
        if code in _barred_codes:
            raise StoreBarred(
                f"{path} cannot be used ({error}): see that this user may write there,"
                " and that its disk can be written to"
            ) from error
        if code in _busy_codes:
            raise StoreBusy(
                f"{path} cannot be used ({error}): another program holds it; end that program"
            ) from error
        raise
