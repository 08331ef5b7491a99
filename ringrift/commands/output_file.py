"""Writes a file that the user named, or leaves the one that is there as it is."""

import errno
import os
import stat
from pathlib import Path

from ringrift.commands.common import new_id


def write_file(path: str, text: str) -> None:
    """Write a text to a path. Raises `OSError`, and then a file that was there is whole.

    The new file has the mode of the one before, and a symbolic link goes on pointing to it. What is
    no file, such as a pipe or a device, and what this program's own output goes to, is written to;
    so is a file in a folder that takes no new one, which a fault may leave half written.
    """
    if path.endswith(os.sep):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    data = text.encode()
    place = Path(os.path.realpath(path))
    try:
        before = os.stat(path)
    except FileNotFoundError:
        _replace(place, data, None)
        return
    ours = _ours(before)
    if ours is not None:  # not opened anew: what comes after goes on from the same offset
        _write(os.dup(ours), data)
    elif not stat.S_ISREG(before.st_mode):
        _write(os.open(path, os.O_WRONLY | os.O_APPEND), data)
    else:
        os.close(os.open(place, os.O_WRONLY))  # one that may not be written is not replaced either
        try:
            _replace(place, data, stat.S_IMODE(before.st_mode))
        except PermissionError:
            _write(os.open(place, os.O_WRONLY | os.O_TRUNC), data)


def _ours(file: os.stat_result) -> int | None:
    """Return the descriptor of stdout or stderr if it goes there, as to /dev/stdout, or None."""
    for ours in (1, 2):
        try:
            if os.path.samestat(file, os.fstat(ours)):
                return ours
        except OSError:
            continue  # closed
    return None


def _write(descriptor: int, data: bytes) -> None:
    with open(descriptor, "wb") as stream:
        stream.write(data)


def _replace(place: Path, data: bytes, mode: int | None) -> None:
    fresh = place.with_name(f".ringrift-{new_id(8).hex()}")
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, place)
    finally:
        fresh.unlink(missing_ok=True)
