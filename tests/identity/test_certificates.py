"""The certificates of a mesh have the shape that keeps a grant within its bounds."""

import dataclasses
import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from p2p.identity.certificates import (
    BadCredentials,
    Credentials,
    Life,
    Root,
    build_grant,
    build_leaf,
    build_root,
    grant_lifetime,
)
from p2p.identity.ids import mesh_name, node_name
from p2p.identity.signing import key_id

now = datetime.datetime(2026, 1, 1, 12, 0, tzinfo=datetime.UTC)
day = datetime.timedelta(days=1)

root_key, grant_key, node_key = (
    Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2, 3)
)
root = Root(root_key, build_root(root_key, now))
grant = build_grant(root, grant_key.public_key(), now, grant_lifetime)
leaf = build_leaf(node_key.public_key(), root.certificate, grant, grant_key)
credentials = Credentials(node_key, leaf, grant, root.certificate)


def is_ca(certificate: x509.Certificate) -> tuple[bool, int | None]:
    extension = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert extension.critical
    return extension.value.ca, extension.value.path_length


def test_a_root_is_its_own_issuer_above_one_level_of_grants_for_ten_years() -> None:
    certificate = root.certificate
    certificate.verify_directly_issued_by(certificate)
    assert is_ca(certificate) == (True, 1)
    assert certificate.not_valid_before_utc == now - day
    assert certificate.not_valid_after_utc == now + 3650 * day


def test_a_grant_admits_leaves_of_its_own_mesh_alone_for_a_year() -> None:
    grant.verify_directly_issued_by(root.certificate)
    assert is_ca(grant) == (True, 0)
    constraints = grant.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    assert constraints.value.permitted_subtrees == [x509.DNSName(mesh_name(root.mesh))]
    assert grant.not_valid_before_utc == now - day
    assert grant.not_valid_after_utc == now + 365 * day


def test_a_leaf_bears_its_keys_name_and_its_grants_dates() -> None:
    leaf.verify_directly_issued_by(grant)
    node = key_id(node_key.public_key().public_bytes_raw())
    assert is_ca(leaf) == (False, None)
    assert leaf.subject.rfc4514_string() == f"CN={node.hex()}"
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        node_name(node, root.mesh),
        mesh_name(root.mesh),
    ]
    assert leaf.not_valid_before_utc == grant.not_valid_before_utc
    assert leaf.not_valid_after_utc == root.certificate.not_valid_after_utc


def test_a_leaf_serves_and_dials_and_signs_no_certificates() -> None:
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(purposes) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign


@pytest.mark.parametrize(("issued", "issuer"), [(grant, root.certificate), (leaf, grant)])
def test_what_is_issued_names_its_issuers_key(
    issued: x509.Certificate, issuer: x509.Certificate
) -> None:
    authority = issued.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    subject = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert authority.key_identifier == subject.digest


def test_a_renewed_grant_has_the_same_subject_and_another_serial_number() -> None:
    renewed = build_grant(root, grant_key.public_key(), now + 300 * day, grant_lifetime)
    assert renewed.subject == grant.subject
    assert renewed.serial_number != grant.serial_number
    dataclasses.replace(credentials, grant=renewed).check()


@pytest.mark.parametrize(
    ("lifetime", "complaint"),
    [
        (datetime.timedelta(0), "a grant must be valid for some time"),
        (-day, "a grant must be valid for some time"),
        (3651 * day, "cannot outlive the mesh's root, which ends on 2035-12-30 12:00 UTC"),
        (datetime.timedelta.max, "cannot outlive the mesh's root"),
    ],
)
def test_a_grant_cannot_have_no_life_or_outlive_its_root(
    lifetime: datetime.timedelta, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        build_grant(root, grant_key.public_key(), now, lifetime)


def test_credentials_know_their_node_and_mesh() -> None:
    credentials.check()
    assert credentials.node == key_id(node_key.public_key().public_bytes_raw())
    assert credentials.mesh == root.mesh


def test_credentials_live_as_long_as_the_shortest_of_their_certificates() -> None:
    short = build_grant(root, grant_key.public_key(), now + day, 10 * day)
    assert credentials.life == Life(now - day, now + 365 * day)
    assert dataclasses.replace(credentials, grant=short).life == Life(now, now + 11 * day)


def test_life_ends_soon_from_its_last_tenth_on() -> None:
    life = Life(now, now + 100 * day)
    assert not life.ends_soon(now)
    assert not life.ends_soon(now + 90 * day - datetime.timedelta(seconds=1))
    assert life.ends_soon(now + 90 * day)
    assert life.ends_soon(now + 200 * day)


def with_an_unknown_kind_of_key(certificate: x509.Certificate) -> x509.Certificate:
    der = certificate.public_bytes(Encoding.DER)
    return x509.load_der_x509_certificate(der.replace(b"\x2b\x65\x70", b"\x2b\x65\x79"))


other_root = Root(grant_key, build_root(grant_key, now))


@pytest.mark.parametrize(
    ("mixed", "complaint"),
    [
        (
            dataclasses.replace(credentials, key=grant_key),
            "the private key does not match the node's certificate",
        ),
        (
            dataclasses.replace(credentials, root=other_root.certificate),
            "the grant is not signed by the mesh's root",
        ),
        (
            dataclasses.replace(credentials, root=grant),
            "the root certificate is not signed by its own key",
        ),
        (
            dataclasses.replace(credentials, root=with_an_unknown_kind_of_key(root.certificate)),
            "the root certificate or its issuer is not for an Ed25519 key",
        ),
        (
            dataclasses.replace(credentials, leaf=grant),
            "the node's certificate is not signed by its grant",
        ),
        (
            dataclasses.replace(
                credentials,
                leaf=build_leaf(node_key.public_key(), other_root.certificate, grant, grant_key),
            ),
            "peers would refuse this node: .* does not bear its own key's name",
        ),
    ],
)
def test_credentials_that_do_not_belong_together_are_told_apart(
    mixed: Credentials, complaint: str
) -> None:
    with pytest.raises(BadCredentials, match=complaint):
        mixed.check()


def test_a_root_with_another_key_is_refused() -> None:
    with pytest.raises(BadCredentials, match="private key does not match the root certificate"):
        Root(grant_key, root.certificate).check()
    with pytest.raises(BadCredentials, match="root certificate is not signed by its own key"):
        Root(grant_key, grant).check()


def test_secret_keys_are_not_shown() -> None:
    assert "key=" not in repr(credentials)
    assert "key=" not in repr(root)
