"""HTTPS between nodes: the contract, and what only real sockets and real TLS can show."""

import contextlib
import dataclasses
import errno
import gc
import logging
import pathlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

import pytest
import trio

from p2p.identity.ids import NodeId, mesh_name, node_name
from tests.transports.contract import TransportContract
from tests.transports.harness import (
    Network,
    Node,
    Source,
    bulk_bytes,
    long_s,
    nothing,
    patient,
)
from tests.transports.meshes import Cheat, Member, Mesh
from transports.base import (
    Address,
    BadAnswer,
    Handler,
    Incoming,
    Interrupted,
    Refused,
    Reply,
    Transport,
    TransportError,
    Unreachable,
)
from transports.dial import Dialler
from transports.https import HttpsTransport
from transports.limits import Limits
from transports.listeners import bound_address, open_tcp
from transports.tls_stream import TlsStream

pytestmark = pytest.mark.anyio

loopback = Address("127.0.0.1", 0)
brief = Limits(grace_s=0.1)


@pytest.fixture
def mesh(tmp_path: pathlib.Path) -> Mesh:
    return Mesh(tmp_path)


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mesh, list[Member]]:
    """A mesh whose members outlive a test: to make one takes longer than most tests."""
    mesh = Mesh(tmp_path_factory.mktemp("village"))
    return mesh, [mesh.member() for _ in range(4)]


@pytest.fixture
def network(village: tuple[Mesh, list[Member]]) -> Iterator[Network]:
    with contextlib.ExitStack() as bound:
        yield Loopback(*village, bound)


class Loopback:
    """Nodes of one mesh on this box."""

    def __init__(self, mesh: Mesh, members: Sequence[Member], bound: contextlib.ExitStack) -> None:
        """`bound` outlives the test, and takes its sockets in."""
        self.limits = brief
        self._mesh = mesh
        self._members = iter(members)
        self._bound = bound

    @contextlib.asynccontextmanager
    async def node(self) -> AsyncIterator[Node]:
        member = next(self._members)
        async with transport_of(self._mesh, member, self.limits, listens=True) as transport:
            yield Node(member.id, transport)

    def nowhere(self) -> Address:
        """Return a port at which nobody listens: it is kept from others to the end."""
        bound = self._bound.enter_context(socket.socket())
        bound.bind(("127.0.0.1", 0))
        return Address(*bound.getsockname())

    @contextlib.asynccontextmanager
    async def silence(self) -> AsyncIterator[Address]:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            yield Address(*listening.getsockname())


@contextlib.asynccontextmanager
async def transport_of(
    mesh: Mesh, who: Member | Cheat, limits: Limits = brief, *, listens: bool = False
) -> AsyncIterator[Transport]:
    """Open the transport of somebody who is of `mesh`, or says so."""
    listeners = await open_tcp(loopback) if listens else []
    transport = HttpsTransport(mesh.id, who.client_context, who.server_context, listeners, limits)
    try:
        yield transport
    finally:
        await transport.aclose()


class TestHttps(TransportContract):
    """The contract that every transport keeps."""


# Servers that do as they please


Visit = Callable[[TlsStream], Awaitable[None]]


@contextlib.asynccontextmanager
async def odd_server(who: Member | Cheat, visit: Visit) -> AsyncIterator[Address]:
    """Shake hands properly, then do whatever `visit` does, and hang up."""

    async def handle(stream: trio.SocketStream) -> None:
        tls = TlsStream(stream, who.server_context, server_hostname=None)
        with contextlib.suppress(ssl.SSLError, trio.BrokenResourceError):
            await tls.do_handshake()
            await visit(tls)

    listeners = await open_tcp(loopback)
    with trio.fail_after(long_s):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, handle, listeners)
            yield bound_address(listeners[0])
            nursery.cancel_scope.cancel()


