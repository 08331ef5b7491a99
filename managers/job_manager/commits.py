"""Finished games, which wait here to be committed together, those of all slots.

A commit writes some ten pages, however small the games are. So there is one when the last is a
while ago, and besides when a turn has ended, when no more may wait, and when the node stops.
"""

import contextlib
import dataclasses
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence

import trio

from managers.job_manager.slots import Turn
from mixins.alarm import Alarm
from mixins.clock import Clock
from p2p.envelope import Record, RecordId
from p2p.store import Ingested, StoreFault

waiting_bytes_max = 1024 * 1024
"""What may wait; then no slot takes another game. One that is being played then is still added."""


@dataclasses.dataclass(frozen=True, slots=True)
class Finished:
    """A game that waits to be committed."""

    turn: Turn
    record: Record
    epoch: int
    """The store's, from before its seed was given out."""


class Commits:
    """What is finished and not yet stored. Only one commit goes on at a time."""

    def __init__(
        self,
        clock: Clock,
        log: logging.Logger,
        *,
        store: Callable[[Iterable[bytes]], Awaitable[Ingested]],
        announce: Callable[[Ingested], None],
        configs: Iterable[str],
        interval_s: float,
    ) -> None:
        """`announce` tells the node what `store` has stored."""
        self._clock = clock
        self._log = log
        self._store = store
        self._announce = announce
        self._interval_s = interval_s
        self.games = dict.fromkeys(configs, 0)
        """How many were stored, by config."""
        self.epoch = 0
        """How often the store has turned out to be an older copy of itself."""
        self._waiting: list[Finished] = []
        self._alarm = Alarm()
        self._lock = trio.Lock()
        self._committed = trio.Event()
        self._committed_s = -math.inf

    def __len__(self) -> int:
        """Return how many games wait."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether no game should be asked for until some are committed."""
        return sum(len(each.record.data) for each in self._waiting) >= waiting_bytes_max

    def add(self, finished: Finished) -> None:
        """Let a game wait for the next commit."""
        self._waiting.append(finished)
        self._alarm.ring()

    def renew(self) -> None:
        """Store no game of a seed given out before now: it may have been used before the backup."""
        self.epoch += 1

    async def commit_for_ever(self) -> None:
        """Commit what waits, once the last commit is `interval_s` ago. Raises `StoreFault`."""
        while True:
            while not self._waiting:
                await self._alarm.wait()
            due_s = self._committed_s + self._interval_s
            await trio.sleep(max(0.0, due_s - self._clock.monotonic_s()))
            await self.commit()

    async def try_commit(self) -> None:
        """Commit what waits; if the store cannot take it, which it tells, it goes on waiting."""
        with contextlib.suppress(StoreFault):
            await self.commit()

    async def room(self) -> None:
        """Wait until another game may be asked for."""
        while self.is_full:
            await self._committed.wait()

    async def commit(self) -> None:
        """Store what waits, count it, and tell of it, in this order.

        Raises `StoreFault`; then all goes on waiting.
        """
        async with self._lock:
            self._drop_older()
            batch = tuple(self._waiting)
            if not batch:
                return
            done = await self._store(each.record.data for each in batch)
            del self._waiting[: len(batch)]
            self._committed_s = self._clock.monotonic_s()
            self._book(batch, done)
            self._progress()
            self._announce(done)

    def _drop_older(self) -> None:
        kept = [each for each in self._waiting if each.epoch == self.epoch]
        if dropped := len(self._waiting) - len(kept):
            self._waiting = kept
            self._progress()
            self._log.warning(
                "finished games dropped, for their seeds may have been used before: %d", dropped
            )

    def _progress(self) -> None:
        self._committed.set()
        self._committed = trio.Event()

    def _book(self, batch: Sequence[Finished], done: Ingested) -> None:
        new = {row.id for row in done.stored}
        reasons = _reasons(done)
        for turn, id_ in ((each.turn, each.record.id) for each in batch):
            if id_ in new:
                new.remove(id_)
                turn.slot.games += 1
                self.games[turn.config] += 1
            else:
                turn.rubbish = reasons.get(id_, "a game that was here already")
                if turn.is_over:  # nobody will look
                    self._log.warning("%s wrote rubbish: %s", turn.slot.id, turn.rubbish)


def _reasons(done: Ingested) -> dict[RecordId, str]:
    """Say why records were refused, now or before."""
    before = dict.fromkeys(done.refused_before, "a game that was refused before")
    return before | {each.id: f"a game that is refused: {each.reason}" for each in done.refused}
