"""Speaks to the agent that runs on this box, over its Unix socket. The verbs never ask a peer."""

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

answer_s_max = 5.0
"""How long the agent may take to begin its answer; what takes longer is told piece by piece."""

_silence_s_max = 30.0
"""How long it may be silent within its answer."""

_chunk_bytes = 65536


class NotRunning(RuntimeError):
    """No agent answers at this home."""


class AgentError(RuntimeError):
    """There is no answer to be had of an agent that seems to run; the message says why.

    `remedy` is what to do about it, and ends the message, or empty where that is not known.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"{reason}; {remedy}" if remedy else reason)
        self.reason = reason
        self.remedy = remedy


class BadRequest(AgentError):
    """The agent cannot make sense of what was asked; the message says why."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def be_patient(self, timeout_s: float) -> None:
        """Wait so long for the agent, from now on, whatever is waited for."""
        self._socket.settimeout(timeout_s)

    def connect(self) -> None:
        self.sock = self._socket
        self.sock.connect(str(self.path))

    def close(self) -> None:
        super().close()
        self._socket.close()


def ask(path: Path, method: str, target: str, timeout_s: float | None = None) -> Any:
    """Ask the agent behind the socket at `path` and return its answer.

    Raises `NotRunning`, or `AgentError`, also when it is silent for `timeout_s`: by default for
    `answer_s_max` before its answer, and for longer within it.
    """
    answer = b"".join(stream(path, method, target, timeout_s))
    try:
        return json.loads(answer)
    except ValueError:
        raise AgentError(f"what answers at {path} is no agent: it does not speak JSON") from None


def stream(path: Path, method: str, target: str, timeout_s: float | None = None) -> Iterator[bytes]:
    """Ask, and return the answer's body as it comes. Raises as `ask` does."""
    with contextlib.closing(_UnixConnection(path)) as connection:
        with _in_words(connection, timeout_s or answer_s_max):
            try:
                connection.request(method, target)
                response = connection.getresponse()
            except (ConnectionError, FileNotFoundError, NotADirectoryError) as error:
                raise NotRunning(f"no agent answers at {path}") from error
            if response.status != http.client.OK:
                kind = BadRequest if response.status == http.client.BAD_REQUEST else AgentError
                raise kind(response.read(_chunk_bytes).decode(errors="replace").strip())
        while chunk := _read(response, connection, timeout_s or _silence_s_max):
            yield chunk


def _read(
    response: http.client.HTTPResponse, connection: _UnixConnection, timeout_s: float
) -> bytes:
    with _in_words(connection, timeout_s):
        chunk = response.read(_chunk_bytes)
        if not chunk and response.length:
            # For a body of stated length, http.client takes an early end for the end.
            raise http.client.IncompleteRead(chunk, response.length)
        return chunk


@contextlib.contextmanager
def _in_words(connection: _UnixConnection, timeout_s: float) -> Iterator[None]:
    """Turn what the system says of a failed exchange into a sentence for the operator."""
    path = connection.path
    connection.be_patient(timeout_s)
    try:
        yield
    except PermissionError:
        raise AgentError(f"{path} is closed to this user", "ask as the agent's user") from None
    except TimeoutError:
        raise AgentError(
            f"the agent was silent for {timeout_s:.0f} s",
            "it may have been halted, as by Ctrl-Z (`fg` lets it go on), or have no time: see its "
            "log, or restart it",
        ) from None
    except (ConnectionError, http.client.HTTPException) as error:
        raise AgentError("the agent's answer broke off; it may have been stopped") from error
    except OSError as error:
        raise AgentError(f"cannot ask the agent at {path}: {error.strerror or error}") from error
