"""What happened in a run, in lines that a person can read and a test can compare."""

import logging
from collections.abc import Callable

_name_width = 9


class Trace:
    """The lines so far: virtual time, who, what."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self.lines: list[str] = []
        self.faults: list[BaseException] = []
        """What agents logged as errors: bugs, or what a full disk leads to."""

    def add(self, who: str, what: str) -> None:
        """Add a line."""
        self.lines.append(f"{self._now_s():9.3f}  {who:<{_name_width}}  {what}")

    def logger(
        self, who: str, told: Callable[[str], str]
    ) -> tuple[logging.Logger, Callable[[], None]]:
        """Return the logger of one process, and what takes its voice away.

        It stands apart from the loggers of everybody else. See `Scribe` for `told`.
        """
        handler = Scribe(self, who, told)
        apart = logging.Manager(logging.RootLogger(logging.INFO))
        apart.root.addHandler(handler)
        return apart.getLogger("agent"), lambda: handler.setLevel(logging.CRITICAL + 1)


class Scribe(logging.Handler):
    """Adds what is logged to a trace, after `told` has taken out what differs from run to run."""

    def __init__(self, trace: Trace, who: str, told: Callable[[str], str]) -> None:
        super().__init__()
        self._trace = trace
        self._who = who
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            self._trace.faults += _leaves(error)
        elif record.levelno >= logging.ERROR:
            self._trace.faults.append(RuntimeError(record.getMessage()))
        source = record.name.rpartition(".")[2]
        level = "" if record.levelno == logging.INFO else f"{record.levelname}: "
        reason = f": {error!r}" if error is not None else ""
        text = f"{source}: {level}{record.getMessage()}{reason}"
        self._trace.add(self._who, self._told(text))


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
