"""What a node says of itself, signed: a `Core` that changes rarely, a `Status` that changes often.

Each is replaced whole by its next version, and only its owner can make that. The signed bytes are
kept and passed on as they came, so what a newer version of the software appends survives us.
"""

import hashlib
from typing import Annotated, Literal, TypeAlias, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from p2p.codec import MalformedMessage, Message, canonical, unpack
from p2p.hosts import check_host
from p2p.identity.ids import MeshId, NodeId, mesh_id_bytes, node_id_bytes
from p2p.identity.signing import (
    BadSignature,
    key_id,
    public_key_bytes,
    sign,
    signature_bytes,
    verify,
)

core_domain = "ringrift/core/1"
status_domain = "ringrift/status/1"

payload_bytes_max = 1024
"""Neither a Core nor a Status is larger when packed."""

boot_bytes = 8

Mesh = Annotated[MeshId, Meta(min_length=mesh_id_bytes, max_length=mesh_id_bytes)]
Node = Annotated[NodeId, Meta(min_length=node_id_bytes, max_length=node_id_bytes)]
Boot = Annotated[bytes, Meta(min_length=boot_bytes, max_length=boot_bytes)]
"""Random bytes of one process: two processes with one key differ in them."""

Counter = Annotated[int, Meta(ge=0, lt=2**32)]
Short = Annotated[str, Meta(max_length=64)]
Host = Annotated[str, Meta(min_length=1, max_length=253)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Address: TypeAlias = tuple[Host, Port]
"""A host name, IPv4 or IPv6 address, and a port."""

Value = bool | int | float | Annotated[str, Meta(max_length=256)]


class BadRecord(ValueError):
    """A signed record that must not be believed; the message says why. Nothing has changed."""


class Core(Message, frozen=True):
    """Who a node is and where it is found. The larger (epoch, incarnation, version) replaces."""

    mesh: Mesh
    node: Node
    epoch: Annotated[int, Meta(ge=1, lt=2**32)]
    """Raised by the owner at every start."""
    boot: Boot
    incarnation: Counter = 0
    """Raised by the owner to refute a suspicion."""
    version: Counter = 0
    """Raised by the owner at every other change."""
    leaving: bool = False
    durable: bool = True
    """Whether it is expected to keep what it stores; an ephemeral node is not."""
    reach: Literal["public", "relayed"] = "public"
    addresses: Annotated[tuple[Address, ...], Meta(max_length=4)] = ()
    relays: Annotated[tuple[Node, ...], Meta(max_length=3)] = ()
    roles: Annotated[tuple[Annotated[str, Meta(max_length=32)], ...], Meta(max_length=8)] = ()
    zone: Short = ""
    name: Short = ""
    """What the human calls the box; it identifies nothing."""
    software: Short = ""
    protocol: tuple[Counter, Counter] = (1, 1)
    """The oldest and the newest protocol it speaks."""
    capabilities: Annotated[
        dict[Annotated[str, Meta(max_length=32)], Annotated[str, Meta(max_length=128)]],
        Meta(max_length=16),
    ] = msgspec.field(default_factory=dict)


class Status(Message, frozen=True):
    """What a node measures about itself. The larger (epoch, version) replaces."""

    node: Node
    epoch: Annotated[int, Meta(ge=1, lt=2**32)]
    version: Annotated[int, Meta(ge=1, lt=2**32)]
    values: Annotated[dict[Short, Value], Meta(max_length=64)]


class Signed(Message, frozen=True):
    """A packed `Core` or `Status` with its owner's signature, as it travels and is kept."""

    payload: Annotated[bytes, Meta(max_length=payload_bytes_max)]
    public_key: Annotated[bytes, Meta(min_length=public_key_bytes, max_length=public_key_bytes)]
    signature: Annotated[bytes, Meta(min_length=signature_bytes, max_length=signature_bytes)]


signed_bytes_max = 3 + payload_bytes_max + 2 + public_key_bytes + 2 + signature_bytes + 1

RecordT = TypeVar("RecordT", Core, Status)


def sign_core(key: Ed25519PrivateKey, core: Core) -> Signed:
    """Sign our own Core. Raises `ValueError` naming the field that is out of bounds."""
    return _sign(key, core_domain, core.mesh, core)


def sign_status(key: Ed25519PrivateKey, mesh: MeshId, status: Status) -> Signed:
    """Sign our own Status. Raises `ValueError` naming the field that is out of bounds."""
    return _sign(key, status_domain, mesh, status)


def _sign(key: Ed25519PrivateKey, domain: str, mesh: MeshId, record: Core | Status) -> Signed:
    payload = payload_of(record)
    public_key = key.public_key().public_bytes_raw()
    return Signed(payload, public_key, sign(key, domain, mesh, payload))


def payload_of(record: Core | Status) -> bytes:
    """Return what is signed of a record. Raises `ValueError` naming what is out of bounds."""
    payload = canonical(msgspec.to_builtins(record, builtin_types=(bytes,)))
    unpack(payload, type(record), bytes_max=payload_bytes_max)
    if isinstance(record, Core):
        _check_readable(record)
    return payload


def read_core(signed: Signed, mesh: MeshId) -> Core:
    """Decode a Core without judging its signature. Raises `BadRecord`."""
    core = _read(signed, Core)
    if core.mesh != mesh:
        raise BadRecord(f"a Core of mesh {core.mesh.hex()}; ours is {mesh.hex()}")
    _check_readable(core)
    return core


def _check_readable(core: Core) -> None:
    """Raise `BadRecord` for what cannot be dialled, or could do harm on an operator's terminal."""
    try:
        for host, _ in core.addresses:
            check_host(host)
    except ValueError as error:
        raise BadRecord(f"a Core with a bad address: {error}") from None
    if not (core.name + core.zone + core.software).isprintable():
        raise BadRecord("a Core whose name, zone or software is not printable")


def read_status(signed: Signed) -> Status:
    """Decode a Status without judging its signature. Raises `BadRecord`."""
    return _read(signed, Status)


def _read(signed: Signed, kind: type[RecordT]) -> RecordT:
    try:
        record = unpack(signed.payload, kind, bytes_max=payload_bytes_max)
        owner = key_id(signed.public_key)
    except MalformedMessage as error:
        raise BadRecord(str(error)) from None
    if record.node != owner:
        raise BadRecord(
            f"a {kind.__name__} of {record.node.hex()}, signed by another key, of {owner.hex()}"
        )
    return record


def check_core(signed: Signed, mesh: MeshId) -> None:
    """Raise `BadRecord` unless the key signed this payload as a Core in our mesh."""
    _check(signed, core_domain, mesh)


def check_status(signed: Signed, mesh: MeshId) -> None:
    """Raise `BadRecord` unless the key signed this payload as a Status in our mesh."""
    _check(signed, status_domain, mesh)


def _check(signed: Signed, domain: str, mesh: MeshId) -> None:
    try:
        verify(signed.public_key, domain, mesh, signed.payload, signed.signature)
    except BadSignature as error:
        raise BadRecord(str(error)) from None


def open_core(signed: Signed, mesh: MeshId) -> Core:
    """Decode and check a Core: signature, owner, mesh and sizes. Raises `BadRecord`."""
    core = read_core(signed, mesh)
    check_core(signed, mesh)
    return core


def open_status(signed: Signed, mesh: MeshId) -> Status:
    """Decode and check a Status: signature, owner, mesh and sizes. Raises `BadRecord`."""
    status = read_status(signed)
    check_status(signed, mesh)
    return status


def content_hash(signed: Signed) -> bytes:
    """Return the SHA-256 of the payload: of two that claim one version, the lower is kept."""
    return hashlib.sha256(signed.payload).digest()
