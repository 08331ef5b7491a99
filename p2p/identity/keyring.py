"""Where a node keeps its keys: three PEM files in a directory that only its owner can enter.

    root.pem   the mesh's root key and certificate; on the operator's machine alone
    mesh.pem   the mesh's root certificate: whom to trust
    node.pem   the node's key, its leaf and its grant, as `ssl` loads them

A file is replaced whole or not at all: written beside its name, synced, renamed, and the directory
synced. `node.pem` is written last, so a node has joined exactly when it is there.
"""

import dataclasses
import os
import pathlib
import shlex
import stat

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from p2p.identity import IdentityError
from p2p.identity.certificates import BadCredentials, Credentials, Root, unreadable
from p2p.identity.ids import MeshId

_copied_from_peers = "restore it from any other node of the mesh: all have the same"


class KeyringError(IdentityError):
    """A key or certificate that is not kept, or not kept safely; the message names the path."""


@dataclasses.dataclass(frozen=True, slots=True)
class Keyring:
    """The key files of one agent. Nothing is read or written before it is asked for.

    All methods raise `KeyringError`: for a directory that other users can enter or own, for a file
    that is damaged or whose parts do not belong together, and for what the disk refuses.
    """

    directory: pathlib.Path

    @property
    def root_key_path(self) -> pathlib.Path:
        """The root key and certificate: `root.pem`."""
        return self.directory / "root.pem"

    @property
    def mesh_path(self) -> pathlib.Path:
        """The root certificate that this node trusts: `mesh.pem`."""
        return self.directory / "mesh.pem"

    @property
    def node_path(self) -> pathlib.Path:
        """The node's key and certificates, for `ssl.SSLContext.load_cert_chain`: `node.pem`."""
        return self.directory / "node.pem"

    def load_root(self) -> Root | None:
        """Return the mesh's root, or None where it is not kept."""
        pem = self._read(self.root_key_path)
        if pem is None:
            return None
        try:
            root = Root(_parse_key(pem), *_parse_certificates(pem, 1))
            root.check()
        except BadCredentials as error:
            raise KeyringError(
                f"{self.root_key_path} is damaged: {error}; restore it from a copy"
            ) from None
        return root

    def save_root(self, root: Root) -> None:
        """Keep the mesh's root. Another mesh's root is never overwritten."""
        kept = self.load_root()
        if kept is not None:
            _refuse_other_mesh(self.root_key_path, kept.mesh, root.mesh)
        self._write(self.root_key_path, _key_pem(root.key) + _certificates_pem(root.certificate))

    def load_credentials(self) -> Credentials | None:
        """Return the node's credentials, or None where no mesh has been joined."""
        pem = self._read(self.node_path)
        if pem is None:
            return None
        mesh_pem = self._read(self.mesh_path)
        if mesh_pem is None:
            raise KeyringError(f"{self.mesh_path} is missing; {_copied_from_peers}")
        try:
            (root,) = _parse_certificates(mesh_pem, 1)
        except BadCredentials as error:
            raise KeyringError(
                f"{self.mesh_path} is damaged: {error}; {_copied_from_peers}"
            ) from None
        try:
            leaf, grant = _parse_certificates(pem, 2)
            credentials = Credentials(_parse_key(pem), leaf, grant, root)
            credentials.check()
        except BadCredentials as error:
            raise KeyringError(
                f"{self.node_path} is damaged: {error};"
                " restore it from a copy, or remove it and join again as a new node"
            ) from None
        return credentials

    def save_credentials(self, credentials: Credentials) -> None:
        """Keep the node's credentials. A home that belongs to another mesh keeps its own."""
        kept = self.load_credentials()
        if kept is not None:
            _refuse_other_mesh(self.node_path, kept.mesh, credentials.mesh)
        chain = _certificates_pem(credentials.leaf, credentials.grant)
        self._write(self.mesh_path, _certificates_pem(credentials.root))
        self._write(self.node_path, _key_pem(credentials.key) + chain)

    def forget_credentials(self) -> None:
        """Drop the node's key and certificates, and whom to trust; a root stays."""
        for path in (self.node_path, self.mesh_path):
            path.unlink(missing_ok=True)

    def _read(self, path: pathlib.Path) -> bytes | None:
        try:
            self._check_directory()
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise KeyringError(f"cannot read {path}: {error.strerror}") from error

    def _write(self, path: pathlib.Path, data: bytes) -> None:
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_directory()
            _write_atomically(path, data)
        except OSError as error:
            raise KeyringError(f"cannot write {path}: {error.strerror}") from error

    def _check_directory(self) -> None:
        """Raise `KeyringError` unless only its owner, this user, can enter the directory."""
        status = self.directory.stat()
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISDIR(status.st_mode):
            raise KeyringError(f"{self.directory} is not a directory")
        if status.st_uid != os.geteuid():
            raise KeyringError(
                f"{self.directory} belongs to user {status.st_uid}, not to this user"
                f" ({os.geteuid()}): keys are kept in a directory of one's own"
            )
        if mode & 0o077:
            raise KeyringError(
                f"{self.directory} is open to other users (mode {mode:04o}):"
                f" close it with `chmod 700 {shlex.quote(str(self.directory))}`"
            )


def _write_atomically(path: pathlib.Path, data: bytes) -> None:
    """Replace the file `path`, mode 0600; after a crash it holds the old bytes or the new."""
    # One name for all attempts: what a crash leaves behind, the next write takes up.
    fresh = path.with_name(f".{path.name}.new")
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _refuse_other_mesh(path: pathlib.Path, kept: MeshId, offered: MeshId) -> None:
    if kept != offered:
        raise KeyringError(
            f"{path} belongs to mesh {kept.hex()} and is not overwritten for mesh {offered.hex()}:"
            " use another home"
        )


def _parse_key(pem: bytes) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadCredentials("it holds no readable private key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadCredentials("its private key is not an Ed25519 key")
    return key


def _parse_certificates(pem: bytes, count: int) -> list[x509.Certificate]:
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except unreadable:
        raise BadCredentials("it holds no readable certificate") from None
    if len(certificates) != count:
        raise BadCredentials(f"it holds {len(certificates)} certificates instead of {count}")
    return certificates


def _key_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _certificates_pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)
