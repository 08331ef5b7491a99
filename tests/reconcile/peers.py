"""Two stores, and exchanges between them with nothing in between but what a test puts there."""

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from unittest import mock

from hypothesis import strategies as st

from p2p.codec import message_bytes_max, pack
from p2p.envelope import RecordId, make_record, record_id
from p2p.identity.ids import NodeId
from p2p.kinds import Kinds
from p2p.manifest import Digest, MonthKey, SegmentKey, leaf_bits_stored, leaf_of
from p2p.reconcile import (
    Ask,
    Done,
    Initiator,
    Outcome,
    Responder,
    filters,
    parts,
    push_records_max,
    receipt,
)
from p2p.reconcile.messages import (
    Answer,
    ExactAnswer,
    ExactRequest,
    FiltersAnswer,
    FiltersRequest,
    LeavesAnswer,
    LeavesRequest,
    PartAnswer,
    Request,
    SegmentsAnswer,
    SegmentsRequest,
    leaf_digest_bytes,
    unpack_answer,
    unpack_request,
)
from p2p.reconcile.responder import ids_per_answer_max
from p2p.store import Store, View
from tests.memory_store import MemoryStore, MemoryView

producer = NodeId(bytes(16))
day_ms = 86_400_000

_kinds = ("game", "match", "unheard_of")
_configs = ("square8_2p", "hex_3p", "")


