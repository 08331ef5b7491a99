"""The certificates of a mesh, and what a peer's certificate must prove.

    root    self-signed; its key never leaves the operator's machine
    └── grant    an intermediate that can admit nodes of this mesh and nothing else
        └── leaf    one node's own key, under the name that is that key's hash

Standard X.509 (RFC 5280), checked by TLS itself; `check_peer` adds what TLS does not ask. A grant
holder can write any name into a leaf, so a name never identifies a node: the hash of its key does.

A grant's subject follows from its key, so that a renewed grant certificate for the same key takes
the place of the old one above the leaves that it has issued.
"""

import dataclasses
import datetime
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from p2p.identity import IdentityError
from p2p.identity.ids import MeshId, NodeId, mesh_id, mesh_name, node_id, node_name

backdated = datetime.timedelta(hours=24)
"""How far before its making a certificate begins, for boxes whose clocks are slow."""

root_lifetime = datetime.timedelta(days=3650)
grant_lifetime = datetime.timedelta(days=365)
"""How long a grant admits, unless the operator says otherwise."""

unreadable = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What `cryptography` raises, early or late, for a certificate that is damaged or exotic."""


class BadCredentials(IdentityError):
    """A key and certificates that do not belong together; the message says which."""


class PeerRefused(IdentityError):
    """The peer's certificate does not prove that it is who it should be; the message says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Life:
    """When something is valid, in UTC."""

    not_before: datetime.datetime
    not_after: datetime.datetime

    def ends_soon(self, now: datetime.datetime) -> bool:
        """Whether the last tenth of it has begun, or all of it has passed."""
        return now >= self.not_after - (self.not_after - self.not_before) / 10


@dataclasses.dataclass(frozen=True, slots=True)
class Root:
    """The key that founded a mesh, and its certificate. Only the operator has it."""

    key: Ed25519PrivateKey = dataclasses.field(repr=False)
    certificate: x509.Certificate

    @property
    def mesh(self) -> MeshId:
        """The mesh that it founded."""
        return mesh_of(self.certificate)

    def check(self) -> None:
        """Raise `BadCredentials` unless the certificate is the key's own."""
        check_issued(self.certificate, self.certificate, "root certificate", "its own key")
        check_key(self.key, self.certificate, "root certificate")


@dataclasses.dataclass(frozen=True, slots=True)
class Credentials:
    """What a node proves its identity with."""

    key: Ed25519PrivateKey = dataclasses.field(repr=False)
    """The node's own key; it also signs what the node says."""
    leaf: x509.Certificate
    grant: x509.Certificate
    root: x509.Certificate
    """The only root that the node trusts."""

    @property
    def mesh(self) -> MeshId:
        """The mesh that the node belongs to."""
        return mesh_of(self.root)

    @property
    def node(self) -> NodeId:
        """The node's id."""
        return node_id(_public_key_der(self.leaf))

    @property
    def life(self) -> Life:
        """When peers accept these credentials: while leaf, grant and root are all valid."""
        return life((self.leaf, self.grant, self.root))

    def check(self) -> None:
        """Raise `BadCredentials` unless key, leaf, grant and root belong together.

        Dates are not looked at: expired credentials are still this node's.
        """
        check_issued(self.root, self.root, "root certificate", "its own key")
        check_issued(self.grant, self.root, "grant", "the mesh's root")
        check_issued(self.leaf, self.grant, "node's certificate", "its grant")
        check_key(self.key, self.leaf, "node's certificate")
        try:
            check_peer(self.leaf.public_bytes(Encoding.DER), self.mesh, None)
        except PeerRefused as error:
            raise BadCredentials(f"peers would refuse this node: {error}") from None


def build_root(key: Ed25519PrivateKey, now: datetime.datetime) -> x509.Certificate:
    """Return the self-signed certificate of a mesh's root: a CA above one level of grants."""
    public_key = key.public_key()
    name = _name(mesh_name(mesh_id(_der(public_key))))
    validity = Life(now - backdated, now + root_lifetime)
    return _builder(name, public_key, name, validity, ca_path_length=1).sign(key, None)


def build_grant(
    root: Root, public_key: Ed25519PublicKey, now: datetime.datetime, lifetime: datetime.timedelta
) -> x509.Certificate:
    """Return a grant for `public_key`: a CA above leaves alone, for names of this mesh alone.

    Raises `ValueError` if it would end before it begins, or outlive its root.
    """
    ends = root.certificate.not_valid_after_utc
    if lifetime <= datetime.timedelta(0):
        raise ValueError("a grant must be valid for some time")
    if lifetime > ends - now:
        raise ValueError(f"a grant cannot outlive the mesh's root, which ends on {written(ends)}")
    key_digest = x509.SubjectKeyIdentifier.from_public_key(public_key).digest
    name = _name(f"grant {key_digest[:8].hex()}")
    validity = Life(now - backdated, now + lifetime)
    names = x509.NameConstraints([x509.DNSName(mesh_name(root.mesh))], None)
    builder = (
        _builder(name, public_key, root.certificate.subject, validity, ca_path_length=0)
        .add_extension(_issued_by(root.key), critical=False)
        .add_extension(names, critical=True)
    )
    return builder.sign(root.key, None)