class Visitors:
    """Takes what visitors say, and answers as it was told to."""

    def __init__(self, answer: bytes = b"") -> None:
        self._answer = answer
        self.heard = b""
        self.visits = 0
        self.left = trio.Event()

    async def visit(self, stream: TlsStream) -> None:
        self.visits += 1
        try:
            while data := await stream.receive_some():
                self.heard += data
                if self.heard.endswith(b"secret"):
                    if not self._answer:
                        return
                    await stream.send_all(self._answer)
        finally:
            self.left.set()


async def ask(transport: Transport, to: Member, address: Address) -> bytes:
    """Send a request and return the answer."""
    async with transport.request(
        to.id, [address], "/v1/secret", b"secret", deadline_s=long_s
    ) as answer:
        return await answer.read()


@pytest.mark.parametrize(
    ("said", "error", "complaint"),
    [
        (b"", Interrupted, "closed the connection before"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", BadAnswer, "malformed"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"x" * 200_000, BadAnswer, "malformed"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", BadAnswer, "malformed"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", BadAnswer, "malformed"),
    ],
)
async def test_an_answer_that_is_none_is_the_peers_fault(
    mesh: Mesh, said: bytes, error: type[TransportError], complaint: str
) -> None:
    odd = mesh.member()
    async with (
        odd_server(odd, Visitors(said).visit) as address,
        transport_of(mesh, mesh.member()) as transport,
    ):
        with pytest.raises(error, match=complaint):
            await ask(transport, odd, address)


@pytest.mark.parametrize(
    "head",
    [b"content-length: 9\r\n\r\ntoo", b"\r\ntoo", b"transfer-encoding: chunked\r\n\r\n2\r\nab"],
)
async def test_an_answer_cut_short_is_not_taken_for_whole(mesh: Mesh, head: bytes) -> None:
    async def visit(stream: TlsStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 200 OK\r\n" + head)

    odd = mesh.member()
    async with odd_server(odd, visit) as address, transport_of(mesh, mesh.member()) as transport:
        with pytest.raises(Interrupted):
            await ask(transport, odd, address)


async def test_not_a_byte_is_sent_to_the_wrong_node(mesh: Mesh) -> None:
    wrong, right = mesh.member(), mesh.member()
    visitors = Visitors()
    async with (
        odd_server(wrong, visitors.visit) as address,
        transport_of(mesh, mesh.member()) as transport,
    ):
        with pytest.raises(Refused, match="another name"):
            await ask(transport, right, address)
    assert visitors.heard == b""


async def test_not_a_byte_is_sent_to_an_impostor_who_bears_the_right_name(mesh: Mesh) -> None:
    victim = mesh.member()
    visitors = Visitors()
    async with (
        odd_server(mesh.impostor(victim.id), visitors.visit) as address,
        transport_of(mesh, mesh.member()) as transport,
    ):
        with pytest.raises(Refused, match="its own key's name"):
            await ask(transport, victim, address)
        with pytest.raises(Refused, match="its own key's name"):
            async with transport.introduce(address, "/v1/join", b"secret", deadline_s=long_s):
                pass
    assert visitors.visits == 2
    assert visitors.heard == b""


async def test_a_stranger_without_tls_is_not_a_peer_that_has_refused_us(mesh: Mesh) -> None:
    async def web_server(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    listeners = await open_tcp(loopback)
    async with trio.open_nursery() as nursery, transport_of(mesh, mesh.member()) as transport:
        nursery.start_soon(trio.serve_listeners, web_server, listeners)
        with pytest.raises(Unreachable, match="no ringrift-agent"):
            await ask(transport, mesh.member(), bound_address(listeners[0]))
        nursery.cancel_scope.cancel()


async def test_a_peer_that_hangs_up_within_the_handshake_has_not_refused_us(mesh: Mesh) -> None:
    async def hang_up(stream: trio.SocketStream) -> None:
        await stream.receive_some()

    listeners = await open_tcp(loopback)
    async with trio.open_nursery() as nursery, transport_of(mesh, mesh.member()) as transport:
        nursery.start_soon(trio.serve_listeners, hang_up, listeners)
        with pytest.raises(Unreachable, match="lost during the handshake"):
            await ask(transport, mesh.member(), bound_address(listeners[0]))
        nursery.cancel_scope.cancel()


# Who is let in


@contextlib.asynccontextmanager
async def member_serving(
    mesh: Mesh, handler: Handler = nothing, limits: Limits = brief
) -> AsyncIterator[tuple[Member, Address]]:
    member = mesh.member()
    with trio.fail_after(long_s):
        async with (
            transport_of(mesh, member, limits, listens=True) as transport,
            trio.open_nursery() as nursery,
        ):
            (address,) = await nursery.start(transport.serve, handler)
            yield member, address
            nursery.cancel_scope.cancel()


async def unwelcome(_: Incoming) -> Reply:
    raise AssertionError


async def test_nodes_of_different_meshes_refuse_each_other(
    mesh: Mesh, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "transports")
    other = Mesh(tmp_path)
    async with (
        member_serving(mesh, unwelcome) as (member, address),
        transport_of(other, other.member()) as transport,
    ):
        with pytest.raises(Refused, match="the peer belongs to another mesh"):
            await ask(transport, member, address)
        with pytest.raises(Refused, match="the peer belongs to another mesh"):
            async with transport.introduce(address, "/v1/join", deadline_s=long_s):
                pass
        while len(caplog.records) < 2:
            await trio.lowlevel.checkpoint()
    assert all("belongs to another mesh" in record.getMessage() for record in caplog.records)


async def test_who_was_admitted_by_another_mesh_is_told_so(
    mesh: Mesh, tmp_path: pathlib.Path
) -> None:
    async with (
        member_serving(mesh, unwelcome) as (member, address),
        transport_of(mesh, mesh.foreigner(Mesh(tmp_path))) as transport,
    ):
        for body in [b"", bytes(1 << 20)]:
            with pytest.raises(Refused, match="the peer refused us: it belongs to another mesh"):
                async with transport.request(
                    member.id, [address], "/v1/join", body, deadline_s=long_s
                ):
                    pass


async def test_an_impostor_is_told_that_his_name_is_not_his_keys(mesh: Mesh) -> None:
    cheat = mesh.impostor(mesh.member().id)
    async with (
        member_serving(mesh, unwelcome) as (member, address),
        transport_of(mesh, cheat) as transport,
    ):
        with pytest.raises(Refused, match=r"the peer refused us: .* its own key's name"):
            await ask(transport, member, address)


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"\x16\x03\x01\x00", b""])
async def test_who_does_not_speak_tls_is_hung_up_on(
    mesh: Mesh, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with member_serving(mesh, unwelcome, Limits(handshake_s=0.05)) as (_, address):
        stream = await trio.open_tcp_stream(address.host, address.port)
        heard = b""
        async with stream:
            with contextlib.suppress(trio.BrokenResourceError):  # which is to be hung up on, too
                await stream.send_all(said)
                while data := await stream.receive_some():
                    heard += data
    assert b"HTTP" not in heard
    assert all(record.levelno < logging.WARNING for record in caplog.records)


async def test_who_leaves_within_the_handshake_is_not_missed(
    mesh: Mesh, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "transports")
    async with member_serving(mesh, unwelcome) as (_, address):
        await (await trio.open_tcp_stream(address.host, address.port)).aclose()
        while not caplog.records:
            await trio.lowlevel.checkpoint()
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    assert "left within the handshake" in record.getMessage()


async def test_an_older_tls_is_refused(mesh: Mesh) -> None:
    member = mesh.member()
    member.client_context.minimum_version = ssl.TLSVersion.TLSv1_2
    member.client_context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with (
        member_serving(mesh, unwelcome) as (server, address),
        transport_of(mesh, member) as transport,
    ):
        with pytest.raises(Unreachable, match=r"TLS 1\.3"):
            await ask(transport, server, address)


# Connections


def handshakes(member: Member) -> list[str]:
    """Return a list to which each handshake with `member` adds the name that was asked for."""
    names: list[str] = []

    def note(_: object, name: str | None, __: object) -> None:
        names.append(name or "")

    member.server_context.sni_callback = note
    return names


async def test_a_connection_is_used_again(mesh: Mesh) -> None:
    async with (
        member_serving(mesh) as (member, address),
        transport_of(mesh, mesh.member()) as transport,
    ):
        names = handshakes(member)
        for _ in range(3):
            await ask(transport, member, address)
        async with transport.request(member.id, [], "/v1/x", deadline_s=long_s):
            pass
        assert names == [node_name(member.id, mesh.id)]


hasty = dataclasses.replace(brief, connection_s=1e-9)


@pytest.mark.parametrize(("serving", "dialling"), [(hasty, brief), (brief, hasty)])
async def test_identity_is_proved_again_when_a_connection_has_come_of_age(
    mesh: Mesh, serving: Limits, dialling: Limits
) -> None:
    async with (
        member_serving(mesh, limits=serving) as (member, address),
        transport_of(mesh, mesh.member(), dialling) as transport,
    ):
        names = handshakes(member)
        for _ in range(3):
            await ask(transport, member, address)
        assert len(names) == 3


async def test_an_answer_that_nobody_reads_costs_no_connection(mesh: Mesh) -> None:
    async def handler(_: Incoming) -> Reply:
        return Reply(body=bytes(1000))

    async with (
        member_serving(mesh, handler) as (member, address),
        transport_of(mesh, mesh.member()) as transport,
    ):
        names = handshakes(member)
        for _ in range(3):
            async with transport.request(member.id, [address], "/v1/x", deadline_s=long_s):
                pass
        assert len(names) == 1


async def test_an_answer_left_half_way_leaves_no_generator_behind(mesh: Mesh) -> None:
    """Python warns of one when it is collected, and a warning is an error here."""

    async def handler(_: Incoming) -> Reply:
        return Reply(body=Source().body())

    async with (
        member_serving(mesh, handler) as (member, address),
        transport_of(mesh, mesh.member()) as transport,
    ):
        async with transport.request(member.id, [address], "/v1/x", deadline_s=long_s) as answer:
            await anext(answer.chunks(bulk_bytes))
        del answer
        gc.collect()


async def test_an_introduction_names_only_the_mesh(mesh: Mesh) -> None:
    async with (
        member_serving(mesh) as (member, address),
        transport_of(mesh, mesh.member()) as transport,
    ):
        names = handshakes(member)
        for _ in range(2):
            async with transport.introduce(address, "/v1/join", deadline_s=long_s) as answer:
                assert answer.peer == member.id
        assert names == [mesh_name(mesh.id)] * 2


async def test_no_more_connections_are_opened_to_a_peer_than_stated(mesh: Mesh) -> None:
    limits = Limits(dialled_per_peer_max=2)
    async with (
        member_serving(mesh) as (member, address),
        transport_of(mesh, mesh.member(), limits) as transport,
    ):
        names = handshakes(member)
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(ask, transport, member, address)
        assert len(names) == 2


async def test_a_peer_that_has_restarted_is_dialled_again(mesh: Mesh) -> None:
    member = mesh.member()
    async with transport_of(mesh, mesh.member()) as transport:
        for _ in range(2):
            async with (
                transport_of(mesh, member, listens=True) as server,
                trio.open_nursery() as nursery,
            ):
                (address,) = await nursery.start(server.serve, nothing)
                await ask(transport, member, address)
                nursery.cancel_scope.cancel()


ok = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


async def test_connections_that_are_not_used_any_more_are_closed(mesh: Mesh) -> None:
    odd = mesh.member()
    visitors = Visitors(ok)
    async with (
        odd_server(odd, visitors.visit) as address,
        transport_of(mesh, mesh.member(), Limits(dialled_idle_s=0.05)) as transport,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(transport.serve, nothing)
        await ask(transport, odd, address)
        await visitors.left.wait()
        nursery.cancel_scope.cancel()


async def test_only_so_many_unused_connections_are_kept(mesh: Mesh) -> None:
    one, two = mesh.member(), mesh.member()
    first, second = Visitors(ok), Visitors(ok)
    async with (
        odd_server(one, first.visit) as first_address,
        odd_server(two, second.visit) as second_address,
        transport_of(mesh, mesh.member(), Limits(dialled_peers_max=1)) as transport,
    ):
        await ask(transport, one, first_address)
        assert not first.left.is_set()
        await ask(transport, two, second_address)
        await first.left.wait()
        assert not second.left.is_set()


async def test_the_port_is_free_again_when_a_transport_is_closed(mesh: Mesh) -> None:
    listeners = await open_tcp(loopback)
    member = mesh.member()
    transport = HttpsTransport(mesh.id, member.client_context, member.server_context, listeners)
    address = bound_address(listeners[0])
    with pytest.raises(OSError, match="in use") as caught:
        await open_tcp(address)
    assert caught.value.errno == errno.EADDRINUSE
    await transport.aclose()
    (again,) = await open_tcp(address)
    await again.aclose()


async def test_a_connection_made_while_the_transport_is_closed_is_closed_too(
    mesh: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialled: list[TlsStream] = []
    dial = Dialler.dial

    async def closing(
        dialler: Dialler, addresses: Sequence[Address], expected: NodeId | None
    ) -> tuple[TlsStream, NodeId]:
        stream, node = await dial(dialler, addresses, expected)
        dialled.append(stream)
        with trio.CancelScope(shield=True):
            await transport.aclose()
        return stream, node

    monkeypatch.setattr(Dialler, "dial", closing)
    async with (
        member_serving(mesh) as (member, address),
        transport_of(mesh, mesh.member()) as transport,
    ):
        with pytest.raises(Interrupted):
            await ask(transport, member, address)
        with pytest.raises(trio.ClosedResourceError):
            await dialled[0].send_all(b"?")


async def test_a_request_that_has_ended_is_forgotten(mesh: Mesh) -> None:
    member = mesh.member()
    transport = HttpsTransport(mesh.id, member.client_context, member.server_context)
    with pytest.raises(Unreachable):
        async with transport.request(member.id, [], "/v1/x", deadline_s=long_s):
            pass
    assert not transport._under_way.requests
    await transport.aclose()


# The end


async def test_an_agent_ends_after_a_moment_whatever_others_do(mesh: Mesh) -> None:
    """A peer has asked for 50 MB and reads nothing; a stranger never finishes his handshake."""
    asked = trio.Event()

    async def handler(_: Incoming) -> Reply:
        asked.set()
        return Reply(body=bytes(50 * 1024 * 1024))

    member = mesh.member()
    serving = trio.CancelScope()
    ended = trio.Event()

    async def serve(*, task_status: trio.TaskStatus[tuple[Address, ...]]) -> None:
        async with transport_of(mesh, member, patient, listens=True) as transport:
            with serving:
                await transport.serve(handler, task_status=task_status)
        ended.set()

    async with trio.open_nursery() as nursery, transport_of(mesh, mesh.member()) as caller:
        (address,) = await nursery.start(serve)
        async with (
            await trio.open_tcp_stream(address.host, address.port),
            caller.request(member.id, [address], "/v1/x", deadline_s=long_s) as answer,
        ):
            await asked.wait()
            serving.cancel()
            with trio.fail_after(long_s):
                await ended.wait()
            with pytest.raises(Interrupted):
                await answer.read(50 * 1024 * 1024)
