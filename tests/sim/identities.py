"""Who the simulated boxes are: real keys and certificates that are the same in every process."""

import datetime
import functools
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from p2p.identity.certificates import (
    Credentials,
    Root,
    build_grant,
    build_leaf,
    build_root,
    grant_lifetime,
)
from tests.rig import epoch_ms

_founded = datetime.datetime.fromtimestamp(epoch_ms / 1000, datetime.UTC)


@functools.cache
def credentials(name: str) -> Credentials:
    """Return what the box of this name proves its identity with."""
    root, grant_key = _mesh()
    key = _key(f"box {name}")
    grant = build_grant(root, grant_key.public_key(), _founded, grant_lifetime)
    leaf = build_leaf(key.public_key(), root.certificate, grant, grant_key)
    return Credentials(key, leaf, grant, root.certificate)


@functools.cache
def _mesh() -> tuple[Root, Ed25519PrivateKey]:
    key = _key("root")
    return Root(key, build_root(key, _founded)), _key("grant")


def _key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
