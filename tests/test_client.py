"""What the verbs make of an agent that answers badly or not at all."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ringrift import client

Serve = Callable[[socket.socket], None]


@contextlib.contextmanager
def agent(path: Path, serve: Serve) -> Iterator[None]:
    """Let `serve` treat the first connection to `path`."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.fspath(path))
        listening.listen()

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                serve(connection)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield
        finally:
            thread.join()


def sends(data: bytes) -> Serve:
    return lambda connection: connection.sendall(data)


def ok(body: bytes, length_bytes: int | None = None) -> bytes:
    length_bytes = len(body) if length_bytes is None else length_bytes
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (length_bytes, body)


def test_an_answer_is_decoded(tmp_path: Path) -> None:
    with agent(tmp_path / "s", sends(ok(b'{"paused": true}'))):
        assert client.ask(tmp_path / "s", "POST", "/v1/pause") == {"paused": True}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ok(b"{", 100), "broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "broke off"),
        (b"what?\r\n\r\n", "broke off"),
        (ok(b"<html>"), "does not speak JSON"),
        (ok(b"\xff"), "does not speak JSON"),
        (b"HTTP/1.1 400 Bad\r\nContent-Length: 3\r\n\r\nno!", "no!"),
    ],
)
def test_a_bad_answer_is_told_in_a_sentence(tmp_path: Path, answer: bytes, said: str) -> None:
    with agent(tmp_path / "s", sends(answer)), pytest.raises(client.AgentError, match=said):
        client.ask(tmp_path / "s", "GET", "/v1/status")


def test_an_agent_that_leaves_without_an_answer_does_not_run(tmp_path: Path) -> None:
    with agent(tmp_path / "s", sends(b"")), pytest.raises(client.NotRunning, match="no agent"):
        client.ask(tmp_path / "s", "GET", "/v1/status")


@pytest.mark.parametrize(
    ("said", "patience"), [(b"", "answer_s_max"), (ok(b"{", 100), "_silence_s_max")]
)
def test_an_agent_that_falls_silent_is_told_with_what_to_do(
    said: bytes, patience: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, patience, 0.05)
    asked = threading.Event()

    def stall(connection: socket.socket) -> None:
        with contextlib.suppress(BrokenPipeError):  # who asked may have given up before
            connection.sendall(said)
        asked.wait()

    with agent(tmp_path / "s", stall):
        try:
            with pytest.raises(
                client.AgentError, match=r"was silent for 0 s; .*Ctrl-Z.*restart"
            ) as told:
                client.ask(tmp_path / "s", "GET", "/v1/status")
        finally:
            asked.set()
    assert told.value.reason == "the agent was silent for 0 s"
    assert "restart" in told.value.remedy


@pytest.mark.parametrize(("given", "waits"), [(None, (5.0, 30.0)), (0.7, (0.7, 0.7))])
def test_an_answer_may_pause_for_longer_than_it_may_take_to_begin(
    given: float | None,
    waits: tuple[float, float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []
    be_patient = client._UnixConnection.be_patient

    def note(self: client._UnixConnection, timeout_s: float) -> None:
        waited.append(timeout_s)
        be_patient(self, timeout_s)

    monkeypatch.setattr(client._UnixConnection, "be_patient", note)
    with agent(tmp_path / "s", sends(ok(b"{}"))):
        client.ask(tmp_path / "s", "GET", "/v1/status", given)
    assert (waited[0], *set(waited[1:])) == waits


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (PermissionError(13, "Permission denied"), client.AgentError, "closed to this user; ask"),
        (ConnectionResetError(104, "reset"), client.NotRunning, "no agent answers"),
        (FileNotFoundError(2, "missing"), client.NotRunning, "no agent answers"),
        (OSError("AF_UNIX path too long"), client.AgentError, "path too long"),
    ],
)
def test_what_the_system_says_becomes_a_sentence(
    error: OSError, kind: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(_: object) -> None:
        raise error

    monkeypatch.setattr("ringrift.client._UnixConnection.connect", connect)
    with pytest.raises(kind, match=said):
        client.ask(Path("/s"), "GET", "/v1/status")


def test_an_error_tells_what_is_wrong_apart_from_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def connect(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("ringrift.client._UnixConnection.connect", connect)
    with pytest.raises(client.AgentError) as told:
        client.ask(Path("/s"), "GET", "/v1/status")
    assert told.value.reason == "/s is closed to this user"
    assert str(told.value) == f"{told.value.reason}; {told.value.remedy}"
    assert client.AgentError("it is slow; or not").reason == "it is slow; or not"


def test_a_connection_reset_within_the_body_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reset(*_: object) -> bytes:
        raise ConnectionResetError(104, "reset")

    monkeypatch.setattr("http.client.HTTPResponse.read", reset)
    answered = agent(tmp_path / "s", sends(ok(b"{}")))
    with answered, pytest.raises(client.AgentError, match="broke off"):
        client.ask(tmp_path / "s", "GET", "/v1/status")
