"""Speaks to the agent that runs on this box, over its Unix socket. The verbs never ask a peer."""

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_timeout_s = 30.0
_chunk_bytes = 65536


class NotRunning(RuntimeError):
    """No agent answers at this home."""


class AgentError(RuntimeError):
    """There is no answer to be had of an agent that seems to run; the message says why."""


class BadRequest(AgentError):
    """The agent cannot make sense of what was asked; the message says why."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost")
        self.path = path
        self.timeout_s = timeout_s

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout_s)
        self.sock.connect(str(self.path))


def ask(path: Path, method: str, target: str, timeout_s: float | None = None) -> Any:
    """Ask the agent behind the socket at `path` and return its answer.

    Raises `NotRunning`, or `AgentError`, also when it is silent for `timeout_s`.
    """
    answer = b"".join(stream(path, method, target, timeout_s))
    try:
        return json.loads(answer)
    except ValueError:
        raise AgentError(f"what answers at {path} is no agent: it does not speak JSON") from None


def stream(path: Path, method: str, target: str, timeout_s: float | None = None) -> Iterator[bytes]:
    """Ask, and return the answer's body as it comes. Raises as `ask` does."""
    timeout_s = _timeout_s if timeout_s is None else timeout_s
    with contextlib.closing(_UnixConnection(path, timeout_s)) as connection:
        with _in_words(connection):
            try:
                connection.request(method, target)
                response = connection.getresponse()
            except (ConnectionError, FileNotFoundError, NotADirectoryError) as error:
                raise NotRunning(f"no agent answers at {path}") from error
            if response.status != http.client.OK:
                kind = BadRequest if response.status == http.client.BAD_REQUEST else AgentError
                raise kind(response.read(_chunk_bytes).decode(errors="replace").strip())
        while chunk := _read(response, connection):
            yield chunk


def _read(response: http.client.HTTPResponse, connection: _UnixConnection) -> bytes:
    with _in_words(connection):
        chunk = response.read(_chunk_bytes)
        if not chunk and response.length:
            # For a body of stated length, http.client takes an early end for the end.
            raise http.client.IncompleteRead(chunk, response.length)
        return chunk


@contextlib.contextmanager
def _in_words(connection: _UnixConnection) -> Iterator[None]:
    """Turn what the system says of a failed exchange into a sentence for the operator."""
    path = connection.path
    try:
        yield
    except PermissionError:
        raise AgentError(f"{path} is closed to this user: ask as the user of the agent") from None
    except TimeoutError:
        raise AgentError(f"the agent did not answer within {connection.timeout_s:.0f} s") from None
    except (ConnectionError, http.client.HTTPException) as error:
        raise AgentError("the agent's answer broke off; it may have been stopped") from error
    except OSError as error:
        raise AgentError(f"cannot ask the agent at {path}: {error.strerror or error}") from error
