"""Signatures hold for one key, purpose, mesh and payload, and for nothing else."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from p2p.identity.ids import MeshId
from p2p.identity.signing import BadSignature, key_id, sign, signature_bytes, verify

key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
public_key = key.public_key().public_bytes_raw()
domain = "ringrift/core/1"
mesh = MeshId(bytes.fromhex("0123456789abcdef"))


def test_a_signature_has_golden_bytes() -> None:
    assert sign(key, domain, mesh, b"payload").hex() == (
        "d8283f07e55e37867458c01fa991d9cdc6d82b4188e468671820f3e00c214f9f"
        "81fe75c5c9082b76fd5a5430f38dc245d7cccd6c3ab73572ff634e7caa8e360e"
    )


def test_what_is_signed_is_the_array_of_domain_mesh_and_payload() -> None:
    signed = b"\x93" + b"\xaf" + domain.encode() + b"\xc4\x08" + mesh + b"\xc4\x07payload"
    key.public_key().verify(sign(key, domain, mesh, b"payload"), signed)


def test_a_key_has_a_golden_id() -> None:
    # The DER form of an Ed25519 public key is twelve fixed bytes and the raw key (RFC 8410).
    der = bytes.fromhex("302a300506032b6570032100") + public_key
    assert key_id(public_key) == hashlib.sha256(der).digest()[:16]
    assert key_id(public_key).hex() == "a050837d85070582ccf7394b0988847c"


@given(st.binary(max_size=300))
def test_what_was_signed_verifies(payload: bytes) -> None:
    verify(public_key, domain, mesh, payload, sign(key, domain, mesh, payload))


def test_a_signature_holds_for_nothing_else() -> None:
    signature = sign(key, domain, mesh, b"payload")
    other_key = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    other_mesh = MeshId(bytes(8))
    for arguments in (
        (other_key, domain, mesh, b"payload", signature),
        (public_key, "ringrift/core/2", mesh, b"payload", signature),
        (public_key, domain, other_mesh, b"payload", signature),
        (public_key, domain, mesh, b"payloads", signature),
    ):
        with pytest.raises(BadSignature, match="a bad signature in ringrift/core/"):
            verify(*arguments)


@given(st.integers(min_value=0, max_value=signature_bytes * 8 - 1))
def test_a_signature_with_one_bit_flipped_is_bad(bit: int) -> None:
    signature = bytearray(sign(key, domain, mesh, b"payload"))
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadSignature):
        verify(public_key, domain, mesh, b"payload", bytes(signature))


@given(st.binary(max_size=100))
def test_junk_for_a_signature_is_a_bad_signature(junk: bytes) -> None:
    with pytest.raises(BadSignature):
        verify(public_key, domain, mesh, b"payload", junk)


@given(st.binary(max_size=100).filter(lambda junk: len(junk) != 32))
def test_junk_for_a_key_is_a_bad_signature(junk: bytes) -> None:
    with pytest.raises(BadSignature, match=f"{len(junk)} bytes instead of 32 in ringrift/core/1"):
        verify(junk, domain, mesh, b"payload", bytes(64))
