"""Workers that play when the simulation tells them to, in no time; and what replays their games."""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence

import trio

from managers.replay_checker import Judgement
from mixins.clock import Clock
from p2p.envelope import RecordId, record_id
from p2p.identity.ids import NodeId
from ringrift.game_record import Game, encode_game
from ringrift.replaying import verdict
from ringrift.rules import Config
from ringrift.selfplay import play

command = "play {config} {players} {producer} {time_offset_ms}"
"""The template that the job manager fills in."""


class Table:
    """Where the one worker of a box plays: it plays as many games as are ordered."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._orders, self._ordered = trio.open_memory_channel[None](math.inf)
        self._drained = trio.Event()
        self.played: list[RecordId] = []
        """Games handed to the agent."""

    async def start_worker(
        self, words: Sequence[str], environment: Mapping[str, str]
    ) -> "_SimulatedWorker":
        """Start a worker by its command line, as the job manager does."""
        _, config, players, producer, offset_ms = words
        return _SimulatedWorker(
            self,
            Config.parse(config),
            tuple(players.split(",")),
            NodeId(bytes.fromhex(producer)),
            int(offset_ms),
        )

    async def order(self, count: int, patience_s: float) -> list[RecordId]:
        """Have games played, and wait until the agent asks for another; return which they were."""
        before = len(self.played)
        for _ in range(count):
            self._orders.send_nowait(None)
        with trio.move_on_after(patience_s):
            while self._ordered.statistics().tasks_waiting_receive == 0:
                self._drained = trio.Event()
                await self._drained.wait()
        return self.played[before:]

    async def next_game(self, worker: "_SimulatedWorker", seed: str) -> bytes:
        """Wait for an order, and play."""
        self._drained.set()
        await self._ordered.receive()
        time_ms = self._clock.wall_ms() + worker.time_offset_ms
        data = encode_game(
            dataclasses.replace(
                _a_game(worker.config),
                players=worker.players,
                seed=bytes.fromhex(seed),
                time_ms=time_ms,
                producer=worker.producer,
            )
        )
        self.played.append(record_id(data))
        return data


@dataclasses.dataclass(frozen=True)
class _SimulatedWorker:
    """See `managers.job_manager.Worker`."""

    table: Table
    config: Config
    players: tuple[str, ...]
    producer: NodeId
    time_offset_ms: int
    pid: int = 1

    async def drain_stderr(self) -> None:
        """Say nothing."""

    async def play(self, seed: str) -> bytes:
        """Play once the simulation wants it."""
        return await self.table.next_game(self, seed)

    async def finish(self) -> None:
        """End at once."""

    async def stop(self) -> None:
        """End at once."""


@functools.cache
def _a_game(config: Config) -> Game:
    """Play one real game, to stand for all: a record is told from others by envelope and seed."""
    return play(config, ("random",) * config.players, b"\0", 0, NodeId(bytes(16)))


class SimulatedReplayer:
    """See `managers.replay_checker.Replayer`: it replays inline, with the real judge."""

    @classmethod
    async def start(
        cls, words: Sequence[str], environment: Mapping[str, str]
    ) -> "SimulatedReplayer":
        """Start in no time."""
        return cls()

    async def drain_stderr(self) -> None:
        """Say nothing."""

    async def judge(self, record: bytes) -> Judgement:
        """Judge at once."""
        return Judgement.parse(verdict(record).encode())

    async def stop(self) -> None:
        """End at once."""
