"""Who else holds what, against a model that keeps every fact by itself."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Collection
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from managers.state.store import SqliteStore
from p2p.envelope import record_id
from p2p.identity.ids import NodeId
from p2p.store import Mark, Safety, Stored
from tests.store.samples import Disk, batches, game, open_store, producers

me = producers[0]
nodes = (*producers, NodeId(b"D" * 16), NodeId(b"E" * 16))


@dataclasses.dataclass
class Model:
    """Every held row, and every (peer, sequence) of which there is evidence."""

    rows: list[Stored] = dataclasses.field(default_factory=list)
    store_of: dict[NodeId, bytes] = dataclasses.field(default_factory=dict)
    evidence: set[tuple[NodeId, int]] = dataclasses.field(default_factory=set)

    def note(self, peer: NodeId, store: bytes, seqs: Collection[int]) -> None:
        if self.store_of.setdefault(peer, store) != store:
            self.store_of[peer] = store
            self.evidence = {fact for fact in self.evidence if fact[0] != peer}
        self.evidence |= {(peer, seq) for seq in seqs}

    def void(self, peer: NodeId, store: bytes) -> None:
        if peer in self.store_of:
            self.store_of[peer] = store
        self.evidence = {fact for fact in self.evidence if fact[0] != peer}

    def unsafe(self, durable: Collection[NodeId]) -> list[Stored]:
        """Apply the rule of the design, word by word; `durable` includes me if I am."""
        found = []
        for row in self.rows:
            members = set(durable) - {row.producer}
            holders = {m for m in members if m == me or (m, row.seq) in self.evidence}
            if len(holders) < max(1, min(2, len(members))):
                found.append(row)
        return found

    def only_here(self, others: Collection[NodeId]) -> list[Stored]:
        elsewhere = {seq for peer, seq in self.evidence if peer in others}
        return [row for row in self.rows if row.seq not in elsewhere]


some_batch = st.tuples(st.just("batch"), batches)
peers = st.sampled_from(nodes)
peer_stores = st.sampled_from([b"store--1"] * 5 + [b"store--2"])
receipts = st.tuples(st.just("receipts"), peers, peer_stores, st.sets(st.integers(1, 12)))
sent = st.tuples(st.just("sent"), peers, peer_stores, batches)
watermarks = st.tuples(st.just("watermark"), peers, peer_stores, st.integers(1, 12))
voids = st.tuples(st.just("void"), peers, peer_stores)
claims = (receipts, receipts, sent, sent, watermarks, watermarks, voids)
steps = st.lists(st.one_of(some_batch, *claims), max_size=12)
first = [game(n, producer=producers[n % 3], bad=n == 7) for n in range(12)]


@settings(max_examples=100, deadline=None)
@given(
    steps=steps,
    durable=st.sets(st.sampled_from(nodes), max_size=4),
    others=st.sets(st.sampled_from(nodes[1:])),
    limit=st.integers(1, 9),
)
def test_safety_follows_from_the_evidence(
    steps: list[tuple[object, ...]], durable: set[NodeId], others: set[NodeId], limit: int
) -> None:
    model = Model()
    with tempfile.TemporaryDirectory() as folder:
        disk = Disk(Path(folder) / "store.db")
        with contextlib.closing(open_store(disk.path, connect=disk.connect)) as store:
            for step in [("batch", first), *steps]:
                take(step, store, model)
            check(store, model, durable, others, limit)


def take(step: tuple[object, ...], store: SqliteStore, model: Model) -> None:
    """Let the same happen to the store and to the model."""
    match step:
        case ("batch", list(batch)):
            model.rows += store.ingest(batch, 0).stored
        case ("sent", bytes(peer), bytes(peer_store), list(batch)):
            at = Mark(peer_store, 7)
            model.rows += store.ingest(batch, 0, source=NodeId(peer), source_at=at).stored
            ids = [record_id(data) for data in batch]
            if seqs := [row.seq for row in model.rows if row.id in ids]:
                model.note(NodeId(peer), peer_store, seqs)
        case ("receipts", bytes(peer), bytes(peer_store), set(seqs)):
            rows = [row for row in model.rows if row.seq in seqs]
            ids = [row.id for row in rows]
            store.note_receipts(NodeId(peer), Mark(peer_store, 7), [*ids, record_id(b"not held")])
            model.note(NodeId(peer), peer_store, [row.seq for row in rows])
        case ("watermark", bytes(peer), bytes(peer_store), int(seq)):
            store.note_watermark(NodeId(peer), Mark(peer_store, 7), seq)
            model.note(NodeId(peer), peer_store, range(1, seq + 1))
        case ("void", bytes(peer), bytes(peer_store)):
            store.void_evidence(NodeId(peer), Mark(peer_store, 3))
            model.void(NodeId(peer), peer_store)


def check(
    store: SqliteStore, model: Model, durable: set[NodeId], others: set[NodeId], limit: int
) -> None:
    """Compare all that follows from the evidence."""
    for kind in ("game", "unheard_of", "never_seen"):
        rows = [row for row in model.rows if row.kind == kind]
        unsafe = [row.seq for row in model.unsafe(durable) if row.kind == kind]
        only_here = [row.id for row in model.only_here(others) if row.kind == kind]
        after = rows[len(rows) // 2].seq if rows else 0
        overdue = sum(seq <= after for seq in unsafe)
        assert store.safety(kind, me, durable, others, after) == Safety(
            len(rows), len(rows) - len(unsafe), len(only_here), overdue
        )
        assert store.only_here_ids(kind, others, limit) == only_here[:limit]
    for peer in nodes:
        assert all((peer, seq) in model.evidence for seq in range(1, store.watermark(peer) + 1))


def test_how_far_a_peer_had_come_is_remembered_with_the_evidence(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with contextlib.closing(open_store(path)) as store:
        store.ingest(first, 0)
        store.note_watermark(nodes[1], Mark(b"store--1", 40), 1)
        store.note_watermark(nodes[1], Mark(b"store--1", 30), 1)
        assert store.seen() == {nodes[1]: Mark(b"store--1", 40)}
    with contextlib.closing(open_store(path)) as store:
        store.note_receipts(nodes[1], Mark(b"store--2", 5), [])
        assert store.seen() == {nodes[1]: Mark(b"store--2", 5)}
        assert store.watermark(nodes[1]) == 0


def test_voided_evidence_stays_void_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with contextlib.closing(open_store(path)) as store:
        ids = [row.id for row in store.ingest(first, 0).stored]
        store.note_watermark(nodes[1], Mark(b"store--1", 40), 3)
        store.note_receipts(nodes[1], Mark(b"store--1", 40), ids[5:])
        store.void_evidence(nodes[1], Mark(b"store--1", 20))
    with contextlib.closing(open_store(path)) as store:
        assert store.seen() == {nodes[1]: Mark(b"store--1", 20)}
        assert store.watermark(nodes[1]) == 0
        assert store.only_here_ids("game", nodes, 20) == ids
