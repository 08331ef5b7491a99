"""A batch proves who vouches for which records, and nothing else passes for one."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from p2p.batch import batch_ids_max, batch_kind, make_batch, name
from p2p.codec import record_bytes_max
from p2p.envelope import NoEnvelope, RecordId, RecordRefused, make_record, parse_record, record_id
from p2p.identity.ids import MeshId, NodeId
from p2p.kinds import Kinds

key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
other_key = Ed25519PrivateKey.from_private_bytes(bytes(32))
mesh = MeshId(b"the mesh")
vouched = [RecordId(bytes([number]) * 32) for number in (3, 1, 2)]
kinds = Kinds([batch_kind(mesh)])


def made(
    *, key: Ed25519PrivateKey = key, mesh: MeshId = mesh, ids: list[RecordId] = vouched
) -> bytes:
    """Return a good batch but for what is given."""
    return make_batch(
        key=key, mesh=mesh, time_ms=1_700_000_000_000, store=b"store---", seq=9, ids=ids
    )


def changed(change: dict[str, object], **envelope: object) -> bytes:
    """Return a batch with some of its body, or of its envelope, changed after signing."""
    record = parse_record(made())
    assert isinstance(record.body, dict)
    parts: dict[str, object] = {
        "config": record.config,
        "time_ms": record.time_ms,
        "producer": record.producer,
    } | envelope
    body = {field: value for field, value in (record.body | change).items() if value is not None}
    config, time_ms, producer = parts["config"], parts["time_ms"], parts["producer"]
    assert isinstance(config, str)
    assert isinstance(time_ms, int)
    assert isinstance(producer, bytes)
    return make_record(name, 1, config, time_ms, NodeId(producer), body)


def refusal(data: bytes) -> str:
    """Return why a batch is refused."""
    with pytest.raises(RecordRefused) as caught:
        kinds.check(parse_record(data))
    return str(caught.value)


def test_a_batch_has_these_bytes_for_ever() -> None:
    assert (
        record_id(made()).hex()
        == "c455330e083724b48f0ba6affcdd1f88ce704ceea160df9fe69bd4a6535fb175"
    )


def test_a_batch_is_accepted_in_its_own_mesh_and_in_no_other() -> None:
    record = parse_record(made())
    kinds.check(record)
    assert (record.kind, record.format, record.config) == ("batch", 1, "")
    assert "bad signature" in refusal(made(mesh=MeshId(b"another.")))


def test_a_batch_vouches_for_as_many_ids_as_its_limit() -> None:
    ids = [RecordId(number.to_bytes(32, "big")) for number in range(batch_ids_max + 1)]
    assert len(made(ids=ids[1:])) < record_bytes_max
    with pytest.raises(RecordRefused, match="length"):
        made(ids=ids)


@pytest.mark.parametrize("ids", [[], vouched * 2, [RecordId(b"short")]])
def test_a_batch_of_wrong_ids_is_not_made(ids: list[RecordId]) -> None:
    with pytest.raises(RecordRefused):
        made(ids=ids)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"seq": 10}, "bad signature"),
        ({"store": b"another."}, "bad signature"),
        ({"ids": vouched[0]}, "bad signature"),
        ({"signature": bytes(64)}, "bad signature"),
        ({"key": bytes(32)}, "not its producer's"),
        ({"ids": vouched[0] + vouched[1]}, "out of order or repeated"),
        ({"ids": vouched[0] * 2}, "out of order or repeated"),
        ({"ids": bytes(33)}, "33 bytes of ids"),
        ({"ids": b""}, "length"),
        ({"signature": None}, "missing required field `signature`"),
        ({"more": 1}, "unknown field `more`"),
        ({"seq": -1}, "seq"),
        ({"store": "AAAAAAAAAAA="}, "Expected `bytes`, got `str`"),
    ],
)
def test_a_changed_batch_is_refused_with_the_reason(change: dict[str, object], reason: str) -> None:
    assert reason in refusal(changed(change))


def test_the_envelope_is_signed_too() -> None:
    assert "bad signature" in refusal(changed({}, time_ms=1))
    assert "not its producer's" in refusal(changed({}, producer=bytes(16)))
    assert "config" in refusal(changed({}, config="square8_2p"))


def test_nobody_can_vouch_in_another_name() -> None:
    theirs = parse_record(made(key=other_key)).body
    ours = parse_record(made())
    forged = make_record(name, 1, "", ours.time_ms, ours.producer, theirs)
    assert "not its producer's" in refusal(forged)


@given(st.integers(0, 300), st.integers(1, 255))
@settings(max_examples=150)
def test_a_damaged_batch_is_refused(place: int, flip: int) -> None:
    data = bytearray(made())
    data[place % len(data)] ^= flip
    try:
        record = parse_record(bytes(data))
    except NoEnvelope:
        return
    if record.kind == name and record.format == 1:
        refusal(bytes(data))


@given(st.recursive(st.none() | st.integers(-5, 5) | st.binary(max_size=9), st.lists, max_leaves=4))
def test_any_other_body_is_refused(body: object) -> None:
    assert "not a batch" in refusal(make_record(name, 1, "", 0, NodeId(bytes(16)), body))
