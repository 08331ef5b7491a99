"""The log: for a person on a terminal, JSON lines for everything else. On stderr, and in a file.

A line is formatted where it is logged and written by a thread of its own, one for stderr and one
for the file, so that a terminal on which nobody reads and a disk that is stuck make neither the
agent's event loop nor its exit wait, nor each other.
"""

import contextlib
import datetime
import functools
import json
import logging
import logging.handlers
import os
import queue
from collections.abc import Callable, Iterator
from typing import Any

from ringrift.log_file import LogFile, write_all
from ringrift.printable import counted, printable

lines_max = 1000
"""How many lines may wait to be written; further ones are dropped and counted."""

_root = "ringrift"
_name = f"{_root}.log"
_stderr = 2
_flush_s_max = 1.0


class _Readable(logging.Formatter):
    """`07:31:02 sync_planner: took 12 records from laptop`."""

    def format(self, record: logging.LogRecord) -> str:
        when = _time(record).astimezone().strftime("%H:%M:%S")
        source = record.name.removeprefix(f"{_root}.")
        level = "" if record.levelno <= logging.INFO else f" {record.levelname.lower()}:"
        lines = [f"{when}{level} {source}: {record.getMessage()}"]
        if record.exc_info:
            lines += self.formatException(record.exc_info).split("\n")
        return "\n".join(map(printable, lines))


class _Json(logging.Formatter):
    """One object a line: time, level, source, message, and a traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": _time(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "source": record.name.removeprefix(f"{_root}."),
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def _time(record: logging.LogRecord) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(record.created, datetime.UTC)


class _Queueing(logging.handlers.QueueHandler):
    """Formats a line and queues it, or drops it where there is no room."""

    def __init__(self, lines: "queue.Queue[logging.LogRecord | None]") -> None:
        super().__init__(lines)
        self._lines = lines
        self._dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self._lines.put_nowait(record)
        except queue.Full:
            self._dropped += 1  # `Handler.handle` holds the lock

    def take_dropped(self) -> int:
        """Return how many lines have been dropped since the last time."""
        self.acquire()
        try:
            dropped, self._dropped = self._dropped, 0
            return dropped
        finally:
            self.release()


class _Writing(logging.handlers.QueueListener):
    """The thread that writes to one place what is queued for it.

    It goes around `sys.stderr` and logging's handlers, because both have locks, for which the
    interpreter would wait at its end if a write is stuck.
    """

    def __init__(
        self,
        formatter: logging.Formatter,
        write: Callable[[bytes], None],
        failed: Callable[[OSError], None],
    ) -> None:
        """`write` raises `OSError`; `failed` hears of it once, until a line is written again."""
        self._lines: queue.Queue[logging.LogRecord | None] = queue.Queue(lines_max)
        super().__init__(self._lines)
        self.source = _Queueing(self._lines)
        self.source.setFormatter(formatter)
        self._write_line = write
        self._failed = failed
        self._lost = 0
        self._ended: queue.SimpleQueue[None] = queue.SimpleQueue()

    def dequeue(self, block: bool) -> Any:
        record = self._lines.get(block)
        if record is None:
            self._tell_dropped()
            self._ended.put(None)
        return record

    def handle(self, record: logging.LogRecord) -> None:
        self._write(record.getMessage())
        if self._lines.empty():
            self._tell_dropped()

    def stop(self) -> None:
        """Let what is queued be written, if that is soon done."""
        with contextlib.suppress(queue.Full, queue.Empty):
            self._lines.put(None, timeout=_flush_s_max)
            self._ended.get(timeout=_flush_s_max)

    def _tell_dropped(self) -> None:
        dropped = self.source.take_dropped()
        if dropped:
            text = f"dropped {counted(dropped, 'line')} of the log: it was read too slowly"
            self._write(self._warning(text))

    def _write(self, line: str) -> None:
        """Write a line; where that fails, the agent does its work all the same."""
        try:
            if self._lost:
                text = f"could not write {counted(self._lost, 'line')} of the log here"
                self._write_line(f"{self._warning(text)}\n".encode())
                self._lost = 0
            self._write_line(f"{line}\n".encode())
        except OSError as error:
            self._lost += 1
            if self._lost == 1:
                self._failed(error)

    def _warning(self, text: str) -> str:
        record = logging.LogRecord(_name, logging.WARNING, __file__, 0, text, None, None)
        return self.source.format(record)


@contextlib.contextmanager
def set_up(descriptor: int = _stderr, file: LogFile | None = None) -> Iterator[logging.Logger]:
    """Send the log to a file descriptor, and to a file as JSON lines.

    Gives the logger that all of the agent's descend from. In the end what still waits is written,
    unless that takes more than a moment.
    """
    readable = os.isatty(descriptor)
    write = functools.partial(write_all, descriptor)
    places = [_Writing(_Readable() if readable else _Json(), write, _told_nobody)]
    if file is not None:
        places.append(_Writing(_Json(), file.write, _told_elsewhere(file)))
    logging.basicConfig(
        handlers=[each.source for each in places], level=logging.WARNING, force=True
    )
    for name in (_root, "transports"):
        logging.getLogger(name).setLevel(logging.INFO)
    for each in places:
        each.start()
    try:
        yield logging.getLogger(_root)
    finally:
        for each in reversed(places):  # stderr last, for it is told of a file that fails
            each.stop()
            logging.getLogger().removeHandler(each.source)


def _told_nobody(_error: OSError) -> None:
    """Without a reader on stderr there is nobody to tell."""


def _told_elsewhere(file: LogFile) -> Callable[[OSError], None]:
    def warn(error: OSError) -> None:
        logging.getLogger(_name).warning("cannot write to %s: %s", file.path, error.strerror)

    return warn
