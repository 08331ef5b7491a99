"""The store against the reference, through whatever may happen to it."""

import itertools
import shutil
import sqlite3
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from p2p.envelope import record_id
from p2p.manifest import MonthKey, SegmentKey
from p2p.store import Ingested, View
from tests.memory_store import MemoryStore
from tests.store.samples import Disk, batches, kinds, open_store

stranger = SegmentKey(b"stranger")


def everything(view: View) -> object:
    """Ask a view all that it can be asked; sequences are named differently in each store."""
    root = view.root()
    months = view.months()
    segments = view.segments([*months, MonthKey(b"stranger")])
    leaves = {key: view.leaves(key) for key in [*itertools.chain(*segments.values()), stranger]}
    ids = {
        (key, first, ids_max): view.ids(key, bytes([first]), bytes([first + 99]), ids_max)
        for key in leaves
        for first in (0, 50, 156)
        for ids_max in (3, 1000)
    }
    return (root.store, root.known, root.held, months, segments, leaves, ids)


def outcome(done: Ingested) -> object:
    """Return what became of a batch, without sequences."""
    return (
        [(row.id, row.kind, row.config, row.producer) for row in done.stored],
        sorted(done.known),
        sorted((refusal.id, refusal.reason) for refusal in done.refused),
        sorted(done.refused_before),
    )


class StoreAgreesWithTheReference(RuleBasedStateMachine):
    """Ingests that succeed and fail, restarts, and views that outlive them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.disk = Disk(self.folder / "store.db")
        self.store = open_store(self.disk.path, connect=self.disk.connect)
        self.reference = MemoryStore(kinds, self.store.id)
        self.old = self.store.view(), self.reference.view()

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    @rule(batch=batches)
    def ingest(self, batch: list[bytes]) -> None:
        """A batch has the same outcome in both."""
        assert outcome(self.store.ingest(batch, 0)) == outcome(self.reference.ingest(batch, 0))

    @rule(batch=batches, statements=st.integers(0, 40))
    def ingest_on_a_failing_disk(self, batch: list[bytes], statements: int) -> None:
        """A batch is stored whole or, if its disk fails at any statement, not at all."""
        self.disk.statements_left = statements
        try:
            self.store.ingest(batch, 0)
        except sqlite3.OperationalError:
            pass
        else:
            self.reference.ingest(batch, 0)
        finally:
            self.disk.statements_left = None

    @rule()
    def reopen(self) -> None:
        """A restart changes nothing, not even for views named by their sequence."""
        self.store.close()
        self.store = open_store(self.disk.path, connect=self.disk.connect)
        ours, theirs = self.old
        self.old = self.store.view(ours.seq), theirs

    @rule()
    def keep_a_view(self) -> None:
        """Keep a view, to see that what comes later does not show in it."""
        self.old = self.store.view(), self.reference.view()

    @invariant()
    def answers_agree(self) -> None:
        """What was known then, what is known now, and the records themselves."""
        ours, theirs = self.old
        assert everything(ours) == everything(theirs)
        assert everything(self.store.view()) == everything(self.reference.view())
        ids = [*self.reference.held, *self.reference.refusals, record_id(b"unknown")]
        assert self.store.bodies(ids) == self.reference.bodies(ids)


TestStoreAgreesWithTheReference = StoreAgreesWithTheReference.TestCase
TestStoreAgreesWithTheReference.settings = settings(
    max_examples=25, stateful_step_count=12, deadline=None
)