def build_leaf(
    public_key: Ed25519PublicKey,
    root: x509.Certificate,
    grant: x509.Certificate,
    grant_key: Ed25519PrivateKey,
) -> x509.Certificate:
    """Return the certificate of the node that owns `public_key`.

    It is trusted as long as its grant is, so its own date is the root's: a renewed grant then takes
    effect without a touch of the box, whose grant key is long gone. No date is the box's own, so
    that one whose clock is wrong makes no wrong certificate.
    """
    mesh = mesh_of(root)
    validity = Life(grant.not_valid_before_utc, root.not_valid_after_utc)
    node = node_id(_der(public_key))
    names = [x509.DNSName(node_name(node, mesh)), x509.DNSName(mesh_name(mesh))]
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        _builder(_name(node.hex()), public_key, grant.subject, validity)
        .add_extension(_issued_by(grant_key), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    )
    return builder.sign(grant_key, None)


def check_peer(der: bytes, mesh: MeshId, expected: NodeId | None) -> NodeId:
    """Return the id of the peer that showed the certificate `der`, or raise `PeerRefused`.

    For both sides of a connection, after TLS has verified the chain up to the mesh's root and that
    the peer holds the key, and before the first byte of application data. `expected` is the node
    that was dialled; None takes any node of the mesh.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        public_key = certificate.public_key()
        extensions = certificate.extensions
    except unreadable as error:
        raise PeerRefused(f"the peer's certificate cannot be read: {error}") from None
    if not isinstance(public_key, Ed25519PublicKey):
        raise PeerRefused("the peer's certificate is not for an Ed25519 key")
    node = node_id(_der(public_key))
    if not _names_its_grant(extensions):
        raise PeerRefused(
            "the peer's certificate does not say which grant admitted it"
            " (it has no authority key identifier)"
        )
    name = node_name(node, mesh)
    if name not in _dns_names(extensions):
        raise PeerRefused(f"the peer's certificate does not bear its own key's name, {name}")
    if expected is not None and node != expected:
        raise PeerRefused(f"the peer is node {node.hex()}, not node {expected.hex()}")
    return node


def check_issued(
    certificate: x509.Certificate, issuer: x509.Certificate, what: str, whose: str
) -> None:
    """Raise `BadCredentials` unless `issuer` signed `certificate`.

    The message calls the two `what` and `whose`. For checks of our own before TLS makes its own:
    dates, constraints and path lengths are not looked at.
    """
    for each in (certificate, issuer):
        try:
            is_ours = isinstance(each.public_key(), Ed25519PublicKey)
        except unreadable:
            is_ours = False
        if not is_ours:
            raise BadCredentials(f"the {what} or its issuer is not for an Ed25519 key")
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*unreadable, TypeError, InvalidSignature):
        raise BadCredentials(f"the {what} is not signed by {whose}") from None


def check_key(key: Ed25519PrivateKey, certificate: x509.Certificate, what: str) -> None:
    """Raise `BadCredentials` unless `certificate`, called `what`, is for `key`."""
    if key.public_key() != certificate.public_key():
        raise BadCredentials(f"the private key does not match the {what}")


def mesh_of(root: x509.Certificate) -> MeshId:
    """Return the mesh that this root founded."""
    return mesh_id(_public_key_der(root))


def life(certificates: Iterable[x509.Certificate]) -> Life:
    """Return when all of one or more certificates are valid."""
    all_ = tuple(certificates)
    return Life(
        max(each.not_valid_before_utc for each in all_),
        min(each.not_valid_after_utc for each in all_),
    )


def _builder(
    subject: x509.Name,
    public_key: Ed25519PublicKey,
    issuer: x509.Name,
    validity: Life,
    *,
    ca_path_length: int | None = None,
) -> x509.CertificateBuilder:
    """Return what all certificates have in common; None as path length makes it no CA."""
    is_ca = ca_path_length is not None
    usage = x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder(issuer, subject, public_key, x509.random_serial_number())
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
        .add_extension(x509.BasicConstraints(is_ca, ca_path_length), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _issued_by(issuer_key: Ed25519PrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())


def _names_its_grant(extensions: x509.Extensions) -> bool:
    try:
        authority = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except x509.ExtensionNotFound:
        return False
    return authority.value.key_identifier is not None


def _dns_names(extensions: x509.Extensions) -> list[str]:
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return names.value.get_values_for_type(x509.DNSName)


def _public_key_der(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _der(public_key: Ed25519PublicKey) -> bytes:
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def written(time: datetime.datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC")
