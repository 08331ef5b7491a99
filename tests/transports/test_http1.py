"""HTTP/1.1 as a server must take it from strangers: in virtual time, over streams in memory."""

import contextlib
from collections.abc import AsyncIterator

import h11
import pytest
import trio
import trio.testing

from p2p.identity.ids import NodeId
from tests.transports.harness import Source, for_ever, nothing
from transports.base import DeadlineExceeded, Handler, Incoming, Reply
from transports.http1 import Closing, Connection
from transports.limits import Limits

pytestmark = pytest.mark.anyio

limits = Limits()
peer_id = NodeId(bytes(16))


patience_s = 1e6
"""Virtual seconds that a test may take."""


@pytest.fixture
def clock() -> trio.testing.MockClock:
    """Time stands still, but where a test lets it pass, and where nobody can go on."""
    return trio.testing.MockClock(autojump_threshold=5)


@pytest.fixture
def anyio_backend(clock: trio.testing.MockClock) -> tuple[str, dict[str, object]]:
    return "trio", {"clock": clock}


class Peer:
    """The other end of a connection, which may send what it likes."""

    def __init__(self, stream: trio.abc.HalfCloseableStream, closing: Closing) -> None:
        self._stream = stream
        self.closing = closing
        self.heard = b""

    async def say(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def leave(self) -> None:
        await self._stream.aclose()

    async def hear_all(self) -> bytes:
        """Return everything up to the end of the connection."""
        await self._stream.send_eof()
        return await self.hear_to_end()

    async def hear_some(self) -> bytes:
        """Return what comes next; b"" at the end of the connection."""
        data = bytes(await self._stream.receive_some())
        self.heard += data
        return data

    async def hear_to_end(self) -> bytes:
        """Return everything that comes until the server hangs up."""
        while await self.hear_some():
            pass
        return self.heard

    async def hear(self, wanted: bytes) -> None:
        """Wait until `wanted` has been heard."""
        while wanted not in self.heard:
            assert await self.hear_some(), f"the server hung up after {self.heard!r}"


@contextlib.asynccontextmanager
async def connected(
    handler: Handler, limits: Limits = limits, *, in_lockstep: bool = False
) -> AsyncIterator[Peer]:
    """Serve one connection; in lockstep, nothing is sent but what is received."""
    pair = trio.testing.lockstep_stream_pair if in_lockstep else trio.testing.memory_stream_pair
    ours, theirs = pair()
    closing = Closing()

    async def serve() -> None:
        try:
            await Connection(theirs, peer_id, limits, closing).run(handler)
        finally:
            await trio.aclose_forcefully(theirs)

    with trio.fail_after(patience_s):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            yield Peer(ours, closing)
            nursery.cancel_scope.cancel()


async def echo(incoming: Incoming) -> Reply:
    return Reply(body=f"{incoming.path} ".encode() + await incoming.read(), content_type="x/y")


def request(path: str = "/", *headers: str, method: str = "POST", body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: x", *headers]
    if body:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def last(path: str = "/last") -> bytes:
    """Return a request after which the server hangs up."""
    return request(path, "connection: close")


def statuses(heard: bytes) -> list[int]:
    """Return the status of each answer; fail if one is cut short."""
    client = h11.Connection(h11.CLIENT)
    client.receive_data(heard)
    client.receive_data(b"")
    found = []
    while client.trailing_data[0]:
        if client.our_state is h11.IDLE:
            client.send(h11.Request(method="POST", target="/", headers=[("host", "x")]))
            client.send(h11.EndOfMessage())
        event = client.next_event()
        while not isinstance(event, h11.EndOfMessage):
            assert event is not h11.NEED_DATA
            if isinstance(event, h11.InformationalResponse | h11.Response):
                found.append(event.status_code)
            event = client.next_event()
        if client.our_state is h11.DONE and client.their_state is h11.DONE:
            client.start_next_cycle()
    return found


# What is understood


async def test_requests_that_come_together_are_answered_in_turn() -> None:
    async with connected(echo) as peer:
        await peer.say(request("/1", body=b"one") + request("/2", body=b"two") + last("/3"))
        heard = await peer.hear_to_end()
    assert statuses(heard) == [200, 200, 200]
    assert heard.index(b"/1 one") < heard.index(b"/2 two") < heard.index(b"/3 ")


async def test_a_request_may_come_byte_by_byte() -> None:
    async with connected(echo) as peer:
        for byte in request("/slow", body=b"body") + last():
            await peer.say(bytes([byte]))
        assert b"/slow body" in await peer.hear_to_end()


async def test_a_body_may_come_in_chunks() -> None:
    async with connected(echo) as peer:
        await peer.say(request("/", "transfer-encoding: chunked", "connection: close"))
        await peer.say(b"2\r\nab\r\n1;extension=ignored\r\nc\r\n0\r\ntrailer: ignored\r\n\r\n")
        assert b"/ abc" in await peer.hear_to_end()


async def test_a_query_is_read_apart_from_the_path() -> None:
    seen: list[Incoming] = []

    async def handler(incoming: Incoming) -> Reply:
        seen.append(incoming)
        return Reply()

    async with connected(handler) as peer:
        await peer.say(request("/v1/games?config=square8%202p&ids=", method="GET") + last())
        await peer.hear_to_end()
    assert seen[0].method == "GET"
    assert seen[0].path == "/v1/games"
    assert seen[0].query == {"config": "square8 2p", "ids": ""}
    assert seen[0].peer == peer_id


@pytest.mark.parametrize("streamed", [False, True])
async def test_head_is_answered_without_a_body(streamed: bool) -> None:
    source = Source(1)

    async def handler(incoming: Incoming) -> Reply:
        if incoming.path == "/last":
            return Reply(204)
        return Reply(body=source.body() if streamed else b"secret")

    async with connected(handler) as peer:
        await peer.say(request(method="HEAD") + last())
        heard = await peer.hear_to_end()
    assert heard.count(b"HTTP/1.1 ") == 2
    assert b"secret" not in heard
    assert source.taken_bytes == 0


async def test_a_body_is_asked_for_when_the_handler_wants_it() -> None:
    reading = trio.Event()

    async def handler(incoming: Incoming) -> Reply:
        if incoming.path == "/last":
            return Reply()
        await reading.wait()
        return await echo(incoming)

    async with connected(handler) as peer:
        await peer.say(request("/", "expect: 100-continue", "content-length: 4"))
        await trio.testing.wait_all_tasks_blocked()
        reading.set()
        await peer.hear(b"100 ")
        await peer.say(b"body" + last())
        heard = await peer.hear_to_end()
    assert statuses(heard) == [100, 200, 200]
    assert b"/ body" in heard


async def test_a_body_that_the_handler_does_not_want_is_not_asked_for() -> None:
    async with connected(nothing) as peer:
        await peer.say(request("/", "expect: 100-continue", "content-length: 4"))
        heard = await peer.hear_to_end()
    assert statuses(heard) == [200]
    assert b"connection: close" in heard


async def test_a_small_body_that_was_not_read_does_not_end_the_connection() -> None:
    async with connected(nothing) as peer:
        await peer.say(request("/", body=b"ignored") + last())
        assert statuses(await peer.hear_to_end()) == [200, 200]


@pytest.mark.parametrize("headers", [["content-length: 65537"], ["transfer-encoding: chunked"]])
async def test_a_large_body_that_was_not_read_ends_the_connection(headers: list[str]) -> None:
    async with connected(nothing) as peer:
        await peer.say(request("/", *headers))
        heard = await peer.hear_all()
    assert statuses(heard) == [200]
    assert b"connection: close" in heard


async def test_an_offer_to_speak_another_protocol_is_passed_over() -> None:
    async with connected(echo) as peer:
        await peer.say(request("/", "upgrade: websocket", "connection: upgrade") + b"\x88")
        await peer.hear(b"200 ")
        assert b"101 " not in await peer.hear_all()


async def test_an_old_client_is_answered_and_hung_up_on() -> None:
    async def handler(_: Incoming) -> Reply:
        return Reply(body=Source(1).body())

    async with connected(handler) as peer:
        await peer.say(b"GET / HTTP/1.0\r\n\r\n")
        heard = await peer.hear_to_end()
    assert b"chunked" not in heard
    assert statuses(heard) == [200]


# What is not


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n", 400),
        (b"hello\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nhost: x\r\n\r\n", 505),
        (request("*", method="GET"), 400),
        (request("http://x/y", method="GET"), 400),
        (request("/", "host: y"), 400),
        (request("/", "no colon"), 400),
        (request("/", "content-length: 1", "content-length: 2"), 400),
        (request("/", "content-length: -1"), 400),
        (request("/", "content-length: 99999999999999999999999"), 400),
        (request("/", "transfer-encoding: gzip"), 501),
        (request("/", method="DELETE"), 501),
        (request("/", method="CONNECT"), 501),
        (request("/?" + "&".join(f"f{n}=1" for n in range(33))), 400),
        (request("/" + "x" * limits.head_bytes_max), 431),
        (request("/", "x: " + "x" * limits.head_bytes_max), 431),
        (request("/", *(f"x{n}: x" for n in range(limits.head_bytes_max // 6))), 431),
        (b"POST / HTTP/1.1\r\nx: " + b"x" * 2 * limits.head_bytes_max, 431),
        (request("/", "transfer-encoding: chunked") + b"zz\r\n", 400),
        (request("/", "transfer-encoding: chunked") + b"f" * 2 * limits.head_bytes_max, 400),
        (request("/", "content-length: 65537"), 413),
        (request("/", "transfer-encoding: chunked") + b"10001\r\n" + bytes(65537), 413),
    ],
)
async def test_what_cannot_be_served_is_answered_in_a_line_and_ends_the_connection(
    said: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(echo) as peer:
        await peer.say(said + last("/after"))
        heard = await peer.hear_all()
    assert statuses(heard) == [status]
    head, _, body = heard.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert b"text/plain" in head
    assert body.endswith(b"\n")
    assert body.count(b"\n") == 1
    assert not caplog.records


async def test_a_head_without_end_is_not_collected() -> None:
    async with connected(echo) as peer:
        await peer.say(b"POST / HTTP/1.1\r\nx: " + b"x" * (limits.head_bytes_max + 1))
        await peer.hear(b"HTTP/1.1 431 ")


async def test_a_body_that_breaks_off_is_not_answered_as_if_whole() -> None:
    async with connected(echo) as peer:
        await peer.say(request("/", "content-length: 4") + b"bod")
        assert statuses(await peer.hear_all()) == [400]


# Time


async def test_who_says_nothing_is_hung_up_on_without_a_word(
    clock: trio.testing.MockClock,
) -> None:
    async with connected(nothing) as peer:
        await passing(clock, limits.first_byte_s)
        assert await peer.hear_to_end() == b""


async def test_an_idle_connection_is_kept_for_a_while(clock: trio.testing.MockClock) -> None:
    async with connected(nothing) as peer:
        await peer.say(request())
        await peer.hear(b"200 ")
        await passing(clock, limits.idle_s - 1)
        await peer.say(request())
        await peer.hear(b"200 ")
        await passing(clock, limits.idle_s)
        assert statuses(await peer.hear_to_end()) == [200, 200]


async def test_a_head_that_trickles_is_refused(clock: trio.testing.MockClock) -> None:
    async with connected(nothing) as peer:
        for byte in request()[: int(limits.head_s)]:
            await peer.say(bytes([byte]))
            await passing(clock, 1)
        assert statuses(await peer.hear_all()) == [408]


async def test_a_body_that_stalls_is_refused(clock: trio.testing.MockClock) -> None:
    failures: list[Exception] = []

    async def handler(incoming: Incoming) -> Reply:
        try:
            return await echo(incoming)
        except DeadlineExceeded as error:
            failures.append(error)
            raise

    async with connected(handler) as peer:
        await peer.say(request("/", "content-length: 3"))
        for byte in b"bo":
            await passing(clock, limits.stall_s - 1)
            await peer.say(bytes([byte]))
        await passing(clock, limits.stall_s)
        assert statuses(await peer.hear_all()) == [408]
    assert failures


async def test_a_handler_that_never_answers_is_given_up(clock: trio.testing.MockClock) -> None:
    async with connected(for_ever) as peer:
        await peer.say(request())
        await passing(clock, limits.request_s)
        assert statuses(await peer.hear_all()) == [503]


async def test_a_peer_that_takes_nothing_of_its_answer_is_dropped(
    clock: trio.testing.MockClock,
) -> None:
    source = Source()

    async def handler(_: Incoming) -> Reply:
        return Reply(body=source.body())

    async with connected(handler, in_lockstep=True) as peer:
        await peer.say(request())
        await peer.hear(b"\r\n\r\n")
        await passing(clock, limits.stall_s)
        await source.closed.wait()
    assert source.taken_bytes < 1 << 20


async def test_a_peer_that_takes_an_answer_for_ever_is_dropped(
    clock: trio.testing.MockClock,
) -> None:
    source = Source()

    async def handler(_: Incoming) -> Reply:
        return Reply(body=source.body())

    async with connected(handler, in_lockstep=True) as peer:
        await peer.say(request())
        taken_s = 0.0
        while not source.closed.is_set():
            await peer.hear_some()
            await passing(clock, limits.stall_s - 1)
            taken_s += limits.stall_s - 1
        assert taken_s < limits.request_s + limits.stall_s


async def passing(clock: trio.testing.MockClock, seconds: float) -> None:
    """Let time pass, once everybody waits."""
    await trio.testing.wait_all_tasks_blocked()
    clock.jump(seconds)
    await trio.testing.wait_all_tasks_blocked()


# The end


async def test_closing_cuts_off_who_waits_and_lets_who_works_finish() -> None:
    go_on = trio.Event()

    async def handler(incoming: Incoming) -> Reply:
        if incoming.path == "/work":
            await go_on.wait()
        return Reply(body=b"done")

    async with connected(handler) as idle, connected(handler) as working:
        await idle.say(request())
        await idle.hear(b"done")
        await working.say(request("/work"))
        await trio.testing.wait_all_tasks_blocked()
        idle.closing.begin()
        working.closing.begin()
        assert statuses(await idle.hear_to_end()) == [200]
        go_on.set()
        heard = await working.hear_to_end()
        assert b"connection: close" in heard
        assert b"done" in heard
