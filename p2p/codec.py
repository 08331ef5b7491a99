"""The two encodings of the agent, and their limits.

*Canonical* msgpack is for what is hashed or signed: one value has one encoding, so equal content
has an equal name. *Messages* are typed structs, checked field by field as they are decoded.

    CodecError
    ├── NotCanonical      the bytes are not the canonical encoding of any value
    └── MalformedMessage  the bytes are no message of the expected type

Both are the sender's fault; nothing has changed when one is raised.
"""

from typing import Any, TypeVar

import msgpack
import msgspec

message_bytes_max = 64 * 1024
"""No message but a bulk stream is larger, in either direction."""

record_bytes_max = 1024 * 1024
"""A record is a unit of hashing and must fit in memory many times over; big things are blobs."""


class CodecError(ValueError):
    """Bytes that cannot be decoded; the message says why."""


class NotCanonical(CodecError):
    """Bytes that are not the canonical encoding of any value."""


class MalformedMessage(CodecError):
    """Bytes that are no message of the expected type."""


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A typed message: an array on the wire, so field names cost nothing.

    Later versions append fields; a reader ignores those it does not know.
    """


MessageT = TypeVar("MessageT")

_sorting_encoder = msgspec.msgpack.Encoder(order="sorted")


def pack(message: Message) -> bytes:
    """Encode a message. Raises `ValueError` if it exceeds `message_bytes_max`: our own fault."""
    data = msgspec.msgpack.encode(message)
    if len(data) > message_bytes_max:
        name = type(message).__name__
        raise ValueError(f"{name} of {len(data)} bytes exceeds {message_bytes_max}")
    return data


def unpack(data: bytes, kind: type[MessageT], *, bytes_max: int = message_bytes_max) -> MessageT:
    """Decode a message of type `kind`. Raises `MalformedMessage` naming the field at fault."""
    if len(data) > bytes_max:
        raise MalformedMessage(f"{len(data)} bytes exceed the limit of {bytes_max}")
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        name = getattr(kind, "__name__", str(kind))
        raise MalformedMessage(f"not a {name}: {error}") from None


def canonical(value: object) -> bytes:
    """Encode `value` canonically: shortest integers, 64-bit floats, map keys sorted.

    Values are None, bool, int, finite float, str, bytes, list or tuple, and dict with str keys.
    Raises `TypeError` or `ValueError` for anything else.
    """
    packed: bytes = msgpack.packb(_sorted_maps(value))
    return packed


def _sorted_maps(value: object) -> object:
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("map keys must be strings")
        return {key: _sorted_maps(value[key]) for key in sorted(value, key=str.encode)}
    if isinstance(value, list | tuple):
        return [_sorted_maps(item) for item in value]
    return value


def _checked_map(pairs: list[tuple[object, Any]]) -> dict[str, Any]:
    previous: bytes | None = None
    for key, _ in pairs:
        if not isinstance(key, str):  # bytes: other types msgpack itself refuses
            raise NotCanonical("a map key is not a string")
        encoded = key.encode()
        if previous is not None and encoded <= previous:
            raise NotCanonical(f"map key {key!r} is out of order or repeated")
        previous = encoded
    return dict(pairs)  # type: ignore[arg-type]


def _no_extension(code: int, _data: bytes) -> object:
    raise NotCanonical(f"extension type {code}")


def parse_canonical(data: bytes, *, bytes_max: int = record_bytes_max) -> Any:
    """Decode canonical bytes into plain values (lists, not tuples).

    Raises `NotCanonical` for anything that `canonical` would not have produced, byte for byte.
    """
    if len(data) > bytes_max:
        raise NotCanonical(f"{len(data)} bytes exceed the limit of {bytes_max}")
    try:
        value = msgpack.unpackb(data)
        if _sorting_encoder.encode(value) == data:
            return value
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException):
        pass
    # Only the strict way refuses, so that a refusal and its reason never hang on the quick one,
    # whose depth, for one, is limited by the caller's stack.
    return _parse_strictly(data)


def _parse_strictly(data: bytes) -> Any:
    try:
        # timestamp=3 turns the one built-in extension into a datetime, which packb refuses.
        value = msgpack.unpackb(
            data, timestamp=3, object_pairs_hook=_checked_map, ext_hook=_no_extension
        )
        encoded = msgpack.packb(value)
    except NotCanonical:
        raise
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise NotCanonical(f"not msgpack: {error or type(error).__name__}") from None
    if encoded != data:
        raise NotCanonical("a value is not in its shortest form")
    return value
