"""The log: for a person on a terminal, JSON lines for everything else. Always on stderr.

A line is formatted where it is logged and written by a thread of its own, so that a terminal or
pipe on which nobody reads makes neither the agent's event loop nor its exit wait.
"""

import contextlib
import datetime
import json
import logging
import logging.handlers
import os
import queue
from collections.abc import Iterator
from typing import Any

from ringrift.printable import printable

lines_max = 1000
"""How many lines may wait to be written; further ones are dropped and counted."""

_root = "ringrift"
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
    """The thread that writes what is queued.

    It goes around `sys.stderr` and logging's handlers, because both have locks, for which the
    interpreter would wait at its end if a write is stuck.
    """

    def __init__(
        self,
        lines: "queue.Queue[logging.LogRecord | None]",
        source: _Queueing,
        descriptor: int,
    ) -> None:
        super().__init__(lines)
        self._lines = lines
        self._source = source
        self._descriptor = descriptor
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
        dropped = self._source.take_dropped()
        if dropped:
            text = f"{dropped} lines of the log were dropped: it was read too slowly"
            self._write(self._source.format(_warning(text)))

    def _write(self, line: str) -> None:
        rest = f"{line}\n".encode()
        # Without a reader there is nobody to tell, and the agent does its work all the same.
        with contextlib.suppress(OSError):
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]


def _warning(text: str) -> logging.LogRecord:
    return logging.LogRecord(f"{_root}.log", logging.WARNING, __file__, 0, text, None, None)


@contextlib.contextmanager
def set_up(descriptor: int = _stderr) -> Iterator[logging.Logger]:
    """Send the log to a file descriptor; give the logger that all of the agent's descend from.

    In the end what still waits is written, unless that takes more than a moment.
    """
    lines: queue.Queue[logging.LogRecord | None] = queue.Queue(lines_max)
    handler = _Queueing(lines)
    handler.setFormatter(_Readable() if os.isatty(descriptor) else _Json())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in (_root, "transports"):
        logging.getLogger(name).setLevel(logging.INFO)
    writing = _Writing(lines, handler, descriptor)
    writing.start()
    try:
        yield logging.getLogger(_root)
    finally:
        logging.getLogger().removeHandler(handler)
        writing.stop()
