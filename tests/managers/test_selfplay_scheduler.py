"""Seeds are never given twice; configs have equal shares of the time, whatever their games cost."""

import collections
import dataclasses
import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from managers.selfplay_scheduler import SelfplayScheduler, seed_block, turn_s
from mixins.runtime import Runtime
from mixins.store_access import StoreAccess
from p2p.identity.ids import NodeId
from p2p.store import NodeStore
from tests.rig import in_virtual_time, me, rig

names = ("square8_2p", "hex8_2p", "square19_4p")
lineups = {name: [("random", "greedy"), ("greedy", "greedy")] for name in names}


def scheduler(runtime: Runtime, configs: Sequence[str] = names) -> SelfplayScheduler:
    return SelfplayScheduler(
        runtime, seed_key=b"", lineups={name: lineups[name] for name in configs}
    )


def seeds(folder: Path, count: int, key: bytes = b"secret") -> list[str]:
    """Start a scheduler and take some seeds, then lose it as a crash would."""

    async def story() -> list[str]:
        with rig(folder) as runtime:
            giver = SelfplayScheduler(runtime, seed_key=key, lineups=lineups)
            return [await giver.next_seed() for _ in range(count)]

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


# What is played next

costs = st.fixed_dictionaries({name: st.floats(0.01, 400) for name in names})
"""What a game of each config costs, in seconds."""

endings = st.lists(st.sampled_from(["goes on", "is stopped", "is killed"]), max_size=40)
"""What becomes of the agent after each turn."""


class Settings:
    """A store that keeps settings and nothing else, in no time."""

    def __init__(self) -> None:
        self._kept: dict[str, object] = {}
        self.is_full = False

    def get_setting(self, name: str) -> object:
        """See `NodeStore`."""
        return self._kept.get(name)

    def set_setting(self, name: str, value: object) -> None:
        """See `NodeStore`."""
        if self.is_full:
            raise OSError("no space left on device")
        self._kept[name] = value


class Node:
    """A node that plays turns on several slots, and is restarted in between."""

    def __init__(self, runtime: Runtime, cost_s: dict[str, float], slots: int) -> None:
        store = StoreAccess(cast(NodeStore, Settings()), runtime.threads)
        self._runtime = dataclasses.replace(runtime, store=store)
        self._cost_s = cost_s
        self._slots = slots
        self._under_way: list[str] = []
        self._unknown_s = 0.0
        """What turns may have cost whose end nobody saw."""
        self.spent_s = dict.fromkeys(names, 0.0)

    async def start(self) -> None:
        """Start the agent."""
        self._chooser = scheduler(self._runtime)
        await self._chooser.load()

    async def play(self) -> None:
        """Begin as many turns as there are slots, and play the oldest to its end."""
        while len(self._under_way) < self._slots:
            self._under_way.append((await self._chooser.begin_turn()).config)
        config = self._under_way.pop(0)
        taken_s = self._cost_s[config] * math.ceil(turn_s / self._cost_s[config])
        self.spent_s[config] += taken_s
        self._chooser.end_turn(config, taken_s)

    async def restart(self, ending: str) -> None:
        """Stop in good order, or be killed, and start again."""
        if ending == "is stopped":
            for config in self._under_way:
                self._chooser.end_turn(config, 0.0)
            await self._chooser.save()
        else:
            self._unknown_s += (len(self._under_way) + 1) * self._longest_s
        self._under_way.clear()
        await self.start()

    @property
    def _longest_s(self) -> float:
        return turn_s + max(self._cost_s.values())

    def check(self) -> None:
        """Check that no config has had much more than another."""
        apart_s = max(self.spent_s.values()) - min(self.spent_s.values())
        assert apart_s <= (self._slots + 1) * self._longest_s + self._unknown_s


def test_shares_of_the_time_stay_alike_whatever_a_game_costs_and_however_often_it_restarts(
    tmp_path: Path,
) -> None:
    with rig(tmp_path) as runtime:

        @settings(deadline=None, max_examples=50)
        @given(cost_s=costs, slots=st.integers(1, 3), after=endings)
        def law(cost_s: dict[str, float], slots: int, after: list[str]) -> None:
            async def story() -> None:
                node = Node(runtime, cost_s, slots)
                await node.start()
                for ending in [*after, *["goes on"] * 30]:
                    await node.play()
                    node.check()
                    if ending != "goes on":
                        await node.restart(ending)
                assert all(node.spent_s.values()), "a config has starved"

            in_virtual_time(story)

        law()


