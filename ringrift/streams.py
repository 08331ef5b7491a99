"""The standard streams of a program that may have been started without them, as by `>&-`."""

import contextlib
import errno
import io
import os
import sys

_no_stdout = "stdout is closed"


def open_stdin() -> io.FileIO:
    """Return stdin, unbuffered: a thread that waits in a buffered read would hold up the exit.

    Raises `OSError` if there is none.
    """
    try:
        return io.FileIO(0, closefd=False)
    except OSError as error:
        raise OSError(error.errno, "stdin is closed") from None


def need_stdout() -> None:
    """Raise `OSError` if there is no stdout."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, _no_stdout)


class _Closed(io.TextIOWrapper):
    def write(self, _text: str) -> int:
        raise OSError(errno.EBADF, _no_stdout)


def do_without_stdout() -> None:
    """If there is no stdout, raise `OSError` only once something is written to it."""
    if sys.stdout is None:
        sys.stdout = _Closed(open(os.devnull, "wb"))  # noqa: SIM115 - to the program's end


def speak_to_nobody() -> None:
    """If there is no stderr, let what is for a person go nowhere, and not to stdout."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - to the program's end


def give_up_stdout(error: OSError, complaint: str) -> None:
    """Close stdout, and say on stderr what the matter is, unless it is that its reader has gone."""
    if sys.stdout is not None:
        with contextlib.suppress(OSError):
            sys.stdout.close()  # or Python would try once more at exit, and complain
    speak_to_nobody()
    if not isinstance(error, BrokenPipeError):
        sys.stderr.write(f"{complaint}: {error.strerror or error}\n")
