"""How a box comes to belong to a mesh: it has joined before, brings a token, or founds one."""

import dataclasses
import datetime
import os
from collections.abc import Sequence
from pathlib import Path

from p2p.identity.certificates import Credentials, Root
from p2p.identity.keyring import Keyring, KeyringError
from p2p.identity.tokens import Token, grant_token, new_mesh
from ringrift.home import Home

token_variable = "RINGRIFT_TOKEN"
_token_file_bytes_max = 64 * 1024


class CannotJoin(ValueError):
    """What the user gave does not let this box into a mesh; the message says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Joined:
    """This box's place in a mesh."""

    credentials: Credentials
    root: Root | None
    """The root of the home's mesh, where that is kept: with it this box lets others join."""
    founded: bool = False
    """Whether the mesh was made just now."""
    fresh: bool = False
    """Whether the credentials were made just now, by a token that no member has accepted yet."""
    renewed: bool = False
    """Whether the key with which this box belonged to a mesh was lost: it is another node now."""


def read_token(given: str | None, file: str | None) -> str | None:
    """Return the token that the user gave, if any. Raises `CannotJoin`.

    The environment's is taken out of it, so that no worker inherits the secret.
    """
    inherited = os.environ.pop(token_variable, None) or None
    if given and file:
        raise CannotJoin("give --token or --token-file, not both")
    if file:
        try:
            with Path(file).open(encoding="ascii") as opened:
                return opened.read(_token_file_bytes_max)
        except OSError as error:
            raise CannotJoin(f"cannot read a token from {file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise CannotJoin(f"{file} holds no join token: it is not plain text") from None
    return given or inherited


def enter(
    home: Home, *, token: str | None, seeds: Sequence[object], now: datetime.datetime
) -> Joined:
    """Return this box's credentials, made and kept if it has none.

    A box whose key was lost makes no other mesh: it takes a token, or the root key, to come back.
    Raises `CannotJoin`, or an `IdentityError` that says what is wrong with the token or the keys,
    those included that a start could do without: nothing has been made then.
    """
    keyring = Keyring(home.config)
    root, kept = keyring.load_root(), keyring.load_credentials()
    renewed = key_is_lost(keyring)
    if token is not None:
        if kept is None and not seeds:
            raise CannotJoin("a token needs --join HOST the first time: some member to begin with")
        admitted = _admit(keyring, kept, Token.parse(token, now), now)
        return Joined(admitted, root, fresh=kept is None, renewed=renewed)
    if kept is not None:
        return Joined(kept, root)
    if seeds:
        admitted = _admit_by_root(keyring, root, now)
        return Joined(admitted, root, fresh=True, renewed=renewed)
    return _found(home, keyring, root, now)


def key_is_lost(keyring: Keyring) -> bool:
    """Return whether this box belonged to a mesh, and the key by which it did is gone."""
    return keyring.mesh_path.exists() and not keyring.node_path.exists()


def leave(home: Home, joined: Joined) -> None:
    """Drop credentials that no member has accepted, so that another token can take their place."""
    keyring = Keyring(home.config)
    if joined.renewed:
        keyring.node_path.unlink(missing_ok=True)  # that it belonged to a mesh stays known
    else:
        keyring.forget_credentials()


def _admit(
    keyring: Keyring, kept: Credentials | None, token: Token, now: datetime.datetime
) -> Credentials:
    if kept is None:
        admitted = token.admit(now, None)
        keyring.save_credentials(admitted)
        return admitted
    if kept.mesh != token.mesh:
        raise CannotJoin(
            f"the token is for the mesh {token.mesh.hex()}, but this home belongs to the mesh "
            f"{kept.mesh.hex()}; choose another --home, or leave that mesh for good by moving "
            f"{_keys_of(keyring)} elsewhere"
        )
    admitted = token.admit(now, kept.key)
    if admitted.life.not_after <= kept.life.not_after:
        return kept
    keyring.save_credentials(admitted)
    return admitted


def _keys_of(keyring: Keyring) -> str:
    """Name the files that make a home belong to its mesh."""
    root = [keyring.root_key_path] if keyring.root_key_path.exists() else []
    *most, last = map(str, (*root, keyring.mesh_path, keyring.node_path))
    return f"{', '.join(most)} and {last}"


def _admit_by_root(keyring: Keyring, root: Root | None, now: datetime.datetime) -> Credentials:
    """Admit a further agent on the operator's own machine, where the root key is."""
    root = root or Keyring(Home.find(None).config).load_root()
    if root is not None:
        return _admit(keyring, None, Token.parse(grant_token(root, now), now), now)
    raise CannotJoin(
        "to join, this box needs a token: make one with `ringrift-agent token` on the box that "
        f"made the mesh, and give it with --token, --token-file or {token_variable}"
    )


def _found(home: Home, keyring: Keyring, root: Root | None, now: datetime.datetime) -> Joined:
    """Found a mesh; if that was interrupted half-way the last time, go on from there."""
    lost = key_is_lost(keyring)
    if root is None and lost:
        raise KeyringError(
            f"{keyring.node_path} is missing, with the key by which this box belonged to the mesh "
            f"of {keyring.mesh_path.name}: restore it from a copy, or join again, as a new node, "
            "with --join and a token; for another mesh use another --home"
        )
    founded = root is None or not home.store.exists()
    if root is None:
        root = new_mesh(now)
        keyring.save_root(root)
    token = Token.parse(grant_token(root, now), now)
    admitted = _admit(keyring, None, token, now)
    return Joined(admitted, root, founded=founded, renewed=lost and not founded)
