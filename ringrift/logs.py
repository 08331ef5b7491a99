"""The log: for a person on a terminal, JSON lines for everything else. Always on stderr."""

import datetime
import json
import logging
import sys
from typing import TextIO

_root = "ringrift"


class _Readable(logging.Formatter):
    """`07:31:02 sync_planner: took 12 records from laptop`."""

    def format(self, record: logging.LogRecord) -> str:
        when = _time(record).astimezone().strftime("%H:%M:%S")
        source = record.name.removeprefix(f"{_root}.")
        level = "" if record.levelno <= logging.INFO else f" {record.levelname.lower()}:"
        text = f"{when}{level} {source}: {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


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


def set_up(stream: TextIO = sys.stderr) -> logging.Logger:
    """Send the agent's log to `stream` and return the logger that all others descend from."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Readable() if stream.isatty() else _Json())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in (_root, "transports"):
        logging.getLogger(name).setLevel(logging.INFO)
    return logging.getLogger(_root)
