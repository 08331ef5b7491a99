"""What a node has spent on each config outlives its agent, however that ends."""

from collections.abc import Callable

import pytest

from managers.selfplay_scheduler import turn_s
from tests.sim.world import World

lived_s = 20.0


def charged_s(world: World, name: str) -> dict[str, float]:
    """Return what the store of a box says of each config."""
    found = world.boxes[name].up.store.get_setting("selfplay-charged-s")
    assert isinstance(found, dict)
    return found


def stop(world: World) -> None:
    world.stop("a")


def crash(world: World) -> None:
    world.crash("a")


@pytest.mark.parametrize(("end", "first_turn_s"), [(stop, lived_s), (crash, turn_s)])
def test_a_turn_cut_short_is_charged_what_is_known_of_it(
    end: Callable[[World], None], first_turn_s: float
) -> None:
    with World(seed=1) as world:
        world.start("a")
        world.advance(lived_s)
        end(world)
        world.start("a")
        world.advance(1.0)
        first, second = (round(spent) for spent in sorted(charged_s(world, "a").values())[-2:])
        assert (first, second) == (first_turn_s, turn_s)
        assert len(charged_s(world, "a")) == 12
