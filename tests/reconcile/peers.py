"""Two stores, and exchanges between them with nothing in between but what a test puts there."""

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from unittest import mock

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
    Push,
    Responder,
    parts,
    push_records_max,
    receipt,
)
from p2p.reconcile.messages import Answer, Request, unpack_answer, unpack_request
from p2p.reconcile.responder import ids_per_answer_max
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
        return {key: sum(self.segments([key]).values(), Digest()) for key in self._months}

    def segments(self, months: Collection[MonthKey]) -> Mapping[SegmentKey, Digest]:
        """As `MemoryView.segments`."""
        keys = {key for month in months for key in self._months.get(month, ())}
        return {key: self._totals[key] for key in keys}

    def leaves(self, segment: SegmentKey) -> Sequence[Digest]:
        """As `MemoryView.leaves`."""
        sums = [Digest()] * (1 << leaf_bits_stored)
        for leaf, ids in self._leaves.get(segment, {}).items():
            sums[leaf] = Digest.of(ids)
        return sums

    def ids(self, segment: SegmentKey, leaf: int) -> Sequence[RecordId]:
        """As `MemoryView.ids`."""
        return self._leaves.get(segment, {}).get(leaf, [])


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


class Cut(Exception):
    """The connection is gone."""


def nothing(_step: int) -> None:
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
        ours: Peer,
        theirs: Peer,
        rng: random.Random,
        *,
        before: Callable[[int], None] = nothing,
        tamper: Callable[[bytes], bytes] = bytes,
        requests: int = 16_384,
        ids_per_answer: int = ids_per_answer_max,
    ) -> None:
        """Call `before` with the number of each message before it moves; `tamper` with answers."""
        self._ours = ours
        self._theirs = theirs
        self._before = before
        self._tamper = tamper
        self._machine = Initiator(ours.view(), rng, requests=requests)
        self._responder = Responder(theirs, ids_per_answer=ids_per_answer)
        self._moved = 0
        self.seen = Exchange(self._machine.outcome)

    def run(self) -> Exchange:
        """Run to the end, or until `before` raises."""
        while True:
            match self._machine.next():
                case Ask(request):
                    self._ask(request)
                case Push(ids):
                    self._push(ids)
                case Done(outcome):
                    self.seen.outcome = outcome
                    return self.seen

    def _move(self) -> None:
        self._before(self._moved)
        self._moved += 1

    def _ask(self, request: bytes) -> None:
        self._move()
        assert len(request) <= message_bytes_max
        self.seen.requests.append(unpack_request(request))
        reply = self._responder.answer(request)
        self._move()
        assert len(reply.answer) <= message_bytes_max
        self.seen.answers.append(unpack_answer(reply.answer))
        announced = self._machine.receive(self._tamper(reply.answer))
        bodies = list(self._theirs.bodies(reply.records).values())
        assert len(bodies) <= announced or self._tamper is not bytes
        for start in range(0, len(bodies), 100):
            self._move()
            batch = bodies[start : start + 100]
            self._ours.ingest(batch, 0)
            self._machine.received(len(batch))
            self.seen.taken += map(record_id, batch)

    def _push(self, ids: Sequence[RecordId]) -> None:
        assert 0 < len(ids) <= push_records_max
        bodies = self._ours.bodies(ids)
        if not bodies:
            return
        self._move()
        done = self._theirs.ingest(bodies.values(), 0)
        self._move()
        order = list(bodies)
        self._machine.pushed(order, pack(receipt(self._theirs.id, order, done)))
        self.seen.given += order


def exchange(
    ours: Peer,
    theirs: Peer,
    rng: random.Random,
    *,
    before: Callable[[int], None] = nothing,
    ids_per_answer: int = ids_per_answer_max,
) -> Exchange:
    """Run one exchange, begun by `ours`."""
    return Course(ours, theirs, rng, before=before, ids_per_answer=ids_per_answer).run()


@contextlib.contextmanager
def names_that_collide() -> Iterator[None]:
    """Make one in 256 pairs of ids, and of leaves, have the same name under a salt."""

    def short_ids(ids: Iterable[RecordId], salt: bytes) -> list[bytes]:
        return [hashlib.sha256(salt + id_).digest()[:1] * 8 for id_ in ids]

    def leaf_table(leaves: Iterable[Digest], salt: bytes) -> bytes:
        return b"".join(
            leaf.short(1, salt) * 8 + min(leaf.count, 1).to_bytes(4, "big") for leaf in leaves
        )

    with (
        mock.patch.object(parts, "short_ids", short_ids),
        mock.patch.object(parts, "leaf_table", leaf_table),
    ):
        yield
