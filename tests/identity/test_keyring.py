"""Keys are kept whole, for their owner's eyes alone, and never silently replaced."""

import datetime
import os
import pathlib
import ssl
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from p2p.identity.certificates import Credentials
from p2p.identity.keyring import Keyring, KeyringError
from p2p.identity.tokens import Token, grant_token, new_mesh

now = datetime.datetime(2026, 1, 1, 12, 0, tzinfo=datetime.UTC)
root = new_mesh(now)


def member() -> Credentials:
    return Token.parse(grant_token(root, now), now).admit(now, None)


@pytest.fixture
def keyring(tmp_path: pathlib.Path) -> Keyring:
    return Keyring(tmp_path / "home" / "keys")


@pytest.fixture
def joined(keyring: Keyring) -> Keyring:
    """A keyring with a root and a node's credentials."""
    keyring.save_root(root)
    keyring.save_credentials(member())
    return keyring


def files(keyring: Keyring) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in keyring.directory.iterdir()}


def test_what_was_saved_is_loaded(keyring: Keyring) -> None:
    credentials = member()
    keyring.save_root(root)
    keyring.save_credentials(credentials)
    kept_root, kept = keyring.load_root(), keyring.load_credentials()
    assert kept_root is not None
    assert kept is not None
    assert kept_root.certificate == root.certificate
    assert kept_root.key.private_bytes_raw() == root.key.private_bytes_raw()
    assert kept.key.private_bytes_raw() == credentials.key.private_bytes_raw()
    assert (kept.leaf, kept.grant, kept.root) == (
        credentials.leaf,
        credentials.grant,
        credentials.root,
    )


def test_an_empty_home_holds_nothing_and_stays_empty(keyring: Keyring) -> None:
    assert keyring.load_root() is None
    assert keyring.load_credentials() is None
    assert not keyring.directory.exists()


def test_the_files_are_where_it_says(joined: Keyring) -> None:
    assert set(joined.directory.iterdir()) == {
        joined.root_key_path,
        joined.mesh_path,
        joined.node_path,
    }


def test_a_node_without_the_root_key_keeps_only_its_certificate(keyring: Keyring) -> None:
    keyring.save_credentials(member())
    assert not keyring.root_key_path.exists()
    assert b"PRIVATE" not in keyring.mesh_path.read_bytes()
    assert keyring.load_root() is None


def test_ssl_loads_the_node_file(joined: Keyring) -> None:
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(joined.node_path)


# Modes and owners


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_files_are_0600_in_a_directory_of_0700_whatever_the_umask(
    keyring: Keyring, umask: int
) -> None:
    before = os.umask(umask)
    try:
        keyring.save_root(root)
        keyring.save_credentials(member())
    finally:
        os.umask(before)
    assert stat.S_IMODE(keyring.directory.stat().st_mode) == 0o700
    for path in keyring.directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o777])
def test_a_directory_open_to_others_is_refused_with_the_remedy(joined: Keyring, mode: int) -> None:
    joined.directory.chmod(mode)
    complaint = (
        rf"open to other users \(mode 0{mode:o}\): close it with `chmod 700 {joined.directory}`"
    )
    with pytest.raises(KeyringError, match=complaint):
        joined.load_credentials()
    with pytest.raises(KeyringError, match=complaint):
        joined.save_credentials(member())


