"""One machine by itself, with the test in the place of all other nodes."""

import random
from collections.abc import Iterable

from p2p.identity.ids import NodeId
from p2p.membership import (
    Contact,
    Effects,
    JoinRequest,
    Membership,
    MembershipConfig,
    MemberState,
    Send,
    SyncAnswer,
    SyncRequest,
)
from p2p.membership.directory import highest_id, lowest_id, nothing_of
from p2p.membership.messages import DigestPage
from p2p.records import (
    Address,
    Signed,
    sign_core,
)
from tests.membership.world import make_core, make_id, make_key

root = bytes(8)
boot = make_core(2).boot


def machine(
    number: int = 1,
    *,
    epoch: int = 1,
    seeds: Iterable[Address] = (),
    remembered: Iterable[bytes] = (),
    config: MembershipConfig | None = None,
) -> Membership:
    return Membership(
        make_key(number),
        make_core(number, epoch=epoch),
        config=config or MembershipConfig(),
        rng=random.Random(number),
        now_s=0.0,
        seeds=seeds,
        remembered=remembered,
    )


def signed(
    number: int, *, epoch: int = 1, version: int = 0, zone: str = "home", leaving: bool = False
) -> Signed:
    core = make_core(number, epoch=epoch, version=version, leaving=leaving, zone=zone)
    return sign_core(make_key(number), core)


def request(*cores: Signed, to: int = 1, statuses: Iterable[Signed] = ()) -> SyncRequest:
    return SyncRequest(make_id(to), boot, root, cores, tuple(statuses))


def join(membership: Membership, *numbers: int, now_s: float = 0.0) -> None:
    """Let nodes introduce themselves."""
    for number in numbers:
        hello = JoinRequest(signed(number))
        _, effects = membership.receive_join(now_s, make_id(number), hello)
        calm(membership, effects, now_s)


def calm(membership: Membership, effects: Effects, now_s: float) -> None:
    """Answer all that is sent, as nodes do that know the same."""
    pending = list(effects.send)
    while pending:
        send = pending.pop()
        assert isinstance(send, Send)
        answer = SyncAnswer(boot, membership.root)
        pending += membership.answered(now_s, send.to, answer, 0.01).send


def state_of(membership: Membership, number: int) -> MemberState | None:
    states = {member.id: member.state for member in membership.members()}
    return states.get(make_id(number))


def sends(effects: Effects) -> dict[NodeId, Send]:
    return {send.to: send for send in effects.send if isinstance(send, Send)}


def contacts(effects: Effects) -> list[Address]:
    return [send.address for send in effects.send if isinstance(send, Contact)]


def silent(membership: Membership, *, from_s: float, to_s: float) -> list[Effects]:
    """Tick whenever due, and fail all that is sent."""
    seen = []
    now_s = from_s
    while now_s <= to_s:
        effects = membership.tick(now_s)
        seen.append(effects)
        pending = list(effects.send)
        while pending:
            send = pending.pop()
            if isinstance(send, Send):
                effects = membership.failed(now_s, send.to, refused=False)
            else:
                effects = membership.contact_failed(now_s, send.address)
            seen.append(effects)
            pending += effects.send
        now_s = max(effects.wake_at_s, now_s + 0.001)
    return seen


def refuses() -> SyncAnswer:
    """Answer as node 2 that holds only itself, and takes in nothing of what we send."""
    held = (nothing_of(make_id(2)),)
    return SyncAnswer(boot, b"its root", DigestPage(lowest_id, highest_id, held, ()))
