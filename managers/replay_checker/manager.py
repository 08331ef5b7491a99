"""Has a random sample of what others have made replayed, and tells whose does not.

A record is stored once its shape is right; whether its moves are legal takes too long to find out
for each. So a share of those that come from peers is drawn at ingest, waits its turn in a bounded
queue, and is replayed in a process of its own, which runs only while there is something to do. A
record that fails stays stored, and is passed on: it is the evidence, and every node that draws it
comes to the same verdict. What is known of a producer outlives a restart.

Who made a record is what the record says; only the peer that gave it is sure. Both are told.
"""

import collections
import dataclasses
import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Protocol, TypeAlias

import trio

from managers.replay_checker.failures import Failures
from managers.replay_checker.replayer import Judgement, Replayer, Verdict
from mixins.alarm import Alarm
from mixins.backoff import backoff_s
from mixins.base import Loop, P2PMixinBase
from mixins.child import ChildFault, attend
from mixins.runtime import Runtime
from p2p.envelope import RecordId
from p2p.events import Event, RecordRefuted, RecordsStored
from p2p.identity.ids import NodeId

waiting_max = 4096
"""Drawn records that wait to be replayed; what is drawn beyond is counted, and not replayed."""

idle_s_max = 30.0
"""A replayer that has nothing to do for so long is ended: it holds some 20 MB."""

backoff_s_first = 1.0
backoff_s_max = 60.0

log_interval_s = 60.0
"""Failures are logged one by one, but not more often than this."""

_failures = "replay-failures"


class StartedReplayer(Protocol):
    """A replayer that has been started; see `Replayer`, which says what each method raises."""

    async def drain_stderr(self) -> None:
        """Keep the end of what it says on its standard error."""

    async def judge(self, record: bytes) -> Judgement:
        """Have a record replayed."""

    async def stop(self) -> None:
        """End it, in bounded time."""