def test_a_directory_of_another_user_is_refused(
    joined: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(KeyringError, match=f"belongs to user {owner}, not to this user"):
        joined.load_root()


def test_a_file_in_the_place_of_the_directory_is_refused(keyring: Keyring) -> None:
    keyring.directory.parent.mkdir()
    keyring.directory.touch()
    with pytest.raises(KeyringError, match="is not a directory"):
        keyring.save_root(root)


# Crashes


def test_a_crash_before_the_rename_leaves_the_old_file(
    joined: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(joined)

    def crash(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyringError, match=r"cannot write .*mesh\.pem: No space left on device"):
        joined.save_credentials(member())
    assert files(joined) == before


def test_a_crash_between_the_two_files_is_as_if_nothing_was_saved(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def crash_at_node(source: pathlib.Path, target: pathlib.Path) -> None:
        if target == keyring.node_path:
            raise OSError(5, "Input/output error")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash_at_node)
        with pytest.raises(KeyringError):
            keyring.save_credentials(member())
    assert keyring.load_credentials() is None
    keyring.save_credentials(member())
    assert keyring.load_credentials() is not None


def test_a_half_written_file_of_a_crash_is_passed_over(joined: Keyring) -> None:
    leftover = joined.directory / ".node.pem.new"
    leftover.write_bytes(b"-----BEGIN PRIV")
    leftover.chmod(0o644)
    assert joined.load_credentials() is not None
    joined.save_credentials(member())
    assert not leftover.exists()
    assert stat.S_IMODE(joined.node_path.stat().st_mode) == 0o600


def test_a_file_is_synced_before_it_is_renamed_and_its_directory_after(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def record_fsync(descriptor: int) -> None:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        calls.append("sync directory" if is_directory else "sync file")
        fsync(descriptor)

    def record_replace(source: pathlib.Path, target: pathlib.Path) -> None:
        calls.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    keyring.save_root(root)
    assert calls == ["sync file", "rename", "sync directory"]


# Damage and mix-ups


@pytest.mark.parametrize("name", ["mesh.pem", "node.pem", "root.pem"])
def test_a_file_cut_short_anywhere_is_named(joined: Keyring, name: str) -> None:
    path = joined.directory / name
    whole = path.read_bytes()
    # Without its last line end it is still whole.
    for length in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:length])
        with pytest.raises(KeyringError, match=rf"/{name} is damaged: .*; restore it from"):
            load(joined, name)


def load(keyring: Keyring, name: str) -> object:
    return keyring.load_root() if name == "root.pem" else keyring.load_credentials()


@pytest.mark.parametrize("name", ["mesh.pem", "node.pem", "root.pem"])
@pytest.mark.parametrize(
    "junk",
    [
        b"\x00\xff" * 40,
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ],
)
def test_junk_in_the_place_of_a_file_is_named(joined: Keyring, name: str, junk: bytes) -> None:
    (joined.directory / name).write_bytes(junk)
    with pytest.raises(KeyringError, match=rf"/{name} is damaged: "):
        load(joined, name)


def test_a_key_of_another_kind_is_refused(joined: Keyring) -> None:
    pem = generate_private_key(SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    certificates = joined.root_key_path.read_bytes().partition(b"-----BEGIN CERT")
    joined.root_key_path.write_bytes(pem + certificates[1] + certificates[2])
    with pytest.raises(KeyringError, match="its private key is not an Ed25519 key"):
        joined.load_root()


def test_the_key_of_another_node_is_refused(joined: Keyring, tmp_path: pathlib.Path) -> None:
    other = Keyring(tmp_path / "other")
    other.save_credentials(member())
    key, _, _ = other.node_path.read_bytes().partition(b"-----BEGIN CERT")
    _, begin, chain = joined.node_path.read_bytes().partition(b"-----BEGIN CERT")
    joined.node_path.write_bytes(key + begin + chain)
    with pytest.raises(
        KeyringError, match=r"/node\.pem is damaged: the private key does not match the node's"
    ):
        joined.load_credentials()


def test_the_root_of_another_mesh_does_not_match_its_key(joined: Keyring) -> None:
    key, _, _ = joined.root_key_path.read_bytes().partition(b"-----BEGIN CERT")
    other = new_mesh(now).certificate.public_bytes(Encoding.PEM)
    joined.root_key_path.write_bytes(key + other)
    with pytest.raises(
        KeyringError, match=r"/root\.pem is damaged: the private key does not match the root"
    ):
        joined.load_root()


def test_a_missing_root_certificate_is_named(joined: Keyring) -> None:
    joined.mesh_path.unlink()
    with pytest.raises(KeyringError, match=r"/mesh\.pem is missing; restore it from any other"):
        joined.load_credentials()


def test_a_file_that_cannot_be_read_is_named(joined: Keyring) -> None:
    joined.node_path.unlink()
    joined.node_path.mkdir()
    with pytest.raises(KeyringError, match=r"cannot read .*/node\.pem: Is a directory"):
        joined.load_credentials()


def test_a_home_of_one_mesh_is_not_overwritten_by_another(joined: Keyring) -> None:
    other = new_mesh(now)
    stranger = Token.parse(grant_token(other, now), now).admit(now, None)
    before = files(joined)
    complaint = f"belongs to mesh {root.mesh.hex()} and is not overwritten for mesh"
    with pytest.raises(KeyringError, match=rf"/root\.pem {complaint} {other.mesh.hex()}"):
        joined.save_root(other)
    with pytest.raises(KeyringError, match=rf"/node\.pem {complaint} {other.mesh.hex()}"):
        joined.save_credentials(stranger)
    assert files(joined) == before


def test_credentials_are_replaced_within_their_mesh(joined: Keyring) -> None:
    renewed = member()
    joined.save_credentials(renewed)
    kept = joined.load_credentials()
    assert kept is not None
    assert kept.node == renewed.node
