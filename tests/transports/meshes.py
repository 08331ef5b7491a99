"""Meshes to test with: real keys, real certificates, real TLS."""

import datetime
import pathlib
import ssl

from p2p.identity.certificates import Credentials, Root
from p2p.identity.keyring import Keyring
from p2p.identity.tls import client_context, server_context
from p2p.identity.tokens import Token, grant_token, new_mesh

now = datetime.datetime.now(datetime.UTC)


class Member:
    """A node of a mesh, its keys kept in `home`."""

    def __init__(self, home: pathlib.Path, credentials: Credentials) -> None:
        home.mkdir(mode=0o700)
        keyring = Keyring(home)
        keyring.save_credentials(credentials)
        self.id = credentials.node
        self.mesh = credentials.mesh
        self.client_context: ssl.SSLContext = client_context(keyring)
        self.server_context: ssl.SSLContext = server_context(keyring)


class Mesh:
    """A mesh, and as many members as one asks for."""

    def __init__(self, homes: pathlib.Path) -> None:
        self.root: Root = new_mesh(now)
        self._homes = homes
        self._members = 0

    def credentials(self) -> Credentials:
        """Return what a new member would prove itself with."""
        return Token.parse(grant_token(self.root, now), now).admit(now, None)

    def member(self, credentials: Credentials | None = None) -> Member:
        """Let a node join; with `credentials` of its own, one that cheats."""
        self._members += 1
        home = self._homes / f"{self.root.mesh.hex()}-{self._members}"
        return Member(home, credentials or self.credentials())
