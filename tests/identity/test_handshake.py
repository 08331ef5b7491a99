"""Real TLS 1.3 handshakes: members meet, everybody else is told why not."""

import datetime
import pathlib
import ssl
from collections.abc import Callable, Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from p2p.identity.certificates import (
    Credentials,
    PeerRefused,
    Root,
    build_grant,
    build_leaf,
    check_peer,
)
from p2p.identity.ids import NodeId, mesh_name, node_name
from p2p.identity.keyring import Keyring, KeyringError
from p2p.identity.signing import key_id
from p2p.identity.tls import Reason, client_context, explain, refusal, server_context
from p2p.identity.tokens import Token, grant_token, new_mesh
from tests.identity.conversation import Side, converse, listen, side

now = datetime.datetime.now(datetime.UTC)
day = datetime.timedelta(days=1)
year = 365 * day

root = new_mesh(now - 100 * day)
mesh = root.mesh
grant_key = Ed25519PrivateKey.generate()
grant = build_grant(root, grant_key.public_key(), now, year)


def admit(root: Root) -> Credentials:
    return Token.parse(grant_token(root, now), now).admit(now, None)


def id_of(key: Ed25519PrivateKey) -> NodeId:
    return key_id(key.public_key().public_bytes_raw())


# A grant holder's own leaves, and what else somebody might show


