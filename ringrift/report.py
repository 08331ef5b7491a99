"""Puts together what `status` shows, from what the managers have measured."""

import datetime
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mixins.base import P2PMixinBase
from mixins.runtime import Runtime
from p2p.identity.ids import NodeId
from p2p.manifest import Digest
from p2p.membership import Member
from p2p.store import NodeStore
from ringrift import __version__
from ringrift.rules import configs
from transports.base import Address

schema = 1


class Reporter:
    """Asks every manager, and the store, and says the same thing to everybody."""

    def __init__(
        self,
        runtime: Runtime,
        managers: Iterable[P2PMixinBase],
        *,
        mesh: str,
        name: str,
        listening: Callable[[], Iterable[Address]],
        worries: Callable[[], Iterable[str]],
    ) -> None:
        """`worries` are the problems that belong to no manager."""
        self._runtime = runtime
        self._managers = tuple(managers)
        self._mesh = mesh
        self._name = name
        self._listening = listening
        self._worries = worries
        self._started_s = runtime.clock.monotonic_s()

    async def report(self) -> Mapping[str, object]:
        """Return the status, in the shape of `status --json`; see `docs/status.md`."""
        now_s = self._runtime.clock.monotonic_s()
        measured_at = datetime.datetime.fromtimestamp(
            self._runtime.clock.wall_ms() / 1000, datetime.UTC
        )
        stored, digest, by_config, dead_letters = await self._runtime.store.read(_held)
        told: dict[str, Any] = {}
        for manager in self._managers:
            told.update(manager.status())
        exchanges: Mapping[NodeId, object] = told.get("latest_exchanges", {})
        return {
            "schema": schema,
            "measured_at": measured_at.isoformat(timespec="milliseconds"),
            "node": {
                "id": self._runtime.node.hex(),
                "name": self._name,
                "version": __version__,
                "uptime_s": round(now_s - self._started_s, 1),
                "listen": ", ".join(str(address) for address in self._listening()),
                "loop_lag_ms_p99": told.get("loop_lag_ms_p99"),
            },
            "mesh": {
                "id": self._mesh,
                "members": [
                    _member(member, exchanges.get(member.id))
                    for member in self._runtime.peers.members()
                ],
            },
            "records": {
                "games": {
                    "stored": stored,
                    "safe": told.get("safe_games"),
                    "digest": digest.total_bytes.hex(),
                    "by_config": by_config,
                },
                "dead_letters": dead_letters,
            },
            "traffic": {"gossip": told.get("gossip"), "sync": told.get("sync")},
            "jobs": told.get("jobs"),
            "selfplay": told.get("selfplay"),
            "replays": told.get("replays"),
            "loops": told.get("loops"),
            "paused": told.get("paused"),
            "problems": [*self._worries(), *self._problems()],
        }

    def wiring(self) -> Mapping[str, object]:
        """Return who publishes and who hears each kind of event, by the kind's name."""
        return {
            kind.name: {"publishers": list(publishers), "subscribers": list(subscribers)}
            for kind, (publishers, subscribers) in self._runtime.bus.wiring().items()
        }

    def _problems(self) -> Iterable[str]:
        for manager in self._managers:
            yield from manager.health()


def games_by_config(store: NodeStore) -> Mapping[str, int]:
    """Return how many games are held of each config, in the order of `ringrift.rules.configs`.

    Those of configs that this version does not know come last.
    """
    return {config.name: 0 for config in configs} | dict(store.count_by_config("game"))


def _held(store: NodeStore) -> tuple[int, Digest, Mapping[str, int], int]:
    by_config = {config: count for config, count in games_by_config(store).items() if count}
    return (
        sum(by_config.values()),
        store.held_digest("game"),
        by_config,
        store.dead_letter_count(),
    )


def _member(member: Member, latest_exchange: object) -> Mapping[str, object]:
    return {
        "id": member.id.hex(),
        "name": member.name,
        "state": member.state.name.lower(),
        "last_heard_s": None if member.last_heard_s is None else round(member.last_heard_s, 1),
        "addresses": [str(Address(host, port)) for host, port in member.addresses],
        "version": member.software,
        "durable": member.durable,
        "clock_offset_ms": None if member.offset_ms is None else round(member.offset_ms, 1),
        "latest_exchange": latest_exchange,
    }
