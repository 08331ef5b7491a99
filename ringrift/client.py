"""Speaks to the agent that runs on this box, over its Unix socket. The verbs never ask a peer."""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_timeout_s = 30.0


class NotRunning(RuntimeError):
    """No agent answers at this home."""


class AgentError(RuntimeError):
    """The agent answered that it cannot; the message is its own."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_timeout_s)
        self.sock.connect(str(self._path))


def ask(path: Path, method: str, target: str) -> Any:
    """Ask the agent behind the socket at `path` and return its answer.

    Raises `NotRunning` or `AgentError`.
    """
    return json.loads(b"".join(stream(path, method, target)))


def stream(path: Path, method: str, target: str) -> Iterator[bytes]:
    """Ask, and return the answer's body as it comes. Raises `NotRunning` or `AgentError`."""
    connection = _UnixConnection(path)
    try:
        try:
            connection.request(method, target)
            response = connection.getresponse()
        except (ConnectionError, FileNotFoundError) as error:
            raise NotRunning(f"no agent answers at {path}") from error
        except TimeoutError:
            raise AgentError(f"the agent did not answer within {_timeout_s:.0f} s") from None
        if response.status != http.client.OK:
            raise AgentError(response.read(65536).decode(errors="replace").strip())
        while chunk := response.read(65536):
            yield chunk
    finally:
        connection.close()
