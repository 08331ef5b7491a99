"""The envelope that every record of plane two wears, whatever its kind.

A record is canonical msgpack of `[kind, format, config, time_ms, producer, body]`, and its name is
the SHA-256 of those bytes. The envelope alone decides where a record belongs (its segment), so a
node can store and pass on kinds and formats that it has never heard of.
"""

import hashlib
import re
from typing import Annotated, NewType

import msgspec

from p2p.codec import NotCanonical, canonical, parse_canonical, record_bytes_max
from p2p.identity.ids import NodeId, node_id_bytes

RecordId = NewType("RecordId", bytes)
"""SHA-256 of a record's canonical bytes (32 bytes)."""

_day_ms = 86_400_000
time_ms_max = 253_402_300_799_999  # the last millisecond of the year 9999
_name = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")


class RecordRefused(ValueError):
    """A record that must not be stored; the message says why."""


class NoEnvelope(RecordRefused):
    """Bytes without a readable envelope: they belong to no segment."""


class Segment(msgspec.Struct, frozen=True, gc=False):
    """The records of one kind and config produced on one UTC day; the unit of exchange."""

    kind: str
    config: str
    day: int
    """Days since 1970-01-01."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record with a readable envelope. `data` are the bytes that `id` is the hash of."""

    id: RecordId
    kind: str
    format: int
    config: str
    """What the record is about, such as `square8_2p`; empty where the kind has no configs."""
    time_ms: int
    """When it was produced, by the mesh's clock, in milliseconds since 1970-01-01 UTC."""
    producer: NodeId
    body: object
    data: bytes

    @property
    def segment(self) -> Segment:
        """Where the record belongs: a function of its content alone."""
        return Segment(self.kind, self.config, self.time_ms // _day_ms)


def record_id(data: bytes) -> RecordId:
    """Return the name of a record."""
    return RecordId(hashlib.sha256(data).digest())


def make_record(
    kind: str,
    format: int,
    config: str,
    time_ms: int,
    producer: NodeId,
    body: object,
) -> bytes:
    """Return the canonical bytes of a new record. Raises `NoEnvelope` if a reader would."""
    data = canonical([kind, format, config, time_ms, producer, body])
    parse_record(data)
    return data


_Name = Annotated[str, msgspec.Meta(max_length=32)]


class _Envelope(msgspec.Struct, array_like=True):
    kind: _Name
    format: int
    config: _Name
    time_ms: Annotated[int, msgspec.Meta(ge=0, le=time_ms_max)]
    producer: bytes
    body: msgspec.Raw


_envelopes = msgspec.msgpack.Decoder(_Envelope)


def segment_of(data: bytes) -> Segment:
    """Return where a record belongs, without judging it. Raises `NoEnvelope` if it cannot tell."""
    try:
        found = _envelopes.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoEnvelope(str(error)) from None
    return Segment(found.kind, found.config, found.time_ms // _day_ms)


def parse_record(data: bytes) -> Record:
    """Read a record's envelope.

    Raises `NoEnvelope` naming what is wrong. The body is decoded but not judged: that is for the
    kind (`p2p.kinds`).
    """
    try:
        value = parse_canonical(data, bytes_max=record_bytes_max)
    except NotCanonical as error:
        raise NoEnvelope(str(error)) from None
    if not isinstance(value, list) or len(value) != 6:
        raise NoEnvelope("not an array of kind, format, config, time, producer and body")
    kind, format_, config, time_ms, producer, body = value
    if not isinstance(kind, str) or not _name.match(kind):
        raise NoEnvelope("kind is not a short lower-case name")
    if type(format_) is not int or not 1 <= format_ < 2**16:
        raise NoEnvelope("format is not a number from 1 to 65535")
    if not isinstance(config, str) or not (config == "" or _name.match(config)):
        raise NoEnvelope("config is not a short lower-case name")
    if type(time_ms) is not int or not 0 <= time_ms <= time_ms_max:
        raise NoEnvelope("time is not a number of milliseconds from 1970 to 9999")
    if not isinstance(producer, bytes) or len(producer) != node_id_bytes:
        raise NoEnvelope(f"producer is not {node_id_bytes} bytes")
    return Record(record_id(data), kind, format_, config, time_ms, NodeId(producer), body, data)
