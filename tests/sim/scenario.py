"""Stories told in plain text: what happens, a line each, and what the agents then say.

start a b           start agents
stop a              in good order
crash a             cut the power
wipe a              lose the disk of a box that is down
backup a, restore a copy a disk, and go on with the copy on a box that is down
fill a, clear a     leave no room on a disk, and make room again
produce a 3         play games
cut a b, mend       nothing from a reaches b any more; undo all cuts
split a b           cut these off from all others, both ways
loss 0.3            that part of all messages gets lost
wait 5              let virtual seconds pass
status              show what every running agent says; the indented lines below it
# why               a remark
"""

from collections.abc import Sequence

from tests.sim.world import World
from transports.memory import Conditions

_indent = "    "
_fleeting = ("loop ", "selfplay-1: its worker has been at one game of ")
"""How problems begin that are there or not by chance, since a loop has failed and waits to go on,
or that are of the simulation, whose workers play when they are told to."""


def perform(story: str, seed: int) -> str:
    """Let a story happen, and return it with what the agents really said."""
    told: list[str] = []
    with World(seed) as world:
        for line in story.splitlines():
            if line.startswith(_indent):
                continue
            told.append(line)
            verb, *words = line.split() or [""]
            if verb in _looks:
                look = _looks[verb]
                told += [_indent + said for name in world.running for said in look(world, name)]
            elif verb not in ("", "#"):
                _act(world, verb, words)
    return "\n".join(told) + "\n"


def _act(world: World, verb: str, words: Sequence[str]) -> None:
    match verb, *words:
        case "start", *names:
            for name in names:
                world.start(name)
        case "stop", name:
            world.stop(name)
        case "crash", name:
            world.crash(name)
        case "wipe", name:
            world.wipe(name)
        case "backup", name:
            world.back_up(name)
        case "restore", name:
            world.restore(name)
        case "fill", name:
            world.fill(name)
        case "clear", name:
            world.clear(name)
        case "produce", name, count:
            world.produce(name, int(count))
        case "cut", source, target:
            world.cut(source, target)
        case "split", *names:
            world.split(names)
        case "mend", *_:
            world.mend()
        case "loss", part:
            world.weather(Conditions(loss=float(part)))
        case "wait", seconds:
            world.advance(float(seconds))
        case _:
            raise ValueError(f"nobody knows how to {verb} {' '.join(words)}")


def _games(world: World, name: str) -> list[str]:
    games = world.status(name)["records"]["games"]
    return [f"{name}: {games['stored']} games, {games['safe']} safe"]


def _status(world: World, name: str) -> list[str]:
    status = world.status(name)
    others = [
        f"{member['name']} {member['state']}"
        for member in status["mesh"]["members"]
        if member["id"] != status["node"]["id"]
    ]
    (games,) = _games(world, name)
    problems = [
        f"{_indent}{world.told(problem)}"
        for problem in sorted(status["problems"])
        if not problem.startswith(_fleeting)
    ]
    return [f"{games}; {', '.join(sorted(others)) or 'alone'}", *problems]


_looks = {"status": _status, "games": _games}
