"""Ed25519 signatures that cannot be moved to another purpose or another mesh.

What is signed is never a bare payload but `canonical([domain, mesh, payload])`. The domain names
the kind of message and its format, such as `ringrift/core/1`, so that bytes signed as one thing
cannot be passed off as another (domain separation, as in RFC 8032's contexts).
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from p2p.codec import canonical
from p2p.identity import IdentityError
from p2p.identity.ids import MeshId, NodeId, node_id

public_key_bytes = 32
signature_bytes = 64


class BadSignature(IdentityError):
    """The signature is not this key's over this domain, mesh and payload."""


def sign(key: Ed25519PrivateKey, domain: str, mesh: MeshId, payload: bytes) -> bytes:
    """Sign `payload` for one purpose in one mesh. Returns 64 bytes."""
    return key.sign(canonical([domain, mesh, payload]))


def verify(public_key: bytes, domain: str, mesh: MeshId, payload: bytes, signature: bytes) -> None:
    """Raise `BadSignature` unless `public_key` (raw, 32 bytes) made `signature` with `sign`."""
    if len(public_key) != public_key_bytes:
        raise BadSignature(
            f"a public key of {len(public_key)} bytes instead of {public_key_bytes} in {domain}"
        )
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            signature, canonical([domain, mesh, payload])
        )
    except InvalidSignature:
        raise BadSignature(f"a bad signature in {domain}") from None


def key_id(public_key: bytes) -> NodeId:
    """Return the id of the node that owns this public key (raw, 32 bytes).

    Raises `ValueError` for any other length.
    """
    key = Ed25519PublicKey.from_public_bytes(public_key)
    return node_id(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
