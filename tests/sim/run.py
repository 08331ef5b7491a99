"""A run drawn from a seed: the same run in every process."""

import dataclasses
import random
from collections.abc import Mapping

from tests.sim.mesh import Mesh


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What became of a run."""

    trace: list[str]
    failure: str
    """What was wrong; empty if nothing was."""
    tally: Mapping[str, int]
    """What has happened, and how often."""


def random_run(seed: int, nodes: int, steps: int) -> Result:
    """Let `steps` things happen to a mesh, then heal it and check what must hold."""
    mesh = Mesh(seed, nodes)
    try:
        rng = random.Random(f"steps {seed}")
        for _ in range(steps):
            _step(mesh, rng)
        mesh.settle()
    except AssertionError as error:
        return Result(mesh.world.trace.lines, str(error), mesh.tally)
    finally:
        mesh.close()
    return Result(mesh.world.trace.lines, "", mesh.tally)


def _step(mesh: Mesh, rng: random.Random) -> None:
    """Let one thing happen, and a little or a long time pass."""
    box, other = rng.choice(mesh.names), rng.choice(mesh.names)
    match rng.randrange(16):
        case 0 | 1 | 2 | 3 | 4:
            mesh.produce(box, rng.randint(1, 5))
        case 5 | 6:
            mesh.crash(box)
        case 7 | 8:
            mesh.start(box)
        case 9:
            mesh.cut(box, other)
        case 10:
            rng.choice((mesh.world.mend, lambda: mesh.split(1)))()
        case 11:
            mesh.weather(rng.choice((0.0, 0.1, 0.4)), rng.choice((0.0, 0.2)))
        case 12:
            _lose_a_disk(mesh, rng, box, other)
        case 13:
            mesh.stop(box)
        case 14:
            rng.choice((mesh.back_up, mesh.restore))(box)
        case 15:
            rng.choice((mesh.clear, lambda: mesh.fill(box)))()
    mesh.advance(rng.choice((0.03, 0.3, 3.0, 15.0)))


def _lose_a_disk(mesh: Mesh, rng: random.Random, box: str, other: str) -> None:
    match rng.randrange(3):
        case 0:
            mesh.wipe(box)
        case 1:
            mesh.preempt(box, 2, 0.3)
        case 2:
            mesh.replace(box, observer=other)
