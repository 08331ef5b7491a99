"""HTTPS between nodes: the contract, and what only real sockets and real TLS can show."""

import contextlib
import pathlib
import socket
from collections.abc import AsyncIterator

import pytest

from tests.transports.contract import Network, Node, TransportContract
from tests.transports.meshes import Mesh
from transports.base import Address, Transport
from transports.https import HttpsTransport
from transports.limits import Limits
from transports.listeners import open_tcp

pytestmark = pytest.mark.anyio

loopback = Address("127.0.0.1", 0)


class Loopback:
    """Nodes of one mesh on this box."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    @contextlib.asynccontextmanager
    async def node(self) -> AsyncIterator[Node]:
        member = self._mesh.member()
        transport: Transport = HttpsTransport(
            member.mesh,
            member.client_context,
            member.server_context,
            await open_tcp(loopback),
            Limits(grace_s=0.1),
        )
        try:
            yield Node(member.id, transport)
        finally:
            await transport.aclose()

    def nowhere(self) -> Address:
        """Return a port that was free a moment ago."""
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            return Address("127.0.0.1", bound.getsockname()[1])

    @contextlib.asynccontextmanager
    async def silence(self) -> AsyncIterator[Address]:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            yield Address("127.0.0.1", listening.getsockname()[1])


@pytest.fixture
def mesh(tmp_path: pathlib.Path) -> Mesh:
    return Mesh(tmp_path)


@pytest.fixture
def network(mesh: Mesh) -> Network:
    return Loopback(mesh)


class TestHttps(TransportContract):
    """The contract that every transport keeps."""
