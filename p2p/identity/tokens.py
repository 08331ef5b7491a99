"""Join tokens: the one secret that an operator hands to a new box.

    ringrift1.<base64url, unpadded>  =  canonical [kind, root, chain, key] || CRC-32

A *grant* token carries a grant and its key: whoever holds it mints a leaf for a key of its own, on
its own machine, and then forgets the grant's key; so a token admits any number of nodes and no
node can admit another. A *box* token carries a ready leaf and its key instead: it admits one node.

Either way the mesh's root certificate comes with it. From the first byte both sides of every
connection know whom to trust, and nothing is trusted on first use. The number in the prefix is the
token's version. The checksum is no defence: it tells a slip of the hand from a foreign token.

Keys come from the operating system's generator by way of `cryptography`.
"""

import base64
import binascii
import dataclasses
import datetime
import re
import zlib
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from p2p.codec import MalformedMessage, Message, canonical, unpack
from p2p.identity import IdentityError
from p2p.identity.certificates import (
    BadCredentials,
    Credentials,
    Root,
    build_grant,
    build_leaf,
    build_root,
    check_issued,
    check_key,
    grant_lifetime,
    life,
    mesh_of,
    unreadable,
    written,
)
from p2p.identity.ids import MeshId
from p2p.identity.signing import key_id

token_version = 1
token_chars_max = 8192
certificate_bytes_max = 1024
private_key_bytes = 32

_prefix = re.compile(r"ringrift([1-9][0-9]{0,3})\.")
_checksum_bytes = 4

_Der = Annotated[bytes, msgspec.Meta(max_length=certificate_bytes_max)]
_Key = Annotated[bytes, msgspec.Meta(min_length=private_key_bytes, max_length=private_key_bytes)]


class TokenRefused(IdentityError):
    """The token admits nobody; the message says why, and what to do about it."""


class _Body(Message, frozen=True):
    kind: Literal["grant", "box"]
    root: _Der
    chain: Annotated[list[_Der], msgspec.Meta(min_length=1, max_length=2)]
    """The certificate that `key` belongs to, then its issuer, without the root."""
    key: _Key


@dataclasses.dataclass(frozen=True, slots=True)
class Token:
    """A join token that has been read and found good."""

    root: x509.Certificate
    grant: x509.Certificate
    leaf: x509.Certificate | None
    """The ready leaf of a box token; None in a grant token."""
    key: Ed25519PrivateKey = dataclasses.field(repr=False)
    """The leaf's key if there is a leaf, else the grant's."""

    @classmethod
    def parse(cls, text: str, now: datetime.datetime) -> "Token":
        """Read a token; white space anywhere in it is ignored, since terminals wrap lines.

        Raises `TokenRefused` for text that is no token, is damaged or of a newer version, and for
        a token that is outside its dates or whose parts do not belong together.
        """
        body = _unwrap(text)
        try:
            root, *chain = (x509.load_der_x509_certificate(der) for der in (body.root, *body.chain))
        except unreadable as error:
            raise TokenRefused(f"the token holds an unreadable certificate: {error}") from None
        if len(chain) != (2 if body.kind == "box" else 1):
            raise TokenRefused(f"the token holds {len(chain)} certificates besides the root")
        key = Ed25519PrivateKey.from_private_bytes(body.key)
        token = cls(root, chain[-1], chain[0] if body.kind == "box" else None, key)
        token._check_parts()
        token._check_dates(now)
        return token

    @property
    def mesh(self) -> MeshId:
        """The mesh that it admits to."""
        return mesh_of(self.root)

    def admit(self, now: datetime.datetime, node_key: Ed25519PrivateKey | None) -> Credentials:
        """Return the credentials of a node that joins by this token.

        A grant token admits `node_key`, or a new key if there is none; drop the token afterwards,
        and the grant's key with it. A box token admits the key that it carries. Raises
        `TokenRefused` if the token has expired since it was read, or carries another key than
        `node_key`.
        """
        self._check_dates(now)
        if self.leaf is not None:
            if node_key is not None and node_key.public_key() != self.key.public_key():
                raise TokenRefused(
                    f"the token is for node {_node(self.key)} alone, and this is node"
                    f" {_node(node_key)}: use a token for any box, or an empty home"
                )
            return Credentials(self.key, self.leaf, self.grant, self.root)
        key = node_key or Ed25519PrivateKey.generate()
        leaf = build_leaf(key.public_key(), self.root, self.grant, self.key)
        return Credentials(key, leaf, self.grant, self.root)

    def _check_parts(self) -> None:
        try:
            if self.leaf is not None:
                Credentials(self.key, self.leaf, self.grant, self.root).check()
                return
            check_issued(self.root, self.root, "root certificate", "its own key")
            check_issued(self.grant, self.root, "grant", "the mesh's root")
            check_key(self.key, self.grant, "grant")
        except BadCredentials as error:
            raise TokenRefused(f"the token's parts do not belong together: {error}") from None

    def _check_dates(self, now: datetime.datetime) -> None:
        valid = life([self.root, self.grant, *([self.leaf] if self.leaf else [])])
        if now >= valid.not_after:
            raise TokenRefused(
                f"the token expired on {written(valid.not_after)}: ask the operator for a new one"
            )
        if now < valid.not_before:
            raise TokenRefused(
                f"the token is not valid before {written(valid.not_before)}:"
                f" this box's clock says {written(now)}, check it"
            )


