"""Few run at once, in order of arrival, and who is slow makes way for others. In virtual time."""

import trio
import trio.testing

from managers.sync_planner.turns import MadeWay, Turns
from tests.rig import VirtualClock, in_virtual_time, pass_s


class Track:
    """Notes when each turn began, when it ended, and whether it was cut."""

    def __init__(self, places: int) -> None:
        self.turns = Turns(VirtualClock(), places=places, turn_s=60.0)
        self.began: dict[str, float] = {}
        self.through: dict[str, float] = {}
        self.cut: dict[str, float] = {}

    async def run(self, name: str, lasts_s: float) -> None:
        """Take a turn of so long."""
        try:
            async with self.turns.turn():
                self.began[name] = trio.current_time()
                await pass_s(lasts_s)
            self.through[name] = trio.current_time()
        except MadeWay:
            self.cut[name] = trio.current_time()


def play(places: int, *arrivals: tuple[float, str, float]) -> Track:
    """Let some arrive: (when, name, how long it lasts). Return what came of them."""
    track = Track(places)

    async def story() -> None:
        async with trio.open_nursery() as nursery:
            for at_s, name, lasts_s in arrivals:
                await pass_s(at_s - trio.current_time())
                nursery.start_soon(track.run, name, lasts_s)
                await trio.testing.wait_all_tasks_blocked()

    in_virtual_time(story)
    return track


def test_as_many_as_there_are_places_run_at_once_and_the_others_in_order_of_arrival() -> None:
    track = play(2, *((0, name, 10) for name in "abcde"))
    assert track.began == {"a": 0, "b": 0, "c": 10, "d": 10, "e": 20}
    assert track.cut == {}


def test_a_turn_lasts_as_long_as_nobody_waits() -> None:
    track = play(2, (0, "a", 1000), (500, "b", 1000))
    assert track.through == {"a": 1000, "b": 1500}


def test_the_longest_turns_end_as_many_as_there_are_others_waiting() -> None:
    track = play(3, (0, "a", 1000), (10, "b", 1000), (20, "c", 1000), (30, "d", 30), (31, "e", 5))
    assert track.cut == {"a": 60, "b": 70}
    assert track.through == {"c": 1020, "d": 90, "e": 75}


def test_who_has_just_got_a_place_makes_way_in_turn() -> None:
    track = play(1, (0, "a", 1000), (1, "b", 1000), (2, "c", 1000), (3, "d", 1))
    assert track.cut == {"a": 60, "b": 120, "c": 180}


def test_a_turn_that_is_long_over_ends_as_soon_as_another_comes() -> None:
    track = play(1, (0, "a", 1000), (500, "b", 5))
    assert track.cut == {"a": 500}
    assert track.through == {"b": 505}


def test_those_who_come_after_slow_ones_wait_no_longer_than_a_turn_for_each_round_of_them() -> None:
    slow = [(0.0, f"slow {number}", 1e6) for number in range(8)]
    track = play(4, *slow, (1, "quick", 1), (1000, "later", 1))
    assert track.began["quick"] == 120
    assert track.began["later"] <= 1060


def test_who_gives_up_waiting_cuts_nobody_off() -> None:
    track = Track(1)

    async def story() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(track.run, "a", 1000)
            await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(30):
                await track.run("b", 5)
            await pass_s(100)
            nursery.start_soon(track.run, "c", 5)

    in_virtual_time(story)
    assert track.cut == {"a": 130}
    assert track.began == {"a": 0, "c": 130}


def test_a_free_place_is_taken_without_a_look_at_the_others() -> None:
    track = play(3, (0, "a", 1000), (100, "b", 1000), (200, "c", 1))
    assert track.cut == {}
