"""Tells what an operator can mend on this box from faults of ours, which deserve a traceback."""

import sqlite3

from managers.state.errors import StoreError
from mixins.faults import leaves
from p2p.identity import IdentityError
from ringrift.home import HomeError

possible = (HomeError, IdentityError, StoreError, sqlite3.Error, OSError)
"""The kinds of errors that the box may have caused."""

_sqlite_codes = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}
"""Those of the file and its disk; the other ones say that the store was programmed wrongly."""


def sentence(error: Exception) -> str | None:
    """Say what is wrong on this box; None if the error, or one in the group, is a fault of ours."""
    sentences = [_sentence(each) for each in leaves(error)]
    said = [each for each in sentences if each is not None]
    return "; ".join(dict.fromkeys(said)) if len(said) == len(sentences) else None


def _sentence(error: BaseException) -> str | None:
    if isinstance(error, sqlite3.Error):
        # An error of the module itself carries no code of the library.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF
        return f"the record store cannot be used: {error}" if code in _sqlite_codes else None
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        return f"{error.filename}: {reason}" if error.filename else reason
    return str(error) if isinstance(error, possible) else None
