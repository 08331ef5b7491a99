"""Meshes to test with, and people who are not of them: real keys, certificates and TLS."""

import datetime
import pathlib
import ssl

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from p2p.identity.certificates import Credentials
from p2p.identity.ids import NodeId, mesh_name, node_name
from p2p.identity.keyring import Keyring
from p2p.identity.tls import client_context, server_context
from p2p.identity.tokens import Token, grant_token, new_mesh

now = datetime.datetime.now(datetime.UTC)


class Member:
    """A node of a mesh, its keys kept in `home`."""

    def __init__(self, home: pathlib.Path, credentials: Credentials) -> None:
        keyring = Keyring(home)
        keyring.save_credentials(credentials)
        self.id = credentials.node
        self.client_context = client_context(keyring)
        self.server_context = server_context(keyring)


class Cheat:
    """Somebody who trusts the mesh and shows it a chain of certificates of his own choice."""

    def __init__(
        self,
        path: pathlib.Path,
        root: x509.Certificate,
        key: Ed25519PrivateKey,
        *chain: x509.Certificate,
    ) -> None:
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(private + b"".join(each.public_bytes(Encoding.PEM) for each in chain))
        self.client_context = _context(ssl.PROTOCOL_TLS_CLIENT, path, root)
        self.server_context = _context(ssl.PROTOCOL_TLS_SERVER, path, root)


class Mesh:
    """A mesh, with as many members as one asks for."""

    def __init__(self, homes: pathlib.Path) -> None:
        self._root = new_mesh(now)
        self.id = self._root.mesh
        self._homes = homes
        self._members = 0

    def member(self) -> Member:
        """Let a node join."""
        return Member(self._fresh_path(), self._token().admit(now, None))

    def impostor(self, victim: NodeId) -> Cheat:
        """Return a holder of a grant who has made himself a certificate with another's name."""
        token = self._token()
        key = Ed25519PrivateKey.generate()
        names = [node_name(victim, self.id), mesh_name(self.id)]
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(token.key.public_key())
        leaf = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(token.grant.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(map(x509.DNSName, names)), critical=False)
            .add_extension(authority, critical=False)
            .sign(token.key, None)
        )
        return Cheat(self._fresh_path(), self._root.certificate, key, leaf, token.grant)

    def foreigner(self, other: "Mesh") -> Cheat:
        """Return a member of another mesh who claims to be of this one."""
        theirs = other._token().admit(now, None)
        return Cheat(
            self._fresh_path(), self._root.certificate, theirs.key, theirs.leaf, theirs.grant
        )

    def _token(self) -> Token:
        return Token.parse(grant_token(self._root, now), now)

    def _fresh_path(self) -> pathlib.Path:
        self._members += 1
        return self._homes / f"{self.id.hex()}-{self._members}"


def _context(protocol: int, chain: pathlib.Path, root: x509.Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=root.public_bytes(Encoding.DER))
    context.load_cert_chain(chain)
    return context
