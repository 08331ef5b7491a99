"""The `batch` record: a producer's one signature for up to 2,048 of its records.

Signing each game would cost more than all else that is done with it. A batch travels and is
stored as any record is; whoever holds it can tell that the producer vouches for the ids in it.
"""

import itertools
from collections.abc import Collection
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from p2p.codec import canonical
from p2p.envelope import Record, RecordId, RecordRefused, make_record, parse_record
from p2p.identity.ids import MeshId, NodeId
from p2p.identity.signing import (
    BadSignature,
    key_id,
    public_key_bytes,
    sign,
    signature_bytes,
    verify,
)
from p2p.kinds import Kind

name = "batch"
format_newest = 1
batch_ids_max = 2048

_id_bytes = 32
_store_bytes = 8
_domain = f"ringrift/{name}/{format_newest}"


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a batch record."""

    store: Annotated[bytes, msgspec.Meta(min_length=_store_bytes, max_length=_store_bytes)]
    """The producer's store."""
    seq: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    """The largest sequence in that store of the records vouched for."""
    ids: Annotated[bytes, msgspec.Meta(min_length=_id_bytes, max_length=_id_bytes * batch_ids_max)]
    """The records vouched for: 32 bytes each, ascending."""
    key: Annotated[bytes, msgspec.Meta(min_length=public_key_bytes, max_length=public_key_bytes)]
    """The producer's raw public key."""
    signature: Annotated[
        bytes, msgspec.Meta(min_length=signature_bytes, max_length=signature_bytes)
    ]
    """Over the record with everything but the signature."""


def make_batch(
    *,
    key: Ed25519PrivateKey,
    mesh: MeshId,
    time_ms: int,
    store: bytes,
    seq: int,
    ids: Collection[RecordId],
) -> bytes:
    """Return a record in which the owner of `key` vouches for 1 to 2,048 records.

    Raises `RecordRefused` if a reader would.
    """
    public_key = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    producer = key_id(public_key)
    body = {"store": store, "seq": seq, "ids": b"".join(sorted(ids)), "key": public_key}
    signature = sign(key, _domain, mesh, _signed(time_ms, producer, body))
    data = make_record(name, format_newest, "", time_ms, producer, body | {"signature": signature})
    batch_kind(mesh).check(parse_record(data))
    return data


def batch_kind(mesh: MeshId) -> Kind:
    """Return the kind of batches signed in this mesh, which proves each one's producer."""

    def check(record: Record) -> None:
        _check(record, mesh)

    return Kind(name, format_newest, check)


def _check(record: Record, mesh: MeshId) -> None:
    batch = _body(record)
    if record.config:
        raise RecordRefused(f"a batch with a config: {record.config!r}")
    ids = _split(batch.ids)
    if any(one >= next_ for one, next_ in itertools.pairwise(ids)):
        raise RecordRefused("a batch whose ids are out of order or repeated")
    if key_id(batch.key) != record.producer:
        raise RecordRefused("a batch whose key is not its producer's")
    rest = {"store": batch.store, "seq": batch.seq, "ids": batch.ids, "key": batch.key}
    signed = _signed(record.time_ms, record.producer, rest)
    try:
        verify(batch.key, _domain, mesh, signed, batch.signature)
    except BadSignature as error:
        raise RecordRefused(str(error)) from None


def _body(record: Record) -> Batch:
    try:
        # Naming bytes keeps convert from reading text as base64.
        return msgspec.convert(record.body, Batch, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise RecordRefused(f"not a batch: {error}") from None


def _split(ids: bytes) -> list[RecordId]:
    if len(ids) % _id_bytes:
        raise RecordRefused(f"{len(ids)} bytes of ids of {_id_bytes} bytes each")
    return [RecordId(ids[start : start + _id_bytes]) for start in range(0, len(ids), _id_bytes)]


def _signed(time_ms: int, producer: NodeId, rest: dict[str, object]) -> bytes:
    """Return what a batch's signature covers: all of the record that may vary, but itself."""
    return canonical([time_ms, producer, rest])
