"""Core and Status records: their bytes, their bounds, and what is not to be believed."""

import contextlib
import pathlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2p.codec import MalformedMessage, Message, canonical, pack, parse_canonical, unpack
from p2p.identity.ids import MeshId
from p2p.identity.signing import sign
from p2p.membership.messages import JoinAnswer, JoinRequest, SyncAnswer, SyncRequest
from p2p.records import (
    BadRecord,
    Core,
    Signed,
    Status,
    core_domain,
    open_core,
    open_status,
    payload_bytes_max,
    read_core,
    sign_core,
    sign_status,
    signed_bytes_max,
    status_domain,
)
from tests.membership.world import make_core, make_id, make_key, mesh

golden = pathlib.Path(__file__).parent / "golden"


def make_status(number: int = 1, epoch: int = 1, version: int = 1) -> Status:
    return Status(make_id(number), epoch, version, {"games": 17, "load": 0.5, "paused": False})


def signed_payload(payload: bytes, domain: str = core_domain, number: int = 1) -> Signed:
    public_key = make_key(number).public_key().public_bytes_raw()
    return Signed(payload, public_key, sign(make_key(number), domain, mesh, payload))


def test_a_signed_core_has_the_bytes_it_always_had() -> None:
    packed = pack(sign_core(make_key(1), make_core(1)))
    assert packed == bytes.fromhex((golden / "core_1.hex").read_text())
    assert open_core(unpack(packed, Signed), mesh) == make_core(1)


def test_a_signed_status_has_the_bytes_it_always_had() -> None:
    packed = pack(sign_status(make_key(1), mesh, make_status()))
    assert packed == bytes.fromhex((golden / "status_1.hex").read_text())
    assert open_status(unpack(packed, Signed), mesh) == make_status()


def test_the_payload_is_canonical_whatever_order_its_maps_were_made_in() -> None:
    core = msgspec.structs.replace(make_core(1), capabilities={"z": "1", "a": "2"})
    payload = sign_core(make_key(1), core).payload
    assert canonical(parse_canonical(payload)) == payload


def test_fields_that_a_newer_version_appends_are_kept_with_their_signature() -> None:
    fields = parse_canonical(sign_core(make_key(1), make_core(1)).payload)
    newer = signed_payload(canonical([*fields, {"what": "the future brings"}]))
    assert open_core(newer, mesh) == make_core(1)
    assert open_core(unpack(pack(newer), Signed), mesh) == make_core(1)
    assert unpack(pack(newer), Signed).payload == newer.payload


def test_a_record_is_not_believed_in_another_mesh() -> None:
    with pytest.raises(BadRecord, match="of mesh"):
        open_core(sign_core(make_key(1), make_core(1)), MeshId(b"mesh-two"))
    with pytest.raises(BadRecord, match="bad signature"):
        open_status(sign_status(make_key(1), mesh, make_status()), MeshId(b"mesh-two"))


def test_nobody_speaks_for_another_node() -> None:
    with pytest.raises(BadRecord, match="signed by another key"):
        open_core(sign_core(make_key(2), make_core(1)), mesh)
    with pytest.raises(BadRecord, match="signed by another key"):
        open_status(sign_status(make_key(2), mesh, make_status(1)), mesh)


def test_a_signature_cannot_be_moved_to_another_kind_of_record() -> None:
    payload = sign_core(make_key(1), make_core(1)).payload
    with pytest.raises(BadRecord, match="bad signature"):
        open_core(signed_payload(payload, status_domain), mesh)


