"""A replay checker at work in virtual time, with a replayer that says what a test wrote down."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import trio

from managers.replay_checker import Judgement, ReplayChecker, Verdict
from managers.replay_checker.replayer import record_s_max
from mixins.base import P2PMixinBase
from mixins.child import ChildEnded, ChildRubbish
from mixins.runtime import Runtime
from p2p.envelope import RecordId, make_record, parse_record, record_id
from p2p.events import RecordRefuted, RecordsStored
from p2p.identity.ids import NodeId
from tests.rig import epoch_ms, pass_s, rig

peer, maker, other = (NodeId(name.ljust(16, b".")) for name in (b"peer", b"maker", b"other"))


def record(number: int, verdict: str = "replays", producer: NodeId = maker) -> bytes:
    """Make a record on which the fake replayer has this to say."""
    return make_record("game", 1, "square8_2p", epoch_ms, producer, [verdict, number])


def made_up(number: int) -> NodeId:
    """Make a node's id up."""
    return NodeId(number.to_bytes(16, "big"))


class FakeReplayer:
    """Says of a record what is written in it, or ends; takes as long as the test wants."""

    def __init__(self, office: "Office") -> None:
        self._office = office

    async def drain_stderr(self) -> None:
        """Say nothing."""

    async def judge(self, data: bytes) -> Judgement:
        """Judge."""
        await pass_s(self._office.judge_s)
        if self._office.broken:
            raise ChildEnded("ended with status 1")
        if not data:
            return Judgement(Verdict.BAD, "it is empty")
        body: Any = parse_record(data).body
        self._office.judged.append(record_id(data))
        if body[0] == "crash" or (body[0] == "crashes once" and self._office.started == 1):
            raise ChildEnded("was killed by SIGKILL")
        if body[0] == "crashes once":
            return Judgement(Verdict.GOOD)
        if body[0] == "stall":
            await pass_s(record_s_max)
            raise ChildEnded("has not replayed a record in 60 s")
        if body[0] == "rubbish":
            raise ChildRubbish("wrote 'hm'")
        return Judgement.parse(body[0].encode())

    async def stop(self) -> None:
        """End at once."""
        self._office.running -= 1


class Giver(P2PMixinBase):
    """Stores records as a sync does."""

    name = "giver"
    publishes = (RecordsStored,)


class Office:
    """A replay checker at work, and what became of it."""

    def __init__(self, runtime: Runtime, share: float, check_own: bool) -> None:
        self.runtime = runtime
        self.judge_s = 0.0
        self.judged: list[RecordId] = []
        self.started = 0
        self.running = 0
        self.startable = True
        self.broken = False
        self.refuted: list[RecordRefuted] = []
        self.checker = ReplayChecker(
            runtime, kind="game", share=share, check_own=check_own, command=["replay"],
            environment={}, start_replayer=self._start,
        )  # fmt: skip
        self._giver = Giver(runtime)
        runtime.bus.subscribe("test", RecordRefuted, self.refuted.append)

    async def _start(self, _: Sequence[str], __: Mapping[str, str]) -> FakeReplayer:
        if not self.startable:
            raise FileNotFoundError("no such file: replay")
        self.started += 1
        self.running += 1
        return FakeReplayer(self)

    async def receive(self, *records: bytes, source: NodeId | None = peer) -> None:
        """Store records that came from a peer."""
        await self._giver.ingest(records, source)

    @property
    def told(self) -> dict[str, Any]:
        """What the status says."""
        told: Any = self.checker.status()["replays"]
        return dict(told)

    @property
    def counts(self) -> dict[str, int]:
        """What the status counts, as far as it is not 0."""
        told = self.told
        names = ("good", "bad", "unknown", "not_replayed", "waiting")
        return {name: told[name] for name in names if told[name]}

    @property
    def bad(self) -> dict[str, Any]:
        """What the status says of those whose records have failed."""
        found: dict[str, Any] = self.told["bad_by_source"]
        return found

    @property
    def problems(self) -> list[str]:
        """What needs attention."""
        return list(self.checker.health())


@contextlib.asynccontextmanager
async def office(
    folder: Path, share: float = 1.0, *, check_own: bool = False
) -> AsyncIterator[Office]:
    """Run a replay checker."""
    with rig(folder) as runtime:
        at = Office(runtime, share, check_own)
        await at.checker.load()
        async with trio.open_nursery() as nursery:
            for loop in at.checker.loops():
                nursery.start_soon(loop.run)
            yield at
            nursery.cancel_scope.cancel()