def forged_leaf(
    public_key: Ed25519PublicKey,
    issuer: x509.Certificate,
    issuer_key: Ed25519PrivateKey,
    names: Sequence[str],
    *,
    is_ca: bool = False,
    has_authority: bool = True,
    usage: x509.ObjectIdentifier | None = None,
) -> x509.Certificate:
    """Return a certificate that a grant's key can make and `build_leaf` would not."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "forged")]))
        .issuer_name(issuer.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + year)
        .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternatives, critical=False)
    if has_authority:
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        builder = builder.add_extension(authority, critical=False)
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(issuer_key, None)


def pem(key: Ed25519PrivateKey, *chain: x509.Certificate) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + b"".join(
        each.public_bytes(Encoding.PEM) for each in chain
    )


def sound() -> bytes:
    credentials = admit(root)
    return pem(credentials.key, credentials.leaf, credentials.grant)


def of_a_foreign_mesh() -> bytes:
    credentials = admit(new_mesh(now))
    return pem(credentials.key, credentials.leaf, credentials.grant)


def self_signed() -> bytes:
    foreign = new_mesh(now)
    return pem(foreign.key, foreign.certificate)


def under_a_grant_of(begin: datetime.datetime, lifetime: datetime.timedelta) -> bytes:
    key = Ed25519PrivateKey.generate()
    other = build_grant(root, grant_key.public_key(), begin, lifetime)
    return pem(key, build_leaf(key.public_key(), root.certificate, other, grant_key), other)


def under_an_expired_grant() -> bytes:
    return under_a_grant_of(now - 30 * day, 29 * day)


def under_a_grant_from_tomorrow() -> bytes:
    return under_a_grant_of(now + 2 * day, year)


def with_a_name_outside_the_mesh() -> bytes:
    key = Ed25519PrivateKey.generate()
    names = [node_name(id_of(key), mesh), "example.com"]
    return pem(key, forged_leaf(key.public_key(), grant, grant_key, names), grant)


def under_a_sub_ca() -> bytes:
    sub_key, key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    sub_ca = forged_leaf(sub_key.public_key(), grant, grant_key, [], is_ca=True)
    names = [node_name(id_of(key), mesh), mesh_name(mesh)]
    return pem(key, forged_leaf(key.public_key(), sub_ca, sub_key, names), sub_ca, grant)


def for_another_purpose() -> bytes:
    key = Ed25519PrivateKey.generate()
    names = [node_name(id_of(key), mesh), mesh_name(mesh)]
    usage = ExtendedKeyUsageOID.CODE_SIGNING
    return pem(key, forged_leaf(key.public_key(), grant, grant_key, names, usage=usage), grant)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    """The keyring of a sound member."""
    keyring = Keyring(tmp_path_factory.mktemp("ours", numbered=True) / "keys")
    keyring.save_credentials(admit(root))
    return keyring


Show = Callable[[ssl.SSLContext, bytes], ssl.SSLContext]


@pytest.fixture
def show(tmp_path: pathlib.Path) -> Show:
    """Make a context show other certificates than a keyring would keep."""

    def load(context: ssl.SSLContext, chain_pem: bytes) -> ssl.SSLContext:
        path = tmp_path / "shown.pem"
        path.write_bytes(chain_pem)
        context.load_cert_chain(path)
        return context

    return load


def id_in(keyring: Keyring) -> NodeId:
    credentials = keyring.load_credentials()
    assert credentials is not None
    return credentials.node


def leaf_name(chain_pem: bytes) -> str:
    """Return the node name in a leaf."""
    leaf = x509.load_pem_x509_certificates(chain_pem)[0]
    key = leaf.public_key()
    assert isinstance(key, Ed25519PublicKey)
    return node_name(key_id(key.public_bytes_raw()), mesh)


def meet(
    ours: Keyring, show: Show, shown: bytes, *, as_server: bool, hostname: str | None = None
) -> tuple[Side, Side]:
    """Return our side and the side of a peer that shows `shown`, after they have conversed."""
    if as_server:
        we = side(client_context(ours), hostname or leaf_name(shown))
        peer = side(show(server_context(ours), shown), None)
        converse(we, peer)
        return we, peer
    we = side(server_context(ours), None)
    peer = side(show(client_context(ours), shown), node_name(id_in(ours), mesh))
    converse(peer, we)
    return we, peer


# Members


@pytest.mark.parametrize("as_server", [True, False], ids=["server", "client"])
def test_members_meet_and_each_knows_the_other(ours: Keyring, show: Show, as_server: bool) -> None:
    shown = sound()
    we, peer = meet(ours, show, shown, as_server=as_server)
    assert (we.error, peer.error) == (None, None)
    assert (we.tls.version(), we.tls.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
    seen = check_peer(we.saw(), mesh, None)
    assert node_name(seen, mesh) == leaf_name(shown)
    assert check_peer(we.saw(), mesh, seen) == seen
    assert check_peer(peer.saw(), mesh, id_in(ours)) == id_in(ours)


def test_any_member_answers_a_first_contact_under_the_name_of_the_mesh(
    ours: Keyring, show: Show
) -> None:
    we, peer = meet(ours, show, sound(), as_server=True, hostname=mesh_name(mesh))
    assert (we.error, peer.error) == (None, None)


def test_nothing_is_resumed(ours: Keyring) -> None:
    server, client = server_context(ours), client_context(ours)
    name = node_name(id_in(ours), mesh)
    first = side(client, name)
    converse(first, side(server, None))
    assert first.tls.session is None or not first.tls.session.has_ticket


@pytest.mark.parametrize("as_server", [True, False], ids=["server", "client"])
def test_a_renewed_grant_for_the_same_key_stands_above_an_old_leaf(
    ours: Keyring, show: Show, as_server: bool
) -> None:
    key = Ed25519PrivateKey.generate()
    expired = build_grant(root, grant_key.public_key(), now - 30 * day, 29 * day)
    leaf = build_leaf(key.public_key(), root.certificate, expired, grant_key)
    renewed = build_grant(root, grant_key.public_key(), now, year)
    we, peer = meet(ours, show, pem(key, leaf, renewed), as_server=as_server)
    assert (we.error, peer.error) == (None, None)
    assert check_peer(we.saw(), mesh, id_of(key)) == id_of(key)


def test_a_keyring_that_has_joined_no_mesh_makes_no_context(tmp_path: pathlib.Path) -> None:
    with pytest.raises(KeyringError, match=r"/node\.pem is missing: this node has joined no mesh"):
        server_context(Keyring(tmp_path))


# Refused by TLS, whichever side shows the certificate

foreign = "the peer belongs to another mesh: this mesh's root did not admit it"
foreign_to_peer = (
    "the peer refused us: it belongs to another mesh, whose root did not admit this node"
)
expired = "the peer's certificate, or the grant that admitted it, has expired"
expired_to_peer = (
    "the peer refused us: this node's certificate, or the grant that admitted it, has expired"
)
too_early = "the peer's certificate is not valid yet: one of the clocks is wrong"
out_of_bounds = "the peer's certificate breaks the limits of its grant"
bad_to_peer = (
    "the peer refused this node's certificate: it asked for another name, or holds the certificate"
    " for not yet valid or beyond the limits of its grant"
)


@pytest.mark.parametrize("as_server", [True, False], ids=["server", "client"])
@pytest.mark.parametrize(
    ("make", "reason", "we_say", "peer_hears"),
    [
        (of_a_foreign_mesh, Reason.FOREIGN_MESH, foreign, foreign_to_peer),
        (self_signed, Reason.FOREIGN_MESH, foreign, foreign_to_peer),
        (under_an_expired_grant, Reason.EXPIRED, expired, expired_to_peer),
        (under_a_grant_from_tomorrow, Reason.NOT_YET_VALID, too_early, bad_to_peer),
        (with_a_name_outside_the_mesh, Reason.BAD_CERTIFICATE, out_of_bounds, bad_to_peer),
        (under_a_sub_ca, Reason.BAD_CERTIFICATE, out_of_bounds, foreign_to_peer),
        (for_another_purpose, Reason.BAD_CERTIFICATE, out_of_bounds, bad_to_peer),
    ],
)
def test_a_bad_certificate_is_refused_and_both_sides_can_say_why(
    ours: Keyring,
    show: Show,
    make: Callable[[], bytes],
    reason: Reason,
    we_say: str,
    peer_hears: str,
    as_server: bool,
) -> None:
    we, peer = meet(ours, show, make(), as_server=as_server)
    assert we.error is not None
    assert peer.error is not None
    refused, heard = refusal(we.error), refusal(peer.error)
    assert refused is not None
    assert heard is not None
    assert not we.shook_hands
    assert (refused.reason, refused.by_peer, refused.sentence) == (reason, False, we_say)
    assert (heard.by_peer, heard.sentence) == (True, peer_hears)
    assert refused.is_about_identity
    assert heard.is_about_identity
    # The client has shaken hands before the server judges it; see the module's docstring.
    assert peer.shook_hands != as_server


def test_another_node_than_the_one_dialled_is_refused(ours: Keyring, show: Show) -> None:
    name = node_name(NodeId(bytes(16)), mesh)
    we, peer = meet(ours, show, sound(), as_server=True, hostname=name)
    assert we.error is not None
    assert peer.error is not None
    assert explain(we.error) == (
        "the peer is not the node that was asked for: its certificate bears another name"
    )
    assert explain(peer.error) == bad_to_peer


def test_a_client_without_a_certificate_is_refused(ours: Keyring) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client, server = side(context, mesh_name(mesh)), side(server_context(ours), None)
    converse(client, server)
    assert client.shook_hands
    assert server.error is not None
    assert client.error is not None
    assert explain(server.error) == "the peer showed no certificate: it has not joined a mesh"
    assert explain(client.error) == (
        "the peer refused us: it demands a certificate, and this node showed none"
    )


# Passed by TLS, refused by check_peer


def accused(ours: Keyring, show: Show, shown: bytes, hostname: str) -> str:
    """Return why a server's certificate that passes TLS under `hostname` is refused."""
    we, peer = meet(ours, show, shown, as_server=True, hostname=hostname)
    assert (we.error, peer.error) == (None, None)
    with pytest.raises(PeerRefused) as refused:
        check_peer(we.saw(), mesh, None)
    return str(refused.value)


