"""What two nodes with nothing to tell each other say."""

import random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from p2p.codec import pack, unpack
from p2p.gossip import GossipAnswer, GossipRequest
from p2p.identity.ids import MeshId, NodeId
from p2p.identity.signing import key_id
from p2p.membership import Contact, Membership, MembershipConfig
from p2p.reconcile import Ping
from p2p.records import Core

mesh = MeshId(bytes(8))
bodies_bytes_max = 200
"""The promise: less than this for request and answer together."""


def machine(seed: int, *seeds: tuple[str, int]) -> tuple[NodeId, Membership]:
    """Make a node that has seen many starts: its counters are not small."""
    rng = random.Random(seed)
    key = Ed25519PrivateKey.from_private_bytes(rng.randbytes(32))
    node = key_id(key.public_key().public_bytes_raw())
    core = Core(
        mesh=mesh, node=node, epoch=70_000, boot=rng.randbytes(8), addresses=(("127.0.0.1", seed),)
    )
    config = MembershipConfig()
    return node, Membership(key, core, config=config, rng=rng, now_s=0.0, seeds=seeds)


def test_an_idle_exchange_takes_less_than_200_bytes_of_bodies() -> None:
    (b_id, b) = machine(2)
    (a_id, a) = machine(1, ("127.0.0.1", 2))
    ping = Ping(bytes(8), 2**40, bytes(12), bytes(12))
    sizes = []
    for second in range(1, 30):
        sends = list(a.tick(second).send)
        while sends:
            send = sends.pop()
            if isinstance(send, Contact):
                welcome, _ = b.receive_join(second, a_id, send.message)
                sends += a.contacted(second, send.address, b_id, welcome).send
                continue
            request = pack(GossipRequest(send.message, ping, 1_790_000_000_000))
            sync, _ = b.receive(second, a_id, unpack(request, GossipRequest).sync)
            answer = pack(GossipAnswer(sync, ping, 1_790_000_000_000))
            sync = unpack(answer, GossipAnswer).sync
            sends += a.answered(second, send.to, sync, 0.01, 0.0).send
            sizes.append(len(request) + len(answer))
    assert len(sizes) >= 15
    assert max(sizes[5:]) < bodies_bytes_max