@functools.lru_cache(maxsize=100_000)
def make(serial: int, segments: int = 1) -> bytes:
    """Return the record of a serial number, in one of so many segments of several months."""
    place = serial % segments
    kind = _kinds[place % len(_kinds)]
    config = _configs[place // len(_kinds) % len(_configs)]
    day = 20_000 + 7 * (place // (len(_kinds) * len(_configs)))
    return make_record(kind, 1, config, day * day_ms, producer, serial)


@dataclasses.dataclass(frozen=True)
class IndexedView(MemoryView):
    """A `MemoryView` that sorts its rows once, for sets of thousands."""

    @functools.cached_property
    def _leaves(self) -> dict[SegmentKey, dict[int, list[RecordId]]]:
        found: dict[SegmentKey, dict[int, list[RecordId]]] = {}
        for row in sorted(self.rows, key=lambda row: row.id):
            found.setdefault(row.key, {}).setdefault(leaf_of(row.id), []).append(row.id)
        return found

    @functools.cached_property
    def _totals(self) -> dict[SegmentKey, Digest]:
        return {
            key: Digest.of(itertools.chain.from_iterable(leaves.values()))
            for key, leaves in self._leaves.items()
        }

    @functools.cached_property
    def _months(self) -> dict[MonthKey, set[SegmentKey]]:
        found: dict[MonthKey, set[SegmentKey]] = {}
        for row in self.rows:
            found.setdefault(row.month, set()).add(row.key)
        return found

    def months(self) -> Mapping[MonthKey, Digest]:
        """As `MemoryView.months`."""
        of_months = self.segments(self._months)
        return {key: sum(sums.values(), Digest()) for key, sums in of_months.items()}

    def segments(
        self, months: Collection[MonthKey]
    ) -> Mapping[MonthKey, Mapping[SegmentKey, Digest]]:
        """As `MemoryView.segments`."""
        return {
            month: {key: self._totals[key] for key in self._months[month]}
            for month in months
            if month in self._months
        }

    @functools.cached_property
    def _sums(self) -> dict[SegmentKey, list[Digest]]:
        return {
            key: [Digest.of(leaves.get(leaf, ())) for leaf in range(1 << leaf_bits_stored)]
            for key, leaves in self._leaves.items()
        }

    def leaves(self, segment: SegmentKey) -> Sequence[Digest]:
        """As `MemoryView.leaves`."""
        return self._sums.get(segment) or [Digest()] * (1 << leaf_bits_stored)

    def ids(
        self, segment: SegmentKey, first: bytes, last: bytes, ids_max: int
    ) -> Sequence[RecordId]:
        """As `MemoryView.ids`."""
        leaves = self._leaves.get(segment, {})
        known = [id_ for leaf in range(first[0], last[0] + 1) for id_ in leaves.get(leaf, ())]
        return [id_ for id_ in known if first <= id_ <= last][:ids_max]


class Peer(MemoryStore):
    """A store that answers for thousands of records in a test's time."""

    def __init__(
        self, number: int = 0, records: Iterable[bytes] = (), kinds: Kinds | None = None
    ) -> None:
        super().__init__(kinds, number.to_bytes(8, "big"))
        self._view: IndexedView | None = None
        self.ingest(records, 0)

    def view(self, seq: int | None = None) -> IndexedView:
        """As `MemoryStore.view`."""
        view = super().view(seq)
        if self._view is None or self._view.seq != view.seq:
            self._view = IndexedView(view.store, view.seq, view.rows)
        return self._view

    def copy(self) -> "Peer":
        """Return a store with the same id and rows."""
        copy = Peer()
        copy.id, copy.rows, copy.held = self.id, self.rows[:], self.held.copy()
        copy.refusals, copy._kinds = self.refusals.copy(), self._kinds
        return copy

    @property
    def known(self) -> set[RecordId]:
        """Every id, held or refused."""
        return {row.id for row in self.rows}


rngs = st.integers(0, 2**32).map(random.Random)


@st.composite
def pairs(
    draw: st.DrawFn,
    shared_max: int = 500,
    own_max: int = 150,
    over: Sequence[int] = (1, 3, 5, 40),
) -> tuple[Peer, Peer]:
    """Two stores that share some records and have some of their own, over so many segments."""
    segments = draw(st.sampled_from(over))
    shared = draw(st.integers(0, shared_max))
    ours, theirs = draw(st.integers(0, own_max)), draw(st.integers(0, own_max))
    chosen = draw(rngs).sample(range(8000), shared + ours + theirs)
    records = [make(serial, segments) for serial in chosen]
    return Peer(1, records[: ours + shared]), Peer(2, records[ours:])


def differing(shared: int, ours: int, theirs: int, segments: int) -> tuple[Peer, Peer]:
    """Two stores of so many shared and own records, spread over so many segments."""
    records = [make(serial, segments) for serial in range(shared + ours + theirs)]
    return Peer(1, records[: ours + shared]), Peer(2, records[ours:])


def answer_kind(request: bytes) -> type[Answer]:
    """Return which type of message answers a request."""
    match unpack_request(request):
        case SegmentsRequest():
            return SegmentsAnswer
        case LeavesRequest():
            return LeavesAnswer
        case FiltersRequest():
            return FiltersAnswer
        case ExactRequest():
            return ExactAnswer


class Cut(Exception):
    """The connection is gone."""


def nothing(_message: int) -> None:
    """Let every message through."""


@dataclasses.dataclass
class Exchange:
    """What passed between two stores."""

    outcome: Outcome
    requests: list[Request] = dataclasses.field(default_factory=list)
    answers: list[Answer] = dataclasses.field(default_factory=list)
    given: list[RecordId] = dataclasses.field(default_factory=list)
    taken: list[RecordId] = dataclasses.field(default_factory=list)

    def used(self, kind: type[Request]) -> bool:
        """Tell whether any request was of this kind."""
        return any(isinstance(request, kind) for request in self.requests)


class Course:
    """Drives one exchange as a manager does, a message at a time."""

    def __init__(
        self,
        ours: Store,
        theirs: Store,
        rng: random.Random,
        *,
        machine: Initiator | None = None,
        tamper: Callable[[bytes], bytes] = bytes,
        copies: int = 1,
        ids_per_answer: int = ids_per_answer_max,
    ) -> None:
        """`tamper` changes answers; every message and record arrives `copies` times."""
        self._ours = ours
        self._theirs = theirs
        self._tamper = tamper
        self._copies = range(copies)
        self._machine = machine or Initiator(ours.view(), rng)
        self._responder = Responder(theirs, ids_per_answer=ids_per_answer)
        self._numbers = itertools.count()
        self.seen = Exchange(self._machine.outcome)

    def run(self, before: Callable[[int], None] = nothing) -> Exchange:
        """Run to the end, or until `before` raises; it is told each message's number."""
        for number in self.messages():
            before(number)
        return self.seen

    def messages(self) -> Iterator[int]:
        """Yield the number of each message just before it moves."""
        while not isinstance(step := self._machine.next(), Done):
            if isinstance(step, Ask):
                yield from self._ask(step.request)
            else:
                yield from self._push(step.ids)
        self.seen.outcome = step.outcome

    def _ask(self, request: bytes) -> Iterator[int]:
        yield next(self._numbers)
        assert len(request) <= message_bytes_max
        self.seen.requests.append(unpack_request(request))
        *_, reply = [self._responder.answer(request) for _ in self._copies]
        yield next(self._numbers)
        assert len(reply.answer) <= message_bytes_max
        self.seen.answers.append(unpack_answer(reply.answer))
        announced = self._machine.receive(self._tamper(reply.answer))
        bodies = list(self._theirs.bodies(reply.records).values())
        assert len(bodies) <= announced or self._tamper is not bytes
        for start in range(0, len(bodies), 100):
            yield next(self._numbers)
            batch = bodies[start : start + 100]
            for _ in self._copies:
                self._ours.ingest(batch, 0)
            self._machine.received(batch)
            self.seen.taken += map(record_id, batch)

    def _push(self, ids: Sequence[RecordId]) -> Iterator[int]:
        assert 0 < len(ids) <= push_records_max
        bodies = self._ours.bodies(ids)
        if not bodies:
            return
        yield next(self._numbers)
        *_, done = [self._theirs.ingest(bodies.values(), 0) for _ in self._copies]
        yield next(self._numbers)
        order = list(bodies)
        self._machine.pushed(order, pack(receipt(self._theirs.id, order, done)))
        self.seen.given += order


def exchange(
    ours: Store,
    theirs: Store,
    rng: random.Random,
    *,
    before: Callable[[int], None] = nothing,
    ids_per_answer: int = ids_per_answer_max,
) -> Exchange:
    """Run one exchange, begun by `ours`."""
    return Course(ours, theirs, rng, ids_per_answer=ids_per_answer).run(before)


def filters_that_err() -> contextlib.AbstractContextManager[object]:
    """Make every filter hide half of what it should show."""
    return mock.patch.object(parts, "error_rate", return_value=0.5)


@contextlib.contextmanager
def names_that_collide(sums: int = 256) -> Iterator[None]:
    """Make one in 256 pairs of ids look alike, and one in `sums` of leaves and of parts."""
    honest = Digest.short

    def short_ids(ids: Iterable[RecordId], salt: bytes) -> list[bytes]:
        return [hashlib.sha256(salt + id_).digest()[:1] * 8 for id_ in ids]

    def leaf_table(leaves: Iterable[Digest], salt: bytes) -> bytes:
        return b"".join(
            leaf.short(leaf_digest_bytes, salt) + min(leaf.count, 1).to_bytes(4, "big")
            for leaf in leaves
        )

    def short(digest: Digest, size: int, salt: bytes = b"") -> bytes:
        whole = honest(digest, size, salt)
        return bytes([whole[0] % sums]) * size if size == leaf_digest_bytes else whole

    def sums_up(answer: PartAnswer, digest: Digest, salt: bytes) -> bool:
        return digest.short(leaf_digest_bytes, salt) == answer.digest

    with (
        mock.patch.object(parts, "short_ids", short_ids),
        mock.patch.object(parts, "leaf_table", leaf_table),
        mock.patch.object(Digest, "short", short),
        mock.patch.object(PartAnswer, "sums_up", sums_up),
    ):
        yield


def filter_pages(seen: Exchange) -> list[tuple[FiltersRequest, FiltersAnswer]]:
    """Return the questions about filters with their answers."""
    return [
        (request, answer)
        for request, answer in zip(seen.requests, seen.answers, strict=True)
        if isinstance(request, FiltersRequest) and isinstance(answer, FiltersAnswer)
    ]


def filters_in(seen: Exchange) -> int:
    """Count the filters that passed, those asked with and those sent back."""
    return sum(
        len(request.filters) + sum(part.filter is not None for part in answer.parts)
        for request, answer in filter_pages(seen)
    )


def hidden_by_filters(seen: Exchange, mine: View, theirs: View) -> int:
    """Count the records that were hidden by filters, from what each side knew and what passed."""
    hidden = 0
    for request, answer in filter_pages(seen):
        for asked, answered in zip(request.filters, answer.parts, strict=False):
            ours = parts.ids_of(mine, asked.part)
            others = parts.ids_of(theirs, asked.part)
            hidden += len(set(others).difference(ours)) - answered.records
            if answered.filter is not None:
                shown = filters.missing(answered.filter, ours, request.salt)
                hidden += len(set(ours).difference(others, shown))
    return hidden
