"""A server and its many connections, on sockets: who gets in, how many, and how it ends."""

import contextlib
import errno
import http.client
import logging
import os
import pathlib
import socket
import stat
from collections.abc import AsyncIterator, Callable

import pytest
import trio
import trio.testing

from p2p.identity.ids import NodeId
from tests.transports.harness import Source, for_ever, long_s, nothing, patient
from transports import pools
from transports.base import Address, Handler, Incoming, Interrupted, Refused, Reply
from transports.limits import Limits
from transports.listeners import bound_address, open_tcp, open_unix
from transports.server import Admit, Admitted, Server, admit_operator, serve_unix

pytestmark = pytest.mark.anyio

ping = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


@contextlib.asynccontextmanager
async def running(
    server: Server,
) -> AsyncIterator[tuple[Address, Callable[[], None], trio.Event]]:
    """Serve on loopback, without TLS; yield where, what stops it, and what tells of its end."""
    listeners = await open_tcp(Address("127.0.0.1", 0))
    serving = trio.CancelScope()
    ended = trio.Event()

    async def serve(*, task_status: trio.TaskStatus[None]) -> None:
        with serving:
            await server.serve(listeners, task_status=task_status)
        ended.set()

    with trio.fail_after(long_s):
        async with trio.open_nursery() as nursery:
            await nursery.start(serve)
            yield bound_address(listeners[0]), serving.cancel, ended
            serving.cancel()


@contextlib.asynccontextmanager
async def serving(
    handler: Handler, admit: Admit = admit_operator, limits: Limits | None = None
) -> AsyncIterator[Address]:
    """Serve to the end of the test."""
    server = Server(handler, admit, limits or Limits(grace_s=0.1))
    async with running(server) as (address, _, _):
        yield address


async def connect(address: Address) -> trio.SocketStream:
    return await trio.open_tcp_stream(address.host, address.port)


async def hear(stream: trio.SocketStream, wanted: bytes) -> bytes:
    """Return what comes, up to `wanted` or the end."""
    heard = b""
    with contextlib.suppress(trio.BrokenResourceError):
        while wanted not in heard and (data := await stream.receive_some()):
            heard += data
    return heard


async def status(stream: trio.SocketStream) -> int:
    """Ask for anything and return the status of the answer."""
    await stream.send_all(ping)
    heard = await hear(stream, b"\r\n\r\n")
    return int(heard.split()[1])


async def to_end(stream: trio.SocketStream) -> bytes:
    """Return everything that comes until the server hangs up."""
    return await hear(stream, b"never said")


# The operator's socket


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "agent.sock"


@contextlib.asynccontextmanager
async def serving_operator(path: pathlib.Path, handler: Handler) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_unix, path, handler)
        yield
        nursery.cancel_scope.cancel()


