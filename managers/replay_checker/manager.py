"""Has a random sample of what others have made replayed, and tells whose does not.

A record is stored once its shape is right; whether its moves are legal takes too long to find out
for each. So a share of those that come from peers is drawn at ingest, waits its turn in a bounded
queue, and is replayed in a process of its own, which runs only while there is something to do. A
record that fails stays stored, and is passed on: it is the evidence, and every node that draws it
comes to the same verdict. What is known of those who gave such records outlives a restart.

Who made a record is what the record says; only the source, the peer that gave it, is sure. So all
is counted by source, and what one of them does changes nothing that is known of another.

A process must first show that it answers. When one then ends over a record, or takes too long, the
record is tried once more, alone, in a fresh one. If that ends too, the record is not replayed, and
nobody is accused: it may be this box that is out of memory, or starved. So that such records do
not take all the time there is, their source is then set aside for a while.
"""

import collections
import dataclasses
import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Protocol, TypeAlias

import trio

from managers.replay_checker.failures import Failed, Failures
from managers.replay_checker.replayer import Judgement, Replayer, Verdict
from managers.replay_checker.tallies import Tallies, Tally, Unjudged
from managers.replay_checker.throttle import Throttle
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

aside_factor = 20
"""A source whose record has ended the process twice is set aside for so many times as long as the
second try took: such records have at most a tenth of the time, for each source."""

log_interval_s = 60.0
"""What is wrong with records is logged one by one, but for each source not more often than this."""

_failures = "replay-failures"


class StartedReplayer(Protocol):
    """A replayer that has been started; see `Replayer`, which says what each method raises."""

    async def drain_stderr(self) -> None:
        """Keep the end of what it says on its standard error."""

    async def judge(self, record: bytes) -> Judgement:
        """Have a record replayed."""

    async def stop(self) -> None:
        """End it, in bounded time. Raises `ChildFault`."""


