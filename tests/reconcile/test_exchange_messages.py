"""The messages of an exchange have fixed bytes and bounded sizes."""

import contextlib
import functools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2p.codec import MalformedMessage, Message, message_bytes_max, pack, unpack
from p2p.envelope import RecordId
from p2p.manifest import MonthKey, SegmentKey
from p2p.reconcile import Ping, Receipt, Responder, ping, push_records_max, receipt
from p2p.reconcile.messages import (
    Cut,
    ExactAnswer,
    ExactRequest,
    Filter,
    FiltersAnswer,
    FiltersRequest,
    LeavesAnswer,
    LeavesRequest,
    MonthDigest,
    MonthSegments,
    Part,
    PartAnswer,
    PartFilter,
    PartIds,
    Refused,
    SegmentDigest,
    SegmentsAnswer,
    SegmentsRequest,
    Snapshot,
    Stale,
    Wanted,
    cuts_per_request_max,
    leaf_entry_bytes,
    leaves_per_answer_max,
    unpack_answer,
    unpack_request,
)
from p2p.store import Ingested, Refusal
from tests.reconcile.peers import Peer, make

at = Snapshot(b"store---", 7)
root = Ping(b"store---", 7, b"known digest", b"held digest-")
month = MonthKey(b"month---")
segment = SegmentKey(b"segment-")
salt = b"salt------------"
digest = b"digest----------"
first, last = MonthKey(bytes(8)), MonthKey(b"\xff" * 8)

_store = "c408" + b"store---".hex()
_root = "95" + _store + "07c40c" + b"known digest".hex() + "c40c" + b"held digest-".hex() + "c400"
_month = "c408" + b"month---".hex()
_segment = "c408" + b"segment-".hex()
_salt = "c410" + salt.hex()
_digest = "c410" + digest.hex()
_first, _last = "c408" + "00" * 8, "c408" + "ff" * 8

golden: dict[str, tuple[Message, str]] = {
    "ping": (root, _root),
    "first segments request": (
        SegmentsRequest(None, first, last, ()),
        f"9501c0{_first}{_last}90",
    ),
    "segments request": (
        SegmentsRequest(at, first, last, (MonthDigest(month, digest),)),
        f"950192{_store}07{_first}{_last}9192{_month}{_digest}",
    ),
    "segments answer": (
        SegmentsAnswer(root, (MonthSegments(month, (SegmentDigest(segment, 300, digest),)),), last),
        f"9401{_root}9192{_month}9193{_segment}cd012c{_digest}{_last}",
    ),
    "leaves request": (
        LeavesRequest(at, salt, (Cut(Part(segment, 8, 255), 2),)),
        f"940292{_store}07{_salt}9192{'93' + _segment + '08ccff'}02",
    ),
    "leaves answer": (
        LeavesAnswer((bytes(48),)),
        f"920291c430{'00' * 48}",
    ),
    "filters request": (
        FiltersRequest(4, at, salt, (PartFilter(Part(segment, 8, 255), Filter(20, 0.5, b"bits")),)),
        f"950404 92{_store}07 {_salt} 9192{'93' + _segment + '08ccff'}"
        f"9314cb3fe0000000000000c404{b'bits'.hex()}".replace(" ", ""),
    ),
    "filters answer": (
        FiltersAnswer((PartAnswer(21, b"8 bytes.", 2, Filter(20, 0.5, b"bits")),)),
        f"92049194 15c408{b'8 bytes.'.hex()}029314cb3fe0000000000000c404{b'bits'.hex()}".replace(
            " ", ""
        ),
    ),
    "exact request": (
        ExactRequest(at, salt, (PartIds(Part(segment, 8, 255), b"short id"),)),
        f"940392{_store}07{_salt}9192{'93' + _segment + '08ccff'}c408{b'short id'.hex()}",
    ),
    "exact answer": (
        ExactAnswer(1, (Wanted(0, b"short id"),), 2),
        f"9403019192{'00'}c408{b'short id'.hex()}02",
    ),
    "stale": (Stale(at), f"920092{_store}07"),
    "receipt": (
        Receipt(b"store---", (Refused(3, "bad"),)),
        f"92{_store}919203a3{b'bad'.hex()}",
    ),
}