def first_configs(folder: Path, count: int, *, node: NodeId = me) -> list[str]:
    """Start a scheduler and begin some turns, then lose it as a crash would."""

    async def story() -> list[str]:
        with rig(folder, node=node) as runtime:
            chooser = scheduler(runtime)
            await chooser.load()
            return [(await chooser.begin_turn()).config for _ in range(count)]

    return in_virtual_time(story)


def test_turns_under_way_at_the_same_time_are_of_different_configs(tmp_path: Path) -> None:
    assert sorted(first_configs(tmp_path, 3)) == sorted(names)


def test_an_agent_that_is_killed_in_every_turn_gets_round_to_all(tmp_path: Path) -> None:
    begun = [first_configs(tmp_path, 1)[0] for _ in range(6)]
    assert sorted(begun[:3]) == sorted(begun[3:]) == sorted(names)


def test_not_all_nodes_begin_with_the_same_config(tmp_path: Path) -> None:
    begun = set()
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        begun.add(first_configs(folder, 1, node=NodeId(bytes([number] * 16)))[0])
    assert begun == set(names)


def test_a_turn_that_could_not_be_written_down_is_not_charged(tmp_path: Path) -> None:
    async def story() -> tuple[str, str]:
        with rig(tmp_path) as runtime:
            kept = Settings()
            store = StoreAccess(cast(NodeStore, kept), runtime.threads)
            chooser = scheduler(dataclasses.replace(runtime, store=store))
            kept.is_full = True
            with pytest.raises(OSError, match="no space"):
                await chooser.begin_turn()
            with trio.CancelScope() as scope:
                scope.cancel()
                await chooser.begin_turn()
            assert scope.cancelled_caught
            kept.is_full = False
            return (await chooser.begin_turn()).config, (await chooser.begin_turn()).config

    (tmp_path / "other").mkdir()
    assert list(in_virtual_time(story)) == first_configs(tmp_path / "other", 2)


def test_a_turn_is_charged_what_it_has_cost(tmp_path: Path) -> None:
    async def story() -> list[str]:
        with rig(tmp_path) as runtime:
            chooser = scheduler(runtime)
            first = (await chooser.begin_turn()).config
            chooser.end_turn(first, 2.5 * turn_s)
            order = [first]
            for _ in range(6):
                order.append((await chooser.begin_turn()).config)
                chooser.end_turn(order[-1], turn_s)
            return order

    first, *rest = in_virtual_time(story)
    assert sorted(rest[:4]) == sorted(2 * [each for each in names if each != first])
    assert first not in rest[4:]  # it has had what 2.5 turns cost, the others 2 turns each


def _set_charged(store: NodeStore, value: object) -> None:
    store.set_setting("selfplay-charged-s", value)


def test_a_config_that_is_new_here_gets_its_share_and_no_more(tmp_path: Path) -> None:
    async def story() -> list[str]:
        with rig(tmp_path) as runtime:
            charged = {"gone_2p": 0.0} | dict.fromkeys(names[:2], 6000.0)
            await runtime.store.write(functools.partial(_set_charged, value=charged))
            chooser = scheduler(runtime)
            await chooser.load()
            return [(await chooser.begin_turn()).config for _ in range(6)]

    assert collections.Counter(in_virtual_time(story)) == dict.fromkeys(names, 2)


def test_what_makes_no_sense_in_the_store_counts_for_nothing(tmp_path: Path) -> None:
    async def story() -> str:
        with rig(tmp_path) as runtime:
            chooser = scheduler(runtime)
            await chooser.save()
            for value in (7, [1], {"hex8_2p": "much", "gone_2p": 5.0}):
                await chooser.write(functools.partial(_set_charged, value=value))
                await chooser.load()
            return (await chooser.begin_turn()).config

    assert in_virtual_time(story) in names


def test_every_lineup_of_a_config_is_played(tmp_path: Path) -> None:
    async def story() -> set[tuple[str, ...]]:
        with rig(tmp_path) as runtime:
            chooser = scheduler(runtime)
            return {(await chooser.begin_turn()).players for _ in range(60)}

    assert in_virtual_time(story) == {("random", "greedy"), ("greedy", "greedy")}