StartReplayer: TypeAlias = Callable[[Sequence[str], Mapping[str, str]], Awaitable[StartedReplayer]]
"""Takes a command line and an environment. Raises `OSError` if the command cannot be run."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Drawn:
    """A record that waits to be replayed."""

    id: RecordId
    producer: NodeId
    source: NodeId


class ReplayChecker(P2PMixinBase):
    """Replays a share of what peers give."""

    name: ClassVar[str] = "replay_checker"
    publishes: ClassVar[tuple[type[Event], ...]] = (RecordRefuted,)

    def __init__(
        self,
        runtime: Runtime,
        *,
        kind: str,
        share: float,
        command: Sequence[str],
        environment: Mapping[str, str],
        start_replayer: StartReplayer = Replayer.start,
    ) -> None:
        """`kind` is that of the records to replay, `share` how many of them, from 0 to 1."""
        super().__init__(runtime)
        self._kind = kind
        self._share = share
        self._command = command
        self._environment = environment
        self._start_replayer = start_replayer
        self._waiting: collections.deque[_Drawn] = collections.deque()
        self._alarm = Alarm()
        self._counts = dict.fromkeys(Verdict, 0)
        self._not_replayed = 0
        self._failures = Failures()
        self._crashes_in_a_row = 0
        self._trouble = ""
        self._told_s: float | None = None
        self._untold = 0
        runtime.bus.subscribe(self.name, RecordsStored, self._draw)

    def loops(self) -> Iterable[Loop]:
        """Return the loop that has records replayed."""
        return (Loop("replay", self._replay_for_ever),)

    async def load(self) -> None:
        """Remember whose records have failed. Call before the loop runs."""
        kept = await self.read(lambda store: store.get_setting(_failures))
        try:
            self._failures = Failures.parse(kept)
        except ValueError as error:
            self.log.error("what was kept of failed replays is forgotten: %s", error)

    def _draw(self, event: RecordsStored) -> None:
        if event.source is None:
            return
        for row in event.rows:
            if row.kind != self._kind or row.producer == self.runtime.node:
                continue
            if self.runtime.rng.random() >= self._share:
                continue
            if len(self._waiting) < waiting_max:
                self._waiting.append(_Drawn(row.id, row.producer, event.source))
            else:
                self._not_replayed += 1
        self._alarm.ring()

    async def _replay_for_ever(self) -> None:
        while True:
            while not self._waiting:
                await self._alarm.wait()
            try:
                replayer = await self._start_replayer(self._command, self._environment)
                await attend(replayer, functools.partial(self._replay_all, replayer))
            except (ChildFault, OSError) as fault:
                await self._back_off(str(fault))

    async def _replay_all(self, replayer: StartedReplayer) -> None:
        """Work the queue off, and wait a while for more."""
        while self._waiting:
            await self._replay(replayer, self._waiting.popleft())
            if not self._waiting:
                await self._alarm.wait(self.runtime.clock.monotonic_s() + idle_s_max)

    async def _replay(self, replayer: StartedReplayer, drawn: _Drawn) -> None:
        found = await self.read(lambda store: store.bodies([drawn.id]))
        if drawn.id not in found:  # no longer held
            self._not_replayed += 1
            return
        try:
            judgement = await replayer.judge(found[drawn.id])
        except ChildFault:
            self._not_replayed += 1
            self.log.warning("record %s was not replayed", self._described(drawn))
            raise
        self._counts[judgement.verdict] += 1
        self._crashes_in_a_row = 0
        self._trouble = ""
        if judgement.verdict is Verdict.BAD:
            await self._report(drawn, judgement.reason)

    async def _report(self, drawn: _Drawn, reason: str) -> None:
        self._failures.add(
            drawn.producer, drawn.id, drawn.source, reason, self.runtime.clock.wall_ms()
        )
        self._log(drawn, reason)
        self.emit(RecordRefuted(drawn.id, drawn.producer, drawn.source, reason))
        data = self._failures.data()
        await self.write(lambda store: store.set_setting(_failures, data))

    def _log(self, drawn: _Drawn, reason: str) -> None:
        now_s = self.runtime.clock.monotonic_s()
        if self._told_s is not None and now_s - self._told_s < log_interval_s:
            self._untold += 1
            return
        more = f"; so did {self._untold} since the last such line" if self._untold else ""
        self.log.warning("record %s fails: %s%s", self._described(drawn), reason, more)
        self._told_s, self._untold = now_s, 0

    def _described(self, drawn: _Drawn) -> str:
        return (
            f"{drawn.id.hex()[:12]}, made by {self._named(drawn.producer.hex())} "
            f"and given by {self._named(drawn.source.hex())},"
        )

    def _named(self, node: str) -> str:
        """Return a node's name with the beginning of its id, or that alone for a stranger."""
        for member in self.runtime.peers.members():
            if member.id.hex() == node:
                return f"{member.name} ({node[:12]})"
        return node[:12]

    async def _back_off(self, reason: str) -> None:
        self._crashes_in_a_row += 1
        delay_s = backoff_s(backoff_s_first, backoff_s_max, self._crashes_in_a_row)
        self._trouble = f"the process that replays records {reason}"
        self.log.warning("%s; next try in %.0f s", self._trouble, delay_s)
        await trio.sleep(delay_s * self.runtime.rng.uniform(0.8, 1.2))

    def status(self) -> Mapping[str, object]:
        """Return `{"replays"}`, as `docs/status.md` has it."""
        now_ms = self.runtime.clock.wall_ms()
        return {
            "replays": {
                "share": self._share,
                "good": self._counts[Verdict.GOOD],
                "bad": self._counts[Verdict.BAD],
                "unknown": self._counts[Verdict.UNKNOWN],
                "not_replayed": self._not_replayed,
                "waiting": len(self._waiting),
                "bad_by_producer": {
                    producer: {
                        "count": failure.count,
                        "latest": failure.latest,
                        "given_by": failure.source,
                        "reason": failure.reason,
                        "ago_s": round((now_ms - failure.time_ms) / 1000, 1),
                    }
                    for producer, failure in self._failures.all().items()
                },
            }
        }

    def health(self) -> Iterable[str]:
        """Name the producers whose records have failed within a day, and a replayer in trouble."""
        if self._trouble:
            yield self._trouble
        for producer, failure in self._failures.recent(self.runtime.clock.wall_ms()).items():
            yield (
                f"records made by {self._named(producer)} do not replay: {failure.count} so far; "
                f"the latest, {failure.latest[:12]}, given by {self._named(failure.source)}: "
                f"{failure.reason}"
            )