@pytest.mark.parametrize(("message", "encoded"), golden.values(), ids=golden)
def test_a_message_has_these_bytes_for_ever(message: Message, encoded: str) -> None:
    assert pack(message).hex() == encoded
    assert unpack(bytes.fromhex(encoded), type(message)) == message


def test_requests_and_answers_are_told_apart_by_their_tags() -> None:
    for message, _ in golden.values():
        if isinstance(message, SegmentsRequest | LeavesRequest | FiltersRequest | ExactRequest):
            assert unpack_request(pack(message)) == message
        if isinstance(message, SegmentsAnswer | LeavesAnswer | FiltersAnswer | ExactAnswer | Stale):
            assert unpack_answer(pack(message)) == message


@given(st.integers(0, 2**63 - 1))
def test_a_ping_takes_at_most_50_bytes(seq: int) -> None:
    assert len(pack(Ping(bytes(8), seq, bytes(12), bytes(12)))) <= 50


def test_pings_agree_only_on_the_same_ids_known_or_held_in_the_same_scope() -> None:
    one, same, more = (
        Peer(1, [make(1)]),
        Peer(2, [make(1)]),
        Peer(3, [make(1), make(2)]),
    )
    assert ping(one.view()).agrees(ping(same.view()))
    assert not ping(one.view()).agrees(ping(more.view()))
    mine = ping(one.view())
    refuses_more = Ping(b"renewed!", 9, bytes(12), mine.held)
    holds_less = Ping(b"renewed!", 9, mine.known, bytes(12))
    elsewhere = Ping(mine.store, mine.seq, mine.known, mine.held, b"scope")
    assert not elsewhere.agrees(mine)
    assert not elsewhere.proves_copies(mine)
    assert refuses_more.agrees(mine)
    assert refuses_more.proves_copies(mine)
    assert holds_less.agrees(mine)
    assert not holds_less.proves_copies(mine)
    assert mine.proves_copies(holds_less)
    assert not Ping(b"renewed!", 9, bytes(12), bytes(12)).agrees(mine)


def test_the_leaves_of_a_full_request_fit_in_an_answer() -> None:
    for tables in (leaves_per_answer_max // 256, cuts_per_request_max):
        table = bytes(leaves_per_answer_max // tables * leaf_entry_bytes)
        assert len(pack(LeavesAnswer((table,) * tables))) <= message_bytes_max


def ids(count: int) -> list[RecordId]:
    """Return so many ids."""
    return [RecordId(number.to_bytes(32, "big")) for number in range(count)]


def test_a_receipt_that_refuses_a_whole_push_at_length_fits_in_a_message() -> None:
    pushed = ids(push_records_max)
    refused = tuple(Refusal(id_, "\N{GRINNING FACE}" * 500) for id_ in pushed)
    data = pack(receipt(bytes(8), pushed, Ingested(refused=refused)))
    assert unpack(data, Receipt).held(pushed) == []


def test_a_receipt_names_what_was_refused_now_and_before() -> None:
    stored, known, bad, worse = ids(4)
    done = Ingested(known=(known,), refused=(Refusal(bad, "why"),), refused_before=(worse,))
    made = receipt(b"store---", [bad, stored, worse, known], done)
    assert made == Receipt(b"store---", (Refused(0, "why"), Refused(2, "refused before")))
    assert made.held([bad, stored, worse, known]) == [stored, known]


def test_a_receipt_for_what_was_not_pushed_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match="refuses record 1 of 1"):
        Receipt(bytes(8), (Refused(1, ""),)).held(ids(1))


@given(st.binary(max_size=200) | st.sampled_from([pack(m) for m, _ in golden.values()]), st.data())
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_message_or_malformed(data: bytes, more: st.DataObject) -> None:
    if data:
        place = more.draw(st.integers(0, len(data) - 1))
        data = data[:place] + more.draw(st.binary(max_size=3)) + data[place + 1 :]
    responder = Responder(Peer(2, map(make, range(3))))
    decoders: list[Callable[[bytes], object]] = [
        unpack_request,
        unpack_answer,
        responder.answer,
        *[functools.partial(unpack, kind=type(message)) for message, _ in golden.values()],
    ]
    for decode in decoders:
        with contextlib.suppress(MalformedMessage):
            decode(data)


def test_a_field_that_a_later_version_appends_is_ignored() -> None:
    data = pack(Stale(at))
    assert unpack_answer(b"\x93" + data[1:] + b"\x2a") == Stale(at)
