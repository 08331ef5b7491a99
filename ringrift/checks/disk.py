"""Checks of the disk, of SQLite and of the record store; nothing is written."""

import contextlib
import datetime
import os
import shutil
import sqlite3
from pathlib import Path

from managers.state import dead_letters, schema
from managers.state.errors import StoreDamaged, StoreError, explained
from ringrift.checks import Finding, Verdict
from ringrift.home import file_system, is_read_only, network_file_systems

gib = 1024**3
free_bytes_warning = 5 * gib
free_bytes_failure = gib

looked_through_bytes_max = 256 * 1024**2
"""A larger store is read from end to end only if the user asks for it."""

checks_of_store = ("store", "dead letters")

_letters_shown_max = 3
_busy_s_max = 5.0
_let_read = "let this user read it as a file, or name the right --home"


def check_space(folder: Path) -> Finding:
    """Check how much room there is for records, also where the home is yet to be made."""
    return judge_space(folder, shutil.disk_usage(_present(folder)).free)


def _present(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if os.path.exists(each))


def judge_space(folder: Path, free_bytes: int) -> Finding:
    """Judge how much room is left."""
    finding = f"{free_bytes / gib:,.1f} GiB free at {folder}"
    advice = "free some space, or move the home to a larger disk"
    if free_bytes < free_bytes_failure:
        return Finding("disk", Verdict.FAILURE, finding, advice)
    if free_bytes < free_bytes_warning:
        return Finding("disk", Verdict.WARNING, finding, advice)
    return Finding("disk", Verdict.OK, finding)


def check_file_system(folder: Path) -> Finding:
    """Check that the store is on a disk of this box, and can be written there."""
    present = _present(folder)
    return judge_file_system(folder, file_system(folder), read_only=is_read_only(present))


def judge_file_system(folder: Path, kind: str | None, *, read_only: bool) -> Finding:
    """Judge the type of the file system; None if the kernel does not tell."""
    if read_only:
        finding = f"{folder} is on a read-only file system, but an agent has to write there"
        advice = (
            "mount it for writing, or choose another --home; where it was so before, the kernel's "
            "log (`dmesg`) tells of the fault that made it read-only"
        )
        return Finding("file system", Verdict.FAILURE, finding, advice)
    if kind is None:
        finding = "this system does not tell which file system holds the home"
        return Finding("file system", Verdict.UNKNOWN, finding, "keep the home on a local disk")
    if kind in network_file_systems:
        finding = f"{folder} is on a network file system ({kind}), where the store is not safe"
        return Finding("file system", Verdict.FAILURE, finding, "choose a --home on a local disk")
    return Finding("file system", Verdict.OK, f"local ({kind})")


def check_sqlite(version: tuple[int, int, int]) -> Finding:
    """Check SQLite for the fault by which a reset of its log can damage a file (3.7.0 to 3.51.2).

    It needs two connections that write or checkpoint; the agent has one that does.
    """
    text = ".".join(map(str, version))
    if (3, 7, 0) <= version < (3, 51, 3) and not _is_mended(version):
        finding = f"{text} can damage a file to which two connections write; the agent uses one"
        advice = "open records.db with no other program that writes; mended in 3.51.3"
        return Finding("sqlite", Verdict.WARNING, finding, advice)
    return Finding("sqlite", Verdict.OK, f"{text}, without the fault of its log's reset")


def _is_mended(version: tuple[int, int, int]) -> bool:
    """Whether it is a later one of the two older lines that were mended too."""
    return any(version[:2] == line[:2] and version >= line for line in ((3, 50, 7), (3, 44, 6)))


def check_store(path: Path, *, deep: bool) -> tuple[Finding, Finding]:
    """Check the record store, and what it has refused. A running agent is not disturbed."""
    letters = Finding("dead letters", Verdict.UNKNOWN, "only a sound store could tell")
    try:
        size_bytes = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return Finding("store", Verdict.UNKNOWN, f"there is no {path} yet"), letters
    except OSError as error:
        finding = f"cannot look at {path}: {error.strerror}"
        return Finding("store", Verdict.FAILURE, finding, _let_read), letters
    try:
        with explained(path), contextlib.closing(_open(path)) as db:
            sound = _check_soundness(db, path, read=deep or size_bytes <= looked_through_bytes_max)
            if sound.verdict is not Verdict.FAILURE:
                letters = _check_letters(db)
    except StoreDamaged as error:
        sound = _damaged(path, str(error.__cause__))
    except (StoreError, sqlite3.Error) as error:
        if is_read_only(path.parent):
            finding = f"{path} cannot be read where nothing can be written: see file system"
            sound = Finding("store", Verdict.UNKNOWN, finding)
        else:
            finding = f"cannot read {path}: {error.__cause__ or error}"
            sound = Finding("store", Verdict.FAILURE, finding, _let_read)
    return sound, letters


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_busy_s_max)


def _check_soundness(db: sqlite3.Connection, path: Path, *, read: bool) -> Finding:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    if application != schema.application_id:
        finding = f"{path} is no record store of this program"
        return Finding("store", Verdict.FAILURE, finding, "name the right --home")
    if not read:
        finding = f"{path} is large and was not looked through"
        return Finding("store", Verdict.UNKNOWN, finding, "`--deep` reads all of it")
    faults = [text for (text,) in db.execute("PRAGMA quick_check(1)") if text != "ok"]
    if faults:
        return _damaged(path, faults[0])
    return Finding("store", Verdict.OK, f"{path}: read from end to end, and sound")


def _damaged(path: Path, how: str) -> Finding:
    advice = (
        "stop the agent and move the file away with its -wal and -shm; "
        "a new store fetches from the other nodes whatever they hold"
    )
    return Finding("store", Verdict.FAILURE, f"{path} is damaged: {how}", advice)


def _check_letters(db: sqlite3.Connection) -> Finding:
    count = dead_letters.count(db)
    if not count:
        return Finding("dead letters", Verdict.OK, "none: no record was ever refused")
    newest = dead_letters.newest(db, _letters_shown_max)
    reasons = "; ".join(dict.fromkeys(each.reason for each in newest))
    when = datetime.datetime.fromtimestamp(newest[0].seen_ms / 1000, datetime.UTC)
    finding = f"{count:,} refused, the last on {when:%Y-%m-%d %H:%M} UTC: {reasons}"
    advice = "if they go on coming, one box runs a faulty worker or another version: see its log"
    return Finding("dead letters", Verdict.WARNING, finding, advice)
