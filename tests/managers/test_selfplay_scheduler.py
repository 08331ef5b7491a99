"""Seeds are never given twice; assignments take turns."""

from pathlib import Path

from managers.selfplay_scheduler import Assignment, SelfplayScheduler, seed_block
from tests.rig import in_virtual_time, rig

one, two = Assignment("square8_2p", ("random", "greedy")), Assignment("hex8_2p", ("greedy",) * 2)


def seeds(folder: Path, count: int, key: bytes = b"secret") -> list[str]:
    """Start a scheduler and take some seeds, then lose it as a crash would."""

    async def story() -> list[str]:
        with rig(folder) as runtime:
            scheduler = SelfplayScheduler(runtime, seed_key=key, assignments=[one])
            return [await scheduler.next_seed() for _ in range(count)]

    return in_virtual_time(story)


def test_no_seed_is_given_twice_not_even_across_crashes(tmp_path: Path) -> None:
    given = seeds(tmp_path, seed_block + 5) + seeds(tmp_path, 5) + seeds(tmp_path, seed_block)
    assert len(set(given)) == len(given)
    assert all(len(seed) == 32 for seed in given)


def test_two_nodes_never_share_seeds(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    ours, theirs = seeds(tmp_path / "a", 50, b"a"), seeds(tmp_path / "b", 50, b"b")
    assert not set(ours) & set(theirs)


def test_assignments_take_turns(tmp_path: Path) -> None:
    async def story() -> list[Assignment]:
        with rig(tmp_path) as runtime:
            scheduler = SelfplayScheduler(runtime, seed_key=b"", assignments=[one, two])
            return [scheduler.next_assignment() for _ in range(5)]

    assert in_virtual_time(story) == [one, two, one, two, one]
