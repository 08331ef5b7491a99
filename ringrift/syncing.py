"""What the operator is told of the exchanges that `sync` asks for, in lines of JSON.

Each line has `event`, `peer` and `name`. For each peer comes `begun`, when its turn has come, then
`result`; and until then `progress`, at least once a second.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

from managers.sync_planner import Sync, SyncPlanner
from mixins.alarm import Alarm
from mixins.runtime import Runtime
from p2p.identity.ids import NodeId
from p2p.membership import Member, MemberState
from p2p.store import NodeStore
from ringrift.printable import quoted

progress_interval_s = 1.0
"""Shorter than any client's patience with a silent agent."""

_named_max = 10


class NoSuchMember(ValueError):
    """There is none, or more than one, of that name; the message tells which there are."""


def member_named(text: str, members: Iterable[Member], me: NodeId) -> Member:
    """Return the member but `me` with this id or name, or beginning of one.

    A whole id comes before a whole name, and that before what begins so. Raises `NoSuchMember`.
    """
    everyone = sorted(members, key=lambda member: (member.name, member.id))
    candidates = [member for member in everyone if member.id != me]
    ways: Sequence[Callable[[Member], bool]] = (
        lambda member: member.id.hex() == text.lower(),
        lambda member: member.name == text,
        lambda member: text != "" and _begins(member, text),
    )
    for way in ways:
        found = [member for member in candidates if way(member)]
        if len(found) == 1:
            return found[0]
        if found:
            raise NoSuchMember(f"{quoted(text)} may be any of {_listed(found)}")
        if any(way(member) for member in everyone):
            raise NoSuchMember(f"{quoted(text)} is this node; {_others(candidates)}")
    raise NoSuchMember(f"there is no other member {quoted(text)}; {_others(candidates)}")


def _begins(member: Member, text: str) -> bool:
    return member.name.startswith(text) or member.id.hex().startswith(text.lower())


def _others(members: Sequence[Member]) -> str:
    return f"the others are {_listed(members)}" if members else "there is no other at all"


def _listed(members: Sequence[Member]) -> str:
    names = [f"{member.name} ({member.id.hex()[:12]})" for member in members[:_named_max]]
    more = len(members) - len(names)
    return ", ".join([*names, f"{more} more"] if more else names)


class Syncing:
    """Begins exchanges, and tells of them in lines of JSON."""

    def __init__(self, runtime: Runtime, planner: SyncPlanner) -> None:
        self._runtime = runtime
        self._planner = planner

    def partners(self, name: str | None) -> Sequence[Member]:
        """Return the member of that name, or all that are alive. Raises `NoSuchMember`."""
        if name is None:
            return self._planner.alive_peers()
        present = (
            member
            for member in self._runtime.peers.members()
            if member.state is not MemberState.LEFT
        )
        return [member_named(name, present, self._runtime.node)]

    async def begin(self, what: str, partners: Iterable[Member]) -> AsyncIterator[bytes]:
        """Begin an exchange with each of these, and return the lines that tell of them.

        They go on to their end whether or not the lines are read. Raises `ValueError` as
        `SyncPlanner.sync`.
        """
        games = sum((await self._runtime.store.read(_games)).values())
        alarm = Alarm()
        syncs = self._planner.sync(what, partners, alarm.ring)
        return self._lines(syncs, alarm, games)

    async def _lines(self, syncs: Sequence[Sync], alarm: Alarm, games: int) -> AsyncIterator[bytes]:
        waiting, running = list(syncs), list[Sync]()
        while waiting or running:
            for sync in [each for each in waiting if each.outcome is not None or each.ended]:
                waiting.remove(sync)
                running.append(sync)
                yield _line("begun", sync.member, {})
            for sync in [each for each in running if each.ended]:
                running.remove(sync)
                yield _line("result", sync.member, _result(sync, games))
            for sync in [*running, *waiting]:
                yield _line("progress", sync.member, _progress(sync))
            if waiting or running:
                await alarm.wait(self._runtime.clock.monotonic_s() + progress_interval_s)


def _games(store: NodeStore) -> Mapping[str, int]:
    return store.count_by_config("game")


def _line(event: str, member: Member, told: Mapping[str, object]) -> bytes:
    line = {"event": event, "peer": member.id.hex(), "name": member.name, **told}
    return json.dumps(line).encode() + b"\n"


def _progress(sync: Sync) -> Mapping[str, object]:
    done = sync.outcome
    return {
        "waiting": done is None,
        "offered": 0 if done is None else done.offered,
        "taken": 0 if done is None else done.taken,
        "given": 0 if done is None else done.given,
        "message_bytes": 0 if done is None else done.message_bytes,
    }


def _result(sync: Sync, games: int) -> Mapping[str, object]:
    """Tell how an exchange ended; before it began, `games` were held here.

    Those are on both now if it proved that the peer holds what we hold; how many there are if
    records came as well is not counted.
    """
    done = sync.outcome
    assert sync.ended_s is not None, "only then is there a result"
    if done is None:
        return {"complete": False, "reason": sync.failure}
    return {
        "complete": done.complete,
        "reason": sync.failure,
        "games_on_both": games if done.proves_copies and not done.taken else None,
        "phases": done.phases,
        "requests": done.requests,
        "message_bytes": done.message_bytes,
        "filters": done.filters,
        "false_positives": done.false_positives,
        "exact_lists": done.exact_lists,
        "taken": done.taken,
        "given": done.given,
        "refused": done.refused,
        "seconds": round(sync.ended_s - (sync.began_s or 0.0), 3),
    }
