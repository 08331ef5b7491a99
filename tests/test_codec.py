"""The two encodings: canonical bytes, and typed messages."""

from collections.abc import Callable
from typing import Annotated

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from p2p.codec import (
    CodecError,
    MalformedMessage,
    Message,
    NotCanonical,
    _parse_strictly,
    canonical,
    message_bytes_max,
    pack,
    parse_canonical,
    record_bytes_max,
    unpack,
)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)

loose = st.recursive(
    values
    | st.builds(msgpack.Timestamp, st.integers(0, 2**35), st.integers(0, 2))
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=12)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=2) | st.binary(max_size=2) | st.integers(0, 9), inner)
    ),
    max_leaves=8,
)
"""Values of which most have a msgpack encoding that is not canonical."""

mutations = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=2)
"""Where to change an encoding, as a fraction of its length, and to which byte."""


@given(values)
def test_a_value_survives_its_canonical_form(value: object) -> None:
    assert parse_canonical(canonical(value)) == value


@given(st.dictionaries(st.text(max_size=5), st.integers(0, 5), min_size=2), st.randoms())
def test_the_order_in_which_a_map_was_filled_does_not_show(
    value: dict[str, int], rng: object
) -> None:
    turned = dict(reversed(value.items()))
    assert canonical(turned) == canonical(value)
    assert list(parse_canonical(canonical(turned))) == sorted(value, key=str.encode)


@given(st.binary(max_size=60))
def test_junk_is_refused_or_is_exactly_canonical(data: bytes) -> None:
    try:
        value = parse_canonical(data)
    except NotCanonical:
        return
    assert canonical(value) == data


@given(values.map(canonical) | loose.map(msgpack.packb) | st.binary(max_size=60), mutations)
def test_the_quick_way_to_parse_agrees_with_the_strict_one(
    data: bytes, mutations: list[tuple[float, int]]
) -> None:
    mutable = bytearray(data)
    for place, octet in mutations if data else ():
        mutable[int(place * len(mutable))] = octet
    assert outcome(parse_canonical, bytes(mutable)) == outcome(_parse_strictly, bytes(mutable))


def outcome(parse: Callable[[bytes], object], data: bytes) -> str:
    """Return the value or the reason, told apart where == would not: 1, 1.0 and True, or NaN."""
    try:
        return repr(parse(data))
    except NotCanonical as error:
        return f"refused: {error}"


def test_how_deep_a_value_may_be_does_not_depend_on_the_callers_stack() -> None:
    data = b"\x91" * 1000 + b"\x82\xa1a\x01\xa1b\x02"
    assert msgpack.packb(parse_canonical(data)) == data
    with pytest.raises(NotCanonical, match="repeated"):
        parse_canonical(data.replace(b"b", b"a"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "Unpack failed: incomplete input"),
        (b"\xcc\x01", "shortest form"),
        (b"\xca\x00\x00\x00\x00", "shortest form"),
        (b"\x82\xa1b\x01\xa1a\x02", "out of order"),
        (b"\x82\xa1a\x01\xa1a\x02", "repeated"),
        (b"\x81\x01\x01", "map key"),
        (b"\x01\x01", "extra data"),
        (b"\xdd\xff\xff\xff\xff", "not msgpack"),
        (b"\xa2\xff\xff", "not msgpack"),
        (b"\xd4\x05\x00", "extension type 5"),
        (msgpack.packb(msgpack.Timestamp(5)), "datetime"),
        (b"\x91" * 5000, "not msgpack"),
        (bytes(record_bytes_max + 1), "exceed the limit"),
    ],
)
def test_what_is_not_canonical_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(NotCanonical, match=reason):
        parse_canonical(data)


@pytest.mark.parametrize("value", [{1: 2}, {"a": object()}, 2**64])
def test_a_value_without_a_canonical_form_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        canonical(value)


class Greeting(Message, frozen=True):
    """A message to test with."""

    name: Annotated[str, Meta(max_length=4)]
    age: int = 0


class LaterGreeting(Message, frozen=True):
    """The same, of a later version."""

    name: str
    age: int
    title: str


def test_a_reader_ignores_fields_that_later_versions_append() -> None:
    assert unpack(pack(LaterGreeting("Eve", 3, "Dr")), Greeting) == Greeting("Eve", 3)


def test_a_bad_field_is_named() -> None:
    with pytest.raises(MalformedMessage, match=r"not a Greeting: .*length <= 4"):
        unpack(pack(LaterGreeting("Methuselah", 969, "")), Greeting)


@given(st.binary(max_size=40))
def test_junk_is_no_message(data: bytes) -> None:
    try:
        message = unpack(data, Greeting)
    except CodecError:
        return
    assert len(message.name) <= 4


def test_no_message_is_larger_than_the_limit() -> None:
    with pytest.raises(ValueError, match="exceeds 65536"):
        pack(LaterGreeting("x" * message_bytes_max, 0, ""))
    with pytest.raises(MalformedMessage, match="exceed the limit"):
        unpack(bytes(message_bytes_max + 1), Greeting)
