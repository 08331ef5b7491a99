"""How two nodes find out, in messages of 64 KiB, which records either of them lacks.

`Initiator` walks down from months to segments to leaves to lists of ids, and `Responder` answers
each step from a snapshot. Neither does IO; `docs/manifests.md` explains the exchange.
"""

from p2p.reconcile.initiator import Initiator
from p2p.reconcile.messages import (
    Ping,
    Receipt,
    Snapshot,
    ping,
    push_bytes_max,
    push_records_max,
    receipt,
)
from p2p.reconcile.responder import Reply, Responder
from p2p.reconcile.steps import Ask, Done, Outcome, Push, Step

__all__ = [
    "Ask",
    "Done",
    "Initiator",
    "Outcome",
    "Ping",
    "Push",
    "Receipt",
    "Reply",
    "Responder",
    "Snapshot",
    "Step",
    "ping",
    "push_bytes_max",
    "push_records_max",
    "receipt",
]