def test_a_leaf_that_hides_its_grant_is_refused(ours: Keyring, show: Show) -> None:
    key = Ed25519PrivateKey.generate()
    name = node_name(id_of(key), mesh)
    leaf = forged_leaf(key.public_key(), grant, grant_key, [name], has_authority=False)
    assert accused(ours, show, pem(key, leaf, grant), name) == (
        "the peer's certificate does not say which grant admitted it"
        " (it has no authority key identifier)"
    )


def test_an_authority_without_a_key_identifier_does_not_count() -> None:
    key = Ed25519PrivateKey.generate()
    name = node_name(id_of(key), mesh)
    authority = x509.AuthorityKeyIdentifier(None, [x509.DNSName("grant")], grant.serial_number)
    leaf = (
        x509.CertificateBuilder(grant.subject, x509.Name([]), key.public_key(), 1, now, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(authority, critical=False)
        .sign(grant_key, None)
    )
    with pytest.raises(PeerRefused, match="has no authority key identifier"):
        check_peer(leaf.public_bytes(Encoding.DER), mesh, None)


@pytest.mark.parametrize("form", ["{victim}", "*.{mesh}", "{mesh}"])
def test_a_leaf_with_a_name_that_is_not_its_keys_hash_is_refused(
    ours: Keyring, show: Show, form: str
) -> None:
    key = Ed25519PrivateKey.generate()
    victim = node_name(NodeId(b"v" * 16), mesh)
    name = form.format(victim=victim, mesh=mesh_name(mesh))
    leaf = forged_leaf(key.public_key(), grant, grant_key, [name])
    hostname = mesh_name(mesh) if form == "{mesh}" else victim
    assert accused(ours, show, pem(key, leaf, grant), hostname) == (
        f"the peer's certificate does not bear its own key's name, {node_name(id_of(key), mesh)}"
    )


def test_a_client_without_any_name_passes_tls_and_is_refused(ours: Keyring, show: Show) -> None:
    key = Ed25519PrivateKey.generate()
    leaf = forged_leaf(key.public_key(), grant, grant_key, [])
    we, _ = meet(ours, show, pem(key, leaf, grant), as_server=False)
    assert we.error is None
    with pytest.raises(PeerRefused, match="does not bear its own key's name"):
        check_peer(we.saw(), mesh, None)


def test_a_leaf_with_the_victims_name_beside_its_own_is_not_taken_for_the_victim(
    ours: Keyring, show: Show
) -> None:
    key, victim = Ed25519PrivateKey.generate(), NodeId(b"v" * 16)
    names = [node_name(id_of(key), mesh), node_name(victim, mesh)]
    leaf = forged_leaf(key.public_key(), grant, grant_key, names)
    we, _ = meet(
        ours, show, pem(key, leaf, grant), as_server=True, hostname=node_name(victim, mesh)
    )
    assert we.error is None
    assert check_peer(we.saw(), mesh, None) == id_of(key)
    with pytest.raises(PeerRefused) as refused:
        check_peer(we.saw(), mesh, victim)
    assert str(refused.value) == f"the peer is node {id_of(key).hex()}, not node {victim.hex()}"


def test_a_leaf_for_another_kind_of_key_is_refused() -> None:
    key = generate_private_key(SECP256R1())
    name = x509.Name([])
    certificate = (x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + day)).sign(
        key, SHA256()
    )
    with pytest.raises(PeerRefused, match="is not for an Ed25519 key"):
        check_peer(certificate.public_bytes(Encoding.DER), mesh, None)