@given(st.data())
def test_one_flipped_bit_anywhere_is_noticed(data: st.DataObject) -> None:
    signed = sign_core(make_key(1), make_core(1))
    field = data.draw(st.sampled_from(["payload", "public_key", "signature"]))
    content = bytearray(getattr(signed, field))
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadRecord):
        open_core(msgspec.structs.replace(signed, **{field: bytes(content)}), mesh)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mesh", b"short"),
        ("node", b"short"),
        ("boot", b"short"),
        ("epoch", 0),
        ("epoch", 2**32),
        ("incarnation", -1),
        ("version", 2**32),
        ("reach", "by-pigeon"),
        ("addresses", tuple((f"10.0.0.{n}", 8770) for n in range(5))),
        ("addresses", (("10.0.0.1", 0),)),
        ("addresses", (("", 8770),)),
        ("relays", (bytes(16),) * 4),
        ("roles", ("r",) * 9),
        ("name", "n" * 65),
        ("capabilities", {"key": "v" * 129}),
        ("capabilities", {str(n): "" for n in range(17)}),
    ],
)
def test_a_core_beyond_its_bounds_is_neither_signed_nor_read(field: str, value: object) -> None:
    fields = dict(zip(Core.__struct_fields__, msgspec.structs.astuple(make_core(1)), strict=True))
    bad = Core(**{**fields, field: value})
    with pytest.raises(ValueError, match="Core"):
        sign_core(make_key(1), bad)
    with pytest.raises(BadRecord, match="Core"):
        read_core(signed_payload(canonical([*{**fields, field: value}.values()])), mesh)


def test_no_record_is_larger_than_a_kibibyte() -> None:
    wide = {"k" * 31 + chr(97 + n): "v" * 100 for n in range(8)}
    with pytest.raises(ValueError, match="exceed"):
        sign_core(make_key(1), msgspec.structs.replace(make_core(1), capabilities=wide))
    status = Status(make_id(1), 1, 1, {f"{n}": "v" * 200 for n in range(6)})
    with pytest.raises(ValueError, match="exceed"):
        sign_status(make_key(1), mesh, status)
    assert len(pack(signed_payload(bytes(payload_bytes_max)))) == signed_bytes_max


messages: list[type[Message]] = [Signed, SyncRequest, SyncAnswer, JoinRequest, JoinAnswer]


@given(st.sampled_from(messages), st.binary(max_size=200))
def test_junk_is_no_message(kind: type[Message], data: bytes) -> None:
    with contextlib.suppress(MalformedMessage):
        unpack(data, kind)


def whole_message(kind: type[Message]) -> Message:
    core = sign_core(make_key(1), make_core(1))
    status = sign_status(make_key(1), mesh, make_status())
    if kind is SyncRequest:
        return SyncRequest(make_id(1), bytes(8), bytes(8), (core,), (status,))
    if kind is SyncAnswer:
        return SyncAnswer(bytes(8), bytes(8), None, (core,), (status,))
    if kind is JoinRequest:
        return JoinRequest(core, status)
    return JoinAnswer(core, None, core) if kind is JoinAnswer else core


@given(st.sampled_from(messages), st.data())
def test_a_damaged_message_is_refused_or_says_what_was_signed(
    kind: type[Message], data: st.DataObject
) -> None:
    content = bytearray(pack(whole_message(kind)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedMessage, BadRecord):
        for signed in cores_of(unpack(bytes(content), kind)):
            assert open_core(signed, mesh) == make_core(1)


def cores_of(message: Message) -> tuple[Signed, ...]:
    match message:
        case Signed():
            return (message,)
        case SyncRequest() | SyncAnswer():
            return message.cores
        case JoinRequest() | JoinAnswer():
            return (message.core,)
        case _:
            raise AssertionError(message)


@pytest.mark.parametrize(
    "bad",
    [
        {"addresses": (("not a host!", 1),)},
        {"addresses": (("::1::", 1),)},
        {"name": "red\x1b[31m"},
        {"name": "two\nlines"},
        {"software": "\x07"},
    ],
)
def test_a_core_that_could_harm_its_reader_is_neither_made_nor_believed(
    bad: dict[str, object],
) -> None:
    harmful = msgspec.structs.replace(make_core(1), **bad)
    with pytest.raises(BadRecord):
        sign_core(make_key(1), harmful)
    payload = canonical(msgspec.to_builtins(harmful, builtin_types=(bytes,)))
    with pytest.raises(BadRecord, match=r"bad address|not printable"):
        open_core(signed_payload(payload), mesh)
