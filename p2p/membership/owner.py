"""Our own records. Only their owner raises an epoch or a version, and here is where it happens."""

import collections
import math
from collections.abc import Mapping

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from p2p.codec import canonical
from p2p.identity.signing import key_id
from p2p.records import Address, Core, Signed, Status, Value, payload_of, sign_core, sign_status


class Owner:
    """Signs each new version of our Core and Status."""

    def __init__(self, key: Ed25519PrivateKey, core: Core, status_interval_s: float) -> None:
        """Raise `ValueError` if `core` names another node than the key's, or is out of bounds."""
        node = key_id(key.public_key().public_bytes_raw())
        if core.node != node:
            raise ValueError(f"core names node {core.node.hex()}; the key is that of {node.hex()}")
        self._key = key
        self._status_interval_s = status_interval_s
        self.status: Status | None = None
        self._status_signed_s = -math.inf
        self._proposed: Mapping[str, Value] | None = None
        self._rivals: collections.Counter[bytes] = collections.Counter()
        self.core = core
        self.core_signed = sign_core(key, core)
        self.status_signed: Signed | None = None

    def set_addresses(self, addresses: tuple[Address, ...]) -> bool:
        """Say where we are found. Returns whether that is new. Raises `ValueError`."""
        if addresses == self.core.addresses:
            return False
        self._sign(
            msgspec.structs.replace(self.core, addresses=addresses, version=self.core.version + 1)
        )
        return True

    def leave(self) -> None:
        """Say that we are leaving."""
        self._sign(msgspec.structs.replace(self.core, leaving=True, version=self.core.version + 1))

    def _sign(self, core: Core) -> None:
        self.core_signed = sign_core(self._key, core)
        self.core = core

    def is_ours(self, other: Core) -> bool:
        """Tell whether a Core with our key is an echo of ours, or one of our past."""
        return other.boot == self.core.boot or other.epoch < self.core.epoch

    def must_give_way(self, other: Core) -> bool:
        """Tell whether this process must end, on meeting a Core with our key that is not ours.

        A lost or restored disk makes us meet a dead process of our past; a living one comes back
        with a larger epoch each time that we go above it. Of two, the one with the larger boot
        gives way first, so that they do not both go.
        """
        self._rivals[other.boot] += 1
        return self._rivals[other.boot] >= (2 if self.core.boot > other.boot else 3)

    def rise_above(self, other: Core) -> None:
        """Take an epoch above that of a Core, signature checked, with our key that is not ours."""
        self._sign(
            msgspec.structs.replace(self.core, epoch=other.epoch + 1, incarnation=0, version=0)
        )
        if self.status is not None:
            self._sign_status(self.status.values)

    def propose_status(self, values: Mapping[str, Value]) -> None:
        """Take new values, to be signed when they are due. Raises `ValueError` naming what is bad.

        Values equal to those last signed withdraw what was proposed since.
        """
        payload_of(Status(self.core.node, self.core.epoch, 1, dict(values)))
        unchanged = self.status is not None and canonical(self.status.values) == canonical(values)
        self._proposed = None if unchanged else dict(values)

    @property
    def status_due_s(self) -> float:
        """When the proposed values may be signed; infinite if there are none."""
        if self._proposed is None:
            return math.inf
        return self._status_signed_s + self._status_interval_s

    def sign_due_status(self, now_s: float) -> bool:
        """Sign the proposed values if they are due. Returns whether there is a new Status."""
        if self._proposed is None or now_s < self.status_due_s:
            return False
        self._sign_status(self._proposed)
        self._proposed, self._status_signed_s = None, now_s
        return True

    def _sign_status(self, values: Mapping[str, Value]) -> None:
        version = 1 if self.status is None else self.status.version + 1
        self.status = Status(self.core.node, self.core.epoch, version, dict(values))
        self.status_signed = sign_status(self._key, self.core.mesh, self.status)