StartReplayer: TypeAlias = Callable[[Sequence[str], Mapping[str, str]], Awaitable[StartedReplayer]]
"""Takes a command line and an environment. Raises `OSError` if the command cannot be run."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Drawn:
    """A record that waits to be replayed."""

    id: RecordId
    producer: NodeId
    source: NodeId


Work: TypeAlias = Callable[[StartedReplayer], Awaitable[None]]


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
        check_own: bool,
        command: Sequence[str],
        environment: Mapping[str, str],
        start_replayer: StartReplayer = Replayer.start,
    ) -> None:
        """`kind` is that of the records to replay, `share` how many of them, from 0 to 1.

        With `check_own`, as many of those made here are replayed; their source is this node.
        """
        super().__init__(runtime)
        self._kind = kind
        self._share = share
        self._check_own = check_own
        self._command = command
        self._environment = environment
        self._start_replayer = start_replayer
        self._waiting: collections.deque[_Drawn] = collections.deque()
        self._suspect: _Drawn | None = None
        """The process has ended over it."""
        self._alarm = Alarm()
        self._total = Tally()
        self._tallies = Tallies()
        self._failures = Failures()
        self._crashes_in_a_row = 0
        self._trouble = ""
        self._throttle = Throttle(log_interval_s)
        self._log_alarm = Alarm()
        runtime.bus.subscribe(self.name, RecordsStored, self._draw)

    def loops(self) -> Iterable[Loop]:
        """Return the loop that has records replayed, and the one that logs what was kept back."""
        return (Loop("replay", self._replay_for_ever), Loop("log", self._log_for_ever))

    async def load(self) -> None:
        """Remember whose records have failed. Call before the loops run."""
        kept = await self.read(lambda store: store.get_setting(_failures))
        try:
            self._failures = Failures.parse(kept)
        except ValueError as error:
            self.log.error("what was kept of failed replays is forgotten: %s", error)

    def _draw(self, event: RecordsStored) -> None:
        if event.source is None and not self._check_own:
            return
        source = self.runtime.node if event.source is None else event.source
        for row in event.rows:
            if row.kind != self._kind or self.runtime.rng.random() >= self._share:
                continue
            if len(self._waiting) < waiting_max:
                self._waiting.append(_Drawn(row.id, row.producer, source))
                self._alarm.ring()
            else:
                self._leave_out(source)

    def _leave_out(self, source: NodeId) -> None:
        for tally in (self._total, self._tallies.of(source)):
            tally.not_replayed += 1

    async def _replay_for_ever(self) -> None:
        while True:
            while not self._waiting and not self._trouble:
                await self._alarm.wait()
            try:
                await self._with_replayer(self._replay_all)
                if self._suspect is not None:
                    suspect, self._suspect = self._suspect, None
                    await self._try_again(suspect)
            except (ChildFault, OSError) as fault:
                await self._back_off(str(fault))

    async def _with_replayer(self, work: Work) -> None:
        """Start a replayer and work with it.

        Raises `OSError` if it cannot be started, and `ChildFault` if it does not answer.
        """
        replayer = await self._start_replayer(self._command, self._environment)
        await attend(replayer, functools.partial(self._once_it_answers, work, replayer))

    async def _once_it_answers(self, work: Work, replayer: StartedReplayer) -> None:
        await replayer.judge(b"")
        self._trouble = ""
        await work(replayer)

    async def _replay_all(self, replayer: StartedReplayer) -> None:
        """Work the queue off, and wait a while for more; return early with a suspect."""
        while self._waiting and self._suspect is None:
            drawn = self._waiting.popleft()
            if self._is_aside(drawn.source):
                self._leave_out(drawn.source)
            elif fault := await self._replay(replayer, drawn):
                self.log.info(
                    "record %s is tried again: the process %s", self._described(drawn), fault
                )
                self._suspect = drawn
            if self._suspect is None:
                await self._wait_for_more()

    async def _wait_for_more(self) -> None:
        """Wait until a record is drawn, `idle_s_max` at most."""
        now_s = self.runtime.clock.monotonic_s
        until_s = now_s() + idle_s_max
        while not self._waiting and now_s() < until_s:  # a ring may be for one that is done
            await self._alarm.wait(until_s)

    def _is_aside(self, source: NodeId) -> bool:
        return self.runtime.clock.monotonic_s() < self._tallies.of(source).aside_until_s

    async def _replay(self, replayer: StartedReplayer, drawn: _Drawn) -> ChildFault | None:
        """Replay a record and take note of it; return how the process ended, if it did over it."""
        data = await self._body(drawn)
        if data is None:
            self._leave_out(drawn.source)
            return None
        try:
            judgement = await replayer.judge(data)
        except ChildFault as fault:
            return fault
        await self._take(drawn, judgement)
        return None

    async def _body(self, drawn: _Drawn) -> bytes | None:
        """Return the bytes of a record, or None if it is no longer held."""
        return (await self.read(lambda store: store.bodies([drawn.id]))).get(drawn.id)

    async def _try_again(self, drawn: _Drawn) -> None:
        """Replay a record over which a process has ended. Raises as `_with_replayer` does."""
        began_s = self.runtime.clock.monotonic_s()
        try:
            await self._with_replayer(functools.partial(self._replay_alone, drawn, began_s))
        except (ChildFault, OSError):
            self._leave_out(drawn.source)
            self.log.warning("record %s was not replayed", self._described(drawn))
            raise

    async def _replay_alone(self, drawn: _Drawn, began_s: float, replayer: StartedReplayer) -> None:
        if fault := await self._replay(replayer, drawn):
            self._set_aside(drawn, began_s, f"the process {fault}")

    def _set_aside(self, drawn: _Drawn, began_s: float, reason: str) -> None:
        """Leave out a record that has ended the process twice, and for a while its source."""
        now_s, now_ms = self.runtime.clock.monotonic_s(), self.runtime.clock.wall_ms()
        self._leave_out(drawn.source)
        tally = self._tallies.of(drawn.source)
        tally.aside_until_s = now_s + aside_factor * (now_s - began_s)
        tally.add_ended(Unjudged(drawn.id, drawn.producer, reason, now_ms))
        self._warn(drawn, f"was not replayed: {reason}, twice")

    async def _take(self, drawn: _Drawn, judgement: Judgement) -> None:
        """Take note of a judgement."""
        self._crashes_in_a_row = 0
        tally = self._tallies.of(drawn.source)
        self._total.add(judgement.verdict)
        tally.add(judgement.verdict)
        if judgement.verdict is Verdict.UNKNOWN:
            now_ms = self.runtime.clock.wall_ms()
            tally.latest_unknown = Unjudged(drawn.id, drawn.producer, judgement.reason, now_ms)
        if judgement.verdict is Verdict.BAD:
            await self._report(drawn, judgement.reason)

    async def _report(self, drawn: _Drawn, reason: str) -> None:
        self._failures.add(
            drawn.source, drawn.producer, drawn.id, reason, self.runtime.clock.wall_ms()
        )
        self._warn(drawn, f"fails: {reason}")
        self.emit(RecordRefuted(drawn.id, drawn.producer, drawn.source, reason))
        data = self._failures.data()
        await self.write(lambda store: store.set_setting(_failures, data))

    def _warn(self, drawn: _Drawn, what: str) -> None:
        if self._throttle.passes(drawn.source, self.runtime.clock.monotonic_s()):
            self.log.warning("record %s %s", self._described(drawn), what)
        self._log_alarm.ring()

    async def _log_for_ever(self) -> None:
        """Log how many warnings were kept out of the log, once a source's interval is over."""
        while True:
            await self._log_alarm.wait(self._throttle.due_s())
            for source, count in self._throttle.due(self.runtime.clock.monotonic_s()):
                giver = self._named(source.hex())
                self.log.warning(
                    "of the records given by %s, %d more fail or end the process", giver, count
                )

    def _described(self, drawn: _Drawn) -> str:
        return (
            f"{drawn.id.hex()[:12]}, made by {self._named(drawn.producer.hex())} "
            f"and given by {self._named(drawn.source.hex())},"
        )

    def _named(self, node: str) -> str:
        """Return a node's name with the beginning of its id, or that alone for a stranger."""
        if node == self.runtime.node.hex():
            return "this node"
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
                **self._total.status(),
                "waiting": len(self._waiting),
                "by_source": {source.hex(): tally.status() for source, tally in self._tallies},
                "bad_by_source": {
                    source: {
                        "count": failed.count,
                        "by_producer": failed.by_producer,
                        "other_producers": failed.others,
                        "latest": failed.latest,
                        "producer": failed.producer,
                        "reason": failed.reason,
                        "ago_s": round((now_ms - failed.time_ms) / 1000, 1),
                    }
                    for source, failed in self._failures.all().items()
                },
            }
        }

    def health(self) -> Iterable[str]:
        """Name a replayer in trouble, and sources whose records fail or cannot be judged."""
        if self._trouble:
            yield self._trouble
        now_ms = self.runtime.clock.wall_ms()
        for source, failed in self._failures.recent(now_ms).items():
            yield (
                f"{self._blamed(source, failed)} do not replay: {failed.count} so far; "
                f"the latest {failed.latest[:12]}: {failed.reason}"
            )
        for giver, tally in self._tallies:
            if (latest_ended := tally.often_ended(now_ms)) is not None:
                yield (
                    f"replaying games given by {self._named(giver.hex())} ended the process "
                    f"{tally.ended} times; the latest {latest_ended.id.hex()[:12]}: "
                    f"{latest_ended.reason}"
                )
            if (found := tally.mostly_unknown(now_ms)) is not None:
                unknown, judged, latest = found
                yield (
                    f"{unknown} of the last {judged} games drawn of those given by "
                    f"{self._named(giver.hex())} cannot be judged by this version; the latest "
                    f"{latest.id.hex()[:12]}, made by {self._named(latest.producer.hex())}: "
                    f"{latest.reason}; do all boxes run the same version?"
                )

    def _blamed(self, source: str, failed: Failed) -> str:
        """Return the words for a source's records that fail: who gave, and by whom they say."""
        giver = self._named(source)
        if failed.by_producer.keys() == {source}:
            return f"games made and given by {giver}"
        makers = ", ".join(map(self._named, failed.by_producer))
        more = " and others" if failed.others else ""
        return f"games given by {giver} that say they are by {makers}{more}"
