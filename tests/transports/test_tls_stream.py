"""What our TLS does that trio's does not, and what the two have in common."""

import contextlib
import pathlib
import ssl
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from p2p.identity.ids import node_name
from p2p.identity.tls import explain
from tests.transports.meshes import Cheat, Member, Mesh
from transports.tls_stream import TlsStream

pytestmark = pytest.mark.anyio


@pytest.fixture
def mesh(tmp_path: pathlib.Path) -> Mesh:
    return Mesh(tmp_path)


@contextlib.asynccontextmanager
async def pair(
    mesh: Mesh, client: Member | Cheat, server: Member
) -> AsyncIterator[tuple[TlsStream, TlsStream]]:
    """Return both ends of a connection before their handshake."""
    ours, theirs = trio.socket.socketpair()
    name = node_name(server.id, mesh.id)
    with trio.fail_after(30):
        async with (
            TlsStream(
                trio.SocketStream(ours), client.client_context, server_hostname=name
            ) as caller,
            TlsStream(
                trio.SocketStream(theirs), server.server_context, server_hostname=None
            ) as called,
        ):
            yield caller, called


@contextlib.asynccontextmanager
async def connected(mesh: Mesh) -> AsyncIterator[tuple[TlsStream, TlsStream]]:
    async with pair(mesh, mesh.member(), mesh.member()) as (caller, called):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(caller.do_handshake)
            nursery.start_soon(called.do_handshake)
        yield caller, called


async def test_bytes_arrive_in_both_directions_at_once(mesh: Mesh) -> None:
    data = bytes(range(256)) * 4096
    arrived: list[bytes] = []

    async def take(stream: TlsStream) -> None:
        whole = b""
        while len(whole) < len(data):
            whole += await stream.receive_some()
        arrived.append(whole)

    async with connected(mesh) as ends, trio.open_nursery() as nursery:
        for end in ends:
            nursery.start_soon(end.send_all, data)
            nursery.start_soon(take, end)
    assert arrived == [data, data]


@pytest.mark.parametrize("bytes_max", [1, 100, 16384, 16385])
async def test_no_more_is_received_than_asked_for(mesh: Mesh, bytes_max: int) -> None:
    async with connected(mesh) as (caller, called):
        await caller.send_all(bytes(50_000))
        assert 0 < len(await called.receive_some(bytes_max)) <= bytes_max


async def test_the_end_is_an_end_even_without_a_word(mesh: Mesh) -> None:
    async with connected(mesh) as (caller, called):
        await caller.send_all(b"last")
        await caller.aclose()
        assert await called.receive_some() == b"last"
        assert await called.receive_some() == b""
        with pytest.raises(trio.BrokenResourceError):
            await called.send_all(b"too late")


async def test_one_direction_may_end_before_the_other(mesh: Mesh) -> None:
    async with connected(mesh) as (caller, called):
        await called.send_eof()
        await caller.send_all(b"still heard")
        assert await called.receive_some() == b"still heard"
        assert await caller.receive_some() == b""


async def test_the_server_learns_why_a_client_refused_it(
    mesh: Mesh, tmp_path: pathlib.Path
) -> None:
    foreigner = Mesh(tmp_path).member()
    async with (
        pair(mesh, foreigner, mesh.member()) as (caller, called),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(refused, caller, "the peer belongs to another mesh")
        nursery.start_soon(refused, called, "the peer refused us: it belongs to another mesh")


async def refused(stream: TlsStream, sentence: str) -> None:
    with pytest.raises(ssl.SSLError) as caught:
        await stream.do_handshake()
    assert (explain(caught.value) or "").startswith(sentence)


async def test_the_client_learns_why_a_server_refused_it(
    mesh: Mesh, tmp_path: pathlib.Path
) -> None:
    cheat = mesh.foreigner(Mesh(tmp_path))
    async with pair(mesh, cheat, mesh.member()) as (caller, called):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(caller.do_handshake)
            nursery.start_soon(refused, called, "the peer belongs to another mesh")
        with pytest.raises(trio.BrokenResourceError) as caught:
            await caller.receive_some()
        assert (explain(caught.value) or "").startswith("the peer refused us")
