"""A log file of bounded size: when it is full it becomes FILE.1, the former FILE.1 FILE.2, ..."""

import os
import stat
from pathlib import Path

file_bytes_max = 10 * 2**20
kept_max = 5
"""How many full files are kept beside the one that is written."""

_mode = 0o600
_flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
"""Read too, to look for a line that broke off; and so that no pipe makes us wait."""


class CannotOpenLog(ValueError):
    """There is no writing to the log file; the message says why."""


class LogFile:
    """Appends lines to a file, and follows its path if another program moves the file away.

    Another program may as well truncate it, and two agents may write to one file. It is closed only
    with the process: a write that is stuck must not end in a file that was opened since.
    """

    def __init__(self, path: Path) -> None:
        """Raises `CannotOpenLog`."""
        self.path = path.absolute()
        try:
            self._descriptor = self._open()
        except OSError as error:
            raise CannotOpenLog(f"cannot write the log to {self.path}: {error.strerror}") from None
        if not os.access(self.path.parent, os.W_OK):
            os.close(self._descriptor)
            raise CannotOpenLog(
                f"cannot keep the log in {self.path.parent}, which is closed to this user: "
                "no full file could be put aside there"
            )

    def write(self, line: bytes) -> None:
        """Append a line. Raises `OSError`, and may have written a part of it."""
        status = self._follow()
        if status.st_size and status.st_size + len(line) > file_bytes_max:
            self._put_aside()
            status = self._follow()
        if status.st_size and os.pread(self._descriptor, 1, status.st_size - 1) != b"\n":
            line = b"\n" + line
        write_all(self._descriptor, line)

    def _open(self) -> int:
        descriptor = os.open(self.path, _flags, _mode)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
        raise OSError(0, "it is no ordinary file")

    def _follow(self) -> os.stat_result:
        """Open the file anew unless it still is what its path names."""
        held = os.fstat(self._descriptor)
        try:
            if os.path.samestat(held, os.stat(self.path)):
                return held
        except FileNotFoundError:
            pass  # it was moved away, and nothing was put in its place
        descriptor = self._open()
        os.close(self._descriptor)
        self._descriptor = descriptor
        return os.fstat(descriptor)

    def _put_aside(self) -> None:
        """Rename the files, each to the next number, as far as there is no gap."""
        names = [self.path, *(Path(f"{self.path}.{each}") for each in range(1, kept_max + 1))]
        held = next((place for place, name in enumerate(names) if not name.exists()), kept_max)
        for place in reversed(range(held)):
            names[place].replace(names[place + 1])


def write_all(descriptor: int, data: bytes) -> None:
    """Write to a file descriptor. Raises `OSError`, and may have written a part."""
    while data:
        data = data[os.write(descriptor, data) :]