def new_mesh(now: datetime.datetime) -> Root:
    """Found a mesh: make its root key and certificate."""
    key = Ed25519PrivateKey.generate()
    return Root(key, build_root(key, now))


def grant_token(
    root: Root,
    now: datetime.datetime,
    lifetime: datetime.timedelta = grant_lifetime,
    *,
    single_box: bool = False,
) -> str:
    """Make a token with a new grant of its own: for any number of boxes, or for one.

    Raises `ValueError` if `lifetime` is not positive, or longer than the root's own.
    """
    grant_key = Ed25519PrivateKey.generate()
    grant = build_grant(root, grant_key.public_key(), now, lifetime)
    if not single_box:
        return _wrap("grant", root.certificate, [grant], grant_key)
    node_key = Ed25519PrivateKey.generate()
    leaf = build_leaf(node_key.public_key(), root.certificate, grant, grant_key)
    return _wrap("box", root.certificate, [leaf, grant], node_key)


def _wrap(
    kind: Literal["grant", "box"],
    root: x509.Certificate,
    chain: Sequence[x509.Certificate],
    key: Ed25519PrivateKey,
) -> str:
    ders = [each.public_bytes(Encoding.DER) for each in chain]
    body = canonical([kind, root.public_bytes(Encoding.DER), ders, key.private_bytes_raw()])
    return f"ringrift{token_version}.{_encode(body + _checksum(body))}"


def _unwrap(text: str) -> _Body:
    """Undo `_wrap`, up to the meaning of the certificates. Raises `TokenRefused`."""
    if len(text) > token_chars_max:
        raise TokenRefused(f"not a join token: {len(text)} characters are too many")
    text = "".join(text.split())
    prefix = _prefix.match(text)
    if prefix is None:
        raise TokenRefused(f"not a join token: it does not begin with ringrift{token_version}.")
    version = int(prefix[1])
    if version > token_version:
        raise TokenRefused(
            f"the token is of version {version}, and this ringrift-agent reads version"
            f" {token_version}: update it on this box"
        )
    data = _decode(text[prefix.end() :])
    body, checksum = data[:-_checksum_bytes], data[-_checksum_bytes:]
    if _checksum(body) != checksum:
        raise _damaged()
    try:
        return unpack(body, _Body)
    except MalformedMessage as error:
        raise TokenRefused(f"the token is malformed: {error}") from None


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise _damaged() from None
    # The decoder skips strangers and ignores spare bits; one token has one spelling.
    if _encode(data) != text:
        raise _damaged()
    return data


def _checksum(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(_checksum_bytes, "big")


def _damaged() -> TokenRefused:
    return TokenRefused("the token is cut short or mistyped: copy the whole of it again")


def _node(key: Ed25519PrivateKey) -> str:
    return key_id(key.public_key().public_bytes_raw()).hex()
