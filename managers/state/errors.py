"""What can be wrong with the store's file.

    StoreError
    ├── StoreFull       no room on the disk, or none that this process may use
    ├── StoreDamaged    the file is no longer a sound database
    ├── SchemaTooNew    a later version of this program wrote the file
    └── ForeignFile     an SQLite database, but of another program

Each message is a sentence for the operator, names the file and says what to do. The change that
met with one was not made, not even in part. Other faults of the disk stay `sqlite3.Error`.
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


class StoreDamaged(StoreError):
    """The file is not, or no longer, a sound database."""


class SchemaTooNew(StoreError):
    """A later version of this program has changed the file's layout."""


class ForeignFile(StoreError):
    """The file is a database of another program."""


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's words for a full disk and a damaged file into ours."""
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
        raise