whole_leaf = admit(root).leaf.public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    "junk",
    [b"", b"junk", whole_leaf[:-1], whole_leaf.replace(b"\x2b\x65\x70", b"\x2b\x65\x79")],
    ids=["nothing", "junk", "cut short", "unknown kind of key"],
)
def test_an_unreadable_certificate_is_refused(junk: bytes) -> None:
    with pytest.raises(PeerRefused, match="the peer's certificate cannot be read: "):
        check_peer(junk, mesh, None)


# No mesh at all

no_agent = "the peer does not speak TLS 1.3: it is no ringrift-agent"


@pytest.mark.parametrize("is_server", [True, False], ids=["server", "client"])
@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-server\r\n",
        bytes(100),
    ],
)
def test_a_peer_that_speaks_no_tls_is_named_so(ours: Keyring, junk: bytes, is_server: bool) -> None:
    context = server_context(ours) if is_server else client_context(ours)
    refused = refusal(listen(context, junk, None if is_server else mesh_name(mesh)))
    assert refused is not None
    assert (refused.reason, refused.sentence) == (Reason.NO_TLS, no_agent)
    assert not refused.is_about_identity


@pytest.mark.parametrize("as_server", [True, False], ids=["server", "client"])
def test_older_tls_is_refused(ours: Keyring, as_server: bool) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if as_server else ssl.PROTOCOL_TLS_CLIENT)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.load_cert_chain(ours.node_path)
    name = mesh_name(mesh)
    if as_server:
        we, peer = side(client_context(ours), name), side(old, None)
        converse(we, peer)
    else:
        we, peer = side(server_context(ours), None), side(old, name)
        converse(peer, we)
    assert we.error is not None
    assert explain(we.error) == no_agent


def test_a_connection_that_is_lost_is_nobodys_refusal(ours: Keyring) -> None:
    assert explain(listen(server_context(ours), b"", None)) is None
    assert explain(listen(client_context(ours), b"", mesh_name(mesh))) is None
    assert explain(ConnectionResetError()) is None


def test_a_failure_without_a_sentence_of_its_own_is_told_in_openssls_words(ours: Keyring) -> None:
    client_side, server_side = client_context(ours), server_context(ours)
    client_side.set_ecdh_curve("secp521r1")
    server_side.set_ecdh_curve("prime256v1")
    client, server = side(client_side, mesh_name(mesh)), side(server_side, None)
    converse(client, server)
    for error, by_peer in ((server.error, False), (client.error, True)):
        assert error is not None
        failed = refusal(error)
        assert failed is not None
        assert (failed.reason, failed.by_peer) == (Reason.OTHER, by_peer)
        assert failed.sentence == f"TLS failed: {error.reason}"
        assert not failed.is_about_identity


def test_a_refusal_is_found_inside_the_errors_of_libraries(ours: Keyring) -> None:
    broken, outer = OSError("broken"), RuntimeError("cannot connect")
    broken.__context__ = listen(server_context(ours), b"SSH-2.0-server\r\n", None)
    outer.__cause__ = broken
    assert explain(outer) == no_agent
