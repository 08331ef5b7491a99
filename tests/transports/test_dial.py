"""What is concluded when none of a peer's addresses leads to it."""

import errno
import os
import pathlib
import socket

import pytest
import trio

from tests.transports.meshes import Mesh
from transports.base import Address, NotListening, TransportError, Unreachable
from transports.dial import Dialler

pytestmark = pytest.mark.anyio


def failure(*errnos: int) -> OSError:
    """Return what trio raises when each of a name's addresses fails in its own way."""
    error = OSError("all attempts failed")
    error.__cause__ = ExceptionGroup("", [OSError(each, os.strerror(each)) for each in errnos])
    return error


refused = failure(errno.ECONNREFUSED)
no_route = failure(errno.ENETUNREACH)
silent = failure(errno.ETIMEDOUT)
unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize(
    ("errors", "conclusion"),
    [
        ([refused], NotListening),
        ([failure(errno.ECONNREFUSED, errno.ENETUNREACH)], NotListening),
        ([refused, no_route], NotListening),
        ([no_route], Unreachable),
        ([silent], Unreachable),
        ([unknown], Unreachable),
        ([failure(errno.ECONNREFUSED, errno.ETIMEDOUT)], Unreachable),
        ([refused, silent], Unreachable),
        ([refused, unknown], Unreachable),
    ],
)
async def test_only_who_refuses_while_nobody_keeps_silent_is_not_listening(
    errors: list[OSError],
    conclusion: type[TransportError],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def connect(_: str, port: int) -> trio.SocketStream:
        raise errors[port]

    monkeypatch.setattr(trio, "open_tcp_stream", connect)
    mesh = Mesh(tmp_path)
    dialler = Dialler(mesh.id, mesh.member().client_context, head_start_s=1.0)
    addresses = [Address("box.example", port) for port in range(len(errors))]
    with pytest.raises(Unreachable) as caught:
        await dialler.dial(addresses, None)
    assert type(caught.value) is conclusion
    for address in addresses:
        assert f"{address}: " in str(caught.value)
    assert not caught.value.args[0].endswith(": ")