async def test_only_the_owner_can_open_the_operators_socket(path: pathlib.Path) -> None:
    async with serving_operator(path, nothing):
        mode = os.lstat(path).st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert path.name not in os.listdir(path.parent)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: pathlib.Path) -> None:
        super().__init__("localhost", timeout=long_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


async def test_the_operator_is_nobodys_peer_and_may_ask_with_any_http_client(
    path: pathlib.Path,
) -> None:
    async def handler(incoming: Incoming) -> Reply:
        assert incoming.peer is None
        return Reply(body=incoming.query["config"].encode(), content_type="text/plain")

    def ask() -> tuple[str | None, bytes]:
        with contextlib.closing(UnixConnection(path)) as connection:
            connection.request("GET", "/v1/games?config=square8")
            response = connection.getresponse()
            return response.getheader("content-type"), response.read()

    async with serving_operator(path, handler):
        assert await trio.to_thread.run_sync(ask) == ("text/plain", b"square8")


async def test_the_socket_of_a_dead_process_is_replaced(path: pathlib.Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with serving_operator(path, nothing), await trio.open_unix_socket(path) as stream:
        assert await status(stream) == 200


async def test_the_socket_of_a_living_process_is_left_alone(path: pathlib.Path) -> None:
    async with serving_operator(path, nothing):
        with pytest.raises(OSError, match="in use") as caught:
            await serve_unix(path, nothing)
        assert caught.value.errno == errno.EADDRINUSE
        async with await trio.open_unix_socket(path) as stream:
            assert await status(stream) == 200


async def briefly(path: pathlib.Path) -> None:
    with trio.fail_after(long_s):
        await serve_unix(path, nothing)


def test_a_file_in_the_sockets_place_is_left_alone(path: pathlib.Path) -> None:
    path.write_text("precious")
    with pytest.raises(OSError, match="in use"):
        trio.run(briefly, path)
    assert path.read_text() == "precious"


@pytest.mark.parametrize("name", ["missing/agent.sock", "x" * 200])
async def test_a_socket_that_cannot_be_made_is_said_to_be(path: pathlib.Path, name: str) -> None:
    with pytest.raises(OSError, match=r"No such file|too long"):
        await serve_unix(path.parent / name, nothing)


# Listening


async def test_one_listener_serves_both_versions_of_ip() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this box has no IPv6")
    (listener,) = await open_tcp(Address("::", 0))
    async with listener:
        port = bound_address(listener).port
        for host in ["127.0.0.1", "::1"]:
            await (await trio.open_tcp_stream(host, port)).aclose()


async def test_loopback_is_not_heard_elsewhere() -> None:
    (listener,) = await open_tcp(Address("127.0.0.1", 0))
    async with listener:
        address = bound_address(listener)
        assert address.host == "127.0.0.1"
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.2", address.port)


async def test_a_port_that_is_taken_is_said_to_be() -> None:
    (listener,) = await open_tcp(Address("127.0.0.1", 0))
    async with listener:
        with pytest.raises(OSError, match="in use") as caught:
            await open_tcp(bound_address(listener))
        assert caught.value.errno == errno.EADDRINUSE


# How many


async def test_one_connection_too_many_is_told_so_and_there_is_room_again_afterwards() -> None:
    async with serving(nothing, limits=Limits(connections_max=2)) as address:
        async with await connect(address) as one, await connect(address) as two:
            assert (await status(one), await status(two)) == (200, 200)
            async with await connect(address) as three:
                assert await status(three) == 503
                await to_end(three)
        await until_served(address)


async def until_served(address: Address) -> None:
    """Ask again until the server has noticed who has left."""
    while True:
        async with await connect(address) as stream:
            if await status(stream) == 200:
                return


async def test_one_peer_cannot_take_every_place() -> None:
    ids = iter([NodeId(b"a" * 16), NodeId(b"a" * 16), NodeId(b"b" * 16)])

    async def admit(socket: trio.SocketStream) -> Admitted:
        return Admitted(socket, next(ids))

    limits = Limits(connections_per_peer_max=1, dialled_per_peer_max=1)
    async with (
        serving(nothing, admit, limits) as address,
        await connect(address) as one,
        await connect(address) as two,
        await connect(address) as other,
    ):
        assert await status(one) == 200
        assert await status(two) == 503
        assert await status(other) == 200


async def test_a_flood_of_connections_is_cut_off() -> None:
    limits = Limits(connections_max=1, handshakes_max=1)
    async with (
        serving(nothing, limits=limits) as address,
        await connect(address) as one,
        await connect(address) as two,
    ):
        assert (await status(one), await status(two)) == (200, 503)
        async with await connect(address) as three:
            await three.send_all(ping)
            assert await to_end(three) == b""


async def test_strangers_who_say_nothing_make_room_for_the_next() -> None:
    arrived: list[trio.SocketStream] = []

    async def admit(socket: trio.SocketStream) -> Admitted:
        arrived.append(socket)
        if len(arrived) < 3:
            await trio.sleep_forever()
        return Admitted(socket, None)

    async with (
        serving(nothing, admit, Limits(handshakes_max=2, handshake_s=1e6)) as address,
        await connect(address) as oldest,
        await connect(address),
        await connect(address) as member,
    ):
        assert await status(member) == 200
        assert await to_end(oldest) == b""


async def test_who_does_not_prove_who_he_is_in_time_is_hung_up_on() -> None:
    async def admit(_: trio.SocketStream) -> Admitted:
        await trio.sleep_forever()
        raise AssertionError

    async with (
        serving(nothing, admit, Limits(handshake_s=0.01)) as address,
        await connect(address) as stranger,
    ):
        assert await to_end(stranger) == b""


# Who


async def test_who_is_not_welcome_is_told_why_and_nothing_else() -> None:
    async def handler(_: Incoming) -> Reply:
        raise AssertionError

    async def admit(socket: trio.SocketStream) -> Admitted:
        return Admitted(socket, None, "your certificate bears another name")

    async with serving(handler, admit) as address, await connect(address) as stream:
        await stream.send_all(ping + ping)
        heard = await to_end(stream)
    assert heard.startswith(b"HTTP/1.1 403 ")
    assert heard.count(b"HTTP/1.1") == 1
    assert heard.endswith(b"your certificate bears another name\n")


@pytest.mark.parametrize("error", [Refused("foreign"), Interrupted("gone")])
async def test_who_is_not_let_in_hears_nothing(error: Exception) -> None:
    async def admit(_: trio.SocketStream) -> Admitted:
        raise error

    async with serving(nothing, admit) as address, await connect(address) as stream:
        assert await to_end(stream) == b""


async def test_who_is_not_let_in_is_logged_by_its_address(
    path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def admit(_: trio.SocketStream) -> Admitted:
        raise Refused("foreign")

    async with serving(nothing, admit) as address, await connect(address) as stream:
        host, port = stream.socket.getsockname()
        assert await to_end(stream) == b""
    async with open_unix(path) as listener, trio.open_nursery() as nursery:
        server = Server(nothing, admit, Limits(grace_s=0.1))
        await nursery.start(server.serve, [listener])
        async with await trio.open_unix_socket(path) as stream:
            assert await to_end(stream) == b""
        nursery.cancel_scope.cancel()
    assert caplog.messages == [
        f"refused {Address(host, port)}: foreign",
        "refused the operator: foreign",
    ]


async def test_a_bug_in_one_connection_ends_it_alone(caplog: pytest.LogCaptureFixture) -> None:
    visits = 0

    async def admit(socket: trio.SocketStream) -> Admitted:
        nonlocal visits
        visits += 1
        if visits == 1:
            raise KeyError("bug")
        return Admitted(socket, None)

    async with serving(nothing, admit) as address:
        async with await connect(address) as first:
            assert await to_end(first) == b""
        async with await connect(address) as second:
            assert await status(second) == 200
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is KeyError


# The end


async def test_only_who_works_can_hold_up_the_end() -> None:
    working = trio.Event()
    go_on = trio.Event()

    async def handler(incoming: Incoming) -> Reply:
        if incoming.path == "/work":
            working.set()
            await go_on.wait()
        return Reply(body=b"done")

    async def admit(socket: trio.SocketStream) -> Admitted:
        if await socket.receive_some(1) == b"!":
            await trio.sleep_forever()
        return Admitted(socket, None)

    async with (
        running(Server(handler, admit, Limits(grace_s=long_s / 2))) as (address, stop, ended),
        await connect(address) as idle,
        await connect(address) as unknown,
        await connect(address) as worker,
    ):
        await idle.send_all(b"?" + ping)
        await hear(idle, b"done")
        await unknown.send_all(b"!")
        await worker.send_all(b"?GET /work HTTP/1.1\r\nhost: x\r\n\r\n")
        await working.wait()
        stop()
        with trio.fail_after(long_s / 4):
            assert (await to_end(idle), await to_end(unknown)) == (b"", b"")
        assert not ended.is_set()
        go_on.set()
        assert (await to_end(worker)).endswith(b"done")
        await worker.aclose()
        await ended.wait()


def test_the_moments_of_the_end_add_up_to_the_two_seconds_promised() -> None:
    assert Limits().grace_s + pools._farewell_s <= 2


async def test_whatever_strangers_do_the_server_ends_after_a_moment() -> None:
    busy: set[str] = set()
    all_busy = trio.Event()

    async def admit(socket: trio.SocketStream) -> Admitted:
        peeked = await socket.receive_some(1)
        if peeked == b"!":
            note("handshake")
            await trio.sleep_forever()
        return Admitted(socket, None)

    def note(what: str) -> None:
        busy.add(what)
        if len(busy) == 4:
            all_busy.set()

    async def handler(incoming: Incoming) -> Reply:
        note(incoming.path)
        if incoming.path == "/body":
            async for _ in incoming.chunks(1 << 40):
                pass
        if incoming.path == "/download":
            return Reply(body=Source(800).body())
        return await for_ever(incoming)

    async def send_for_ever(stream: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            await stream.send_all(b"?POST /body HTTP/1.1\r\nhost: x\r\n")
            await stream.send_all(b"content-length: 1000000000000\r\n\r\n")
            while True:
                await stream.send_all(bytes(1 << 16))

    async with (
        running(Server(handler, admit, patient)) as (address, stop, ended),
        contextlib.AsyncExitStack() as streams,
        trio.open_nursery() as nursery,
    ):

        async def visit(said: bytes) -> trio.SocketStream:
            stream = await streams.enter_async_context(await connect(address))
            await stream.send_all(said)
            return stream

        await visit(b"!")
        await visit(b"?GET /download HTTP/1.1\r\nhost: x\r\n\r\n")
        await visit(b"?GET /stuck HTTP/1.1\r\nhost: x\r\n\r\n")
        await visit(b"?" + ping[:10])
        nursery.start_soon(send_for_ever, await visit(b""))
        await all_busy.wait()
        stop()
        await ended.wait()
