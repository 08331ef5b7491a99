"""A view is of one sequence, whatever comes later, and never costs more than it must."""

import contextlib
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from managers.state.view import SqliteView
from p2p.envelope import Segment, record_id
from p2p.manifest import month_key, segment_key
from tests.memory_store import MemoryStore
from tests.store.samples import Meter, game, kinds, numbered, open_store
from tests.store.test_agreement import everything

large_day, small_day = 1, 2
large = segment_key(Segment("game", "square8_2p", 20_600 + large_day))
small = segment_key(Segment("game", "square8_2p", 20_600 + small_day))


@pytest.mark.parametrize("more", [1, 400])
def test_later_rows_do_not_show(tmp_path: Path, more: int) -> None:
    with contextlib.closing(open_store(tmp_path / "store.db")) as store:
        reference = MemoryStore(kinds, store.id)
        for each in (store, reference):
            each.ingest([*numbered(50), game(1, bad=True)], 0)
        view, expected = store.view(), everything(reference.view())
        assert everything(view) == expected
        later = [game(n, bad=n % 2 == 1, day=n % 40) for n in range(2, 2 + more)]
        store.ingest(later, 0)
        assert everything(view) == expected
        assert everything(store.view(view.seq)) == expected
        assert not {record_id(data) for data in later}.intersection(
            view.ids(large, bytes(32), b"\xff" * 32, 10_000)
        )


def test_leaves_cost_what_came_later_or_what_the_segment_holds(tmp_path: Path) -> None:
    meter = Meter(tmp_path / "store.db")
    with contextlib.closing(open_store(meter.path, connect=meter.connect)) as store:
        store.ingest(numbered(10, day=small_day), 0)
        old = store.view()
        store.ingest(numbered(5000, day=large_day), 0)
        recent = store.view()
        store.ingest(numbered(10, day=large_day + 2), 0)
        assert meter.steps(lambda: old.leaves(small)) < 500
        assert meter.steps(lambda: recent.leaves(large)) < 500


questions: dict[str, Callable[[SqliteView], object]] = {
    "root": SqliteView.root,
    "months": SqliteView.months,
    "segments": lambda view: view.segments([month_key(Segment("game", "square8_2p", 20_601))]),
    "leaves": lambda view: view.leaves(large),
}


@pytest.mark.parametrize("question", questions.values(), ids=questions)
def test_later_rows_are_summed_up_without_being_held(
    tmp_path: Path, question: Callable[[SqliteView], object]
) -> None:
    with contextlib.closing(open_store(tmp_path / "store.db")) as store:
        store.ingest([game(1, day=large_day)], 0)
        view = store.view()
        store.ingest(numbered(2500, day=large_day), 0)
        store.ingest(numbered(2500, day=large_day, bad=True), 0)
        question(store.view())
        tracemalloc.start()
        try:
            question(view)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak_bytes < 32 * 5000


def test_a_view_sums_up_each_later_row_once(tmp_path: Path) -> None:
    meter = Meter(tmp_path / "store.db")
    months = [month_key(Segment("game", "square8_2p", 20_600))]
    with contextlib.closing(open_store(meter.path, connect=meter.connect)) as store:
        store.ingest(numbered(10), 0)
        view = store.view()
        store.ingest(numbered(5000, day=large_day), 0)
        assert meter.steps(lambda: view.segments(months)) > 5000
        store.ingest([game(1, day=large_day), game(2, day=45)], 0)
        assert meter.steps(lambda: view.segments(months)) < 500
        assert meter.steps(view.months) < 500
        assert everything(view) == everything(store.view(view.seq))
