"""A store that died at any moment tells, once opened again, what its last commit held."""

import contextlib
import random
import shutil
import sqlite3
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from managers.state.store import SqliteStore
from tests.memory_store import MemoryStore
from tests.reconcile.peers import Course, exchange
from tests.store.samples import Disk, batches, game, games, kinds, numbered, open_store
from tests.store.test_agreement import StoreAgreesWithTheReference
from tests.store.test_durability import sums


class Died(Exception):
    """The process is gone."""


class MortalDisk(Disk):
    """A disk on which the process can die between two statements."""

    statements_to_live: int | None = None
    remains: "MortalDisk | None" = None
    """What the process left behind."""

    def copy(self) -> "MortalDisk":
        """Return the files as they are now, log and all, elsewhere."""
        copied = MortalDisk(Path(tempfile.mkdtemp(dir=self.path.parent)) / self.path.name)
        for end in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(f"{self.path}{end}", f"{copied.path}{end}")
        return copied

    def count(self, sql: str) -> None:
        """Die before this statement if its turn has come."""
        if self.statements_to_live is not None and self.remains is None:
            if self.statements_to_live == 0:
                self.remains = self.copy()
                raise Died
            self.statements_to_live -= 1
        super().count(sql)

    def open(self) -> SqliteStore:
        """Open the store."""
        return open_store(self.path, connect=self.connect)


class RecoveredStoreAgreesWithTheReference(StoreAgreesWithTheReference):
    """As the other, and the process dies between any two statements."""

    def __init__(self) -> None:
        super().__init__()
        self.store.close()
        self._use(MortalDisk(self.folder / "mortal.db"))
        self.reference = MemoryStore(kinds, self.store.id)
        self.old = self.store.view(), self.reference.view()

    @rule(batch=batches, statements=st.integers(0, 40))
    def die_during_an_ingest(self, batch: list[bytes], statements: int) -> None:
        """A batch that was not committed has left no trace; one that was is there."""
        died = self.mortal
        died.statements_to_live = statements
        try:
            self.store.ingest(batch, 0)
        except Died:
            pass
        else:
            self.reference.ingest(batch, 0)
        remains = died.remains or died.copy()
        self.store.close()
        ours, theirs = self.old
        self._use(remains)
        self.old = self.store.view(ours.seq), theirs

    def _use(self, disk: MortalDisk) -> None:
        self.disk = self.mortal = disk
        self.store = disk.open()


TestRecoveredStoreAgreesWithTheReference = RecoveredStoreAgreesWithTheReference.TestCase
TestRecoveredStoreAgreesWithTheReference.settings = settings(
    max_examples=15, stateful_step_count=10, deadline=None
)


def refilled(store: SqliteStore) -> MemoryStore:
    """Return the reference, filled with all that a store knows, records and refusals."""
    reference = MemoryStore(kinds, store.id)
    held = [
        id_ for kind in ("game", "unheard_of") for page in store.iterate_ids(kind) for id_ in page
    ]
    reference.ingest(store.bodies(held).values(), 0)
    reference.ingest([letter.body for letter in store.dead_letters(999) if letter.body], 0)
    return reference


@given(
    st.sets(games, max_size=40),
    st.sets(games, max_size=40),
    st.integers(0, 60),
    st.booleans(),
    st.integers(0, 2**32).map(random.Random),
)
@settings(max_examples=20, deadline=None)
def test_after_a_death_at_any_message_the_next_exchange_converges(
    ours: set[bytes], theirs: set[bytes], messages: int, initiator_dies: bool, rng: random.Random
) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as opened:
        disks = [MortalDisk(Path(folder) / f"{n}.db") for n in range(2)]
        stores = [opened.enter_context(contextlib.closing(disk.open())) for disk in disks]
        for store, records in zip(stores, (ours, theirs), strict=True):
            store.ingest(sorted(records), 0)
        dying = disks[0 if initiator_dies else 1]
        dying.statements_to_live = messages
        with contextlib.suppress(Died):
            Course(stores[0], stores[1], rng).run()
        again = (dying.remains or dying.copy()).open()
        opened.enter_context(contextlib.closing(again))
        one, other = (again, stores[1]) if initiator_dies else (stores[0], again)
        exchange(one, other, rng)
        whole = MemoryStore(kinds)
        whole.ingest(ours | theirs, 0)
        assert one.view().root().held == other.view().root().held == whole.view().root().held
        for store in (one, other):
            assert sums(store.view()) == sums(refilled(store).view())


def test_a_cold_start_answers_its_first_root_without_a_scan(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with contextlib.closing(open_store(path)) as store:
        store.ingest([*numbered(300), game(1, bad=True), game(2, day=45)], 0)
        root, months = store.view().root(), store.view().months()
    asked: list[str] = []

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, check_same_thread=False)
        connection.set_trace_callback(asked.append)
        return connection

    with contextlib.closing(open_store(path, connect=connect)) as store:
        view = store.view()
        assert (view.root(), view.months()) == (root, months)
    queries = [sql for sql in asked if sql.startswith("SELECT")]
    assert len(queries) > 4
    with contextlib.closing(sqlite3.connect(path)) as db:
        plans = [
            plan
            for sql in queries
            for *_, plan in db.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
        ]
    assert "SEARCH records USING INTEGER PRIMARY KEY (rowid>?)" in plans
    touched = {plan for plan in plans if "records" in plan or "bodies" in plan}
    assert touched == {"SEARCH records USING INTEGER PRIMARY KEY (rowid>?)"}
