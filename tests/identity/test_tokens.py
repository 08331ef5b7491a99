"""A join token admits, or says in one sentence why it does not."""

import base64
import datetime
import pathlib
import zlib

import msgpack
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from p2p.codec import canonical
from p2p.identity.certificates import Root, build_root
from p2p.identity.ids import MeshId
from p2p.identity.signing import key_id
from p2p.identity.tokens import Token, TokenRefused, grant_token, new_mesh

now = datetime.datetime(2026, 1, 1, 12, 0, tzinfo=datetime.UTC)
day = datetime.timedelta(days=1)
golden = pathlib.Path(__file__).parent / "golden"

root = new_mesh(now)
grant_text = grant_token(root, now)
box_text = grant_token(root, now, single_box=True)


def key(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def key_bytes(of: Ed25519PrivateKey) -> bytes:
    return of.public_key().public_bytes_raw()


def unwrap(text: str) -> bytes:
    """Return what a token's text carries, without its checksum."""
    encoded = text.strip().removeprefix("ringrift1.")
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))[:-4]


def wrap(body: bytes) -> str:
    """Return a token's text around any body, with a good checksum."""
    data = body + zlib.crc32(body).to_bytes(4, "big")
    return "ringrift1." + base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def reason(text: str, at: datetime.datetime = now) -> str:
    with pytest.raises(TokenRefused) as refused:
        Token.parse(text, at)
    return str(refused.value)


# What admits


def test_a_grant_token_admits_any_number_of_nodes_under_keys_of_their_own() -> None:
    token = Token.parse(grant_text, now)
    first, second = token.admit(now, None), token.admit(now, None)
    for credentials in (first, second):
        credentials.check()
        assert credentials.mesh == token.mesh == root.mesh
        assert credentials.grant == token.grant
    assert first.node != second.node


def test_a_node_that_joins_again_keeps_its_key_and_its_id() -> None:
    credentials = Token.parse(grant_text, now).admit(now, key(7))
    assert key_bytes(credentials.key) == key_bytes(key(7))
    assert credentials.node == key_id(key_bytes(key(7)))


def test_a_box_token_admits_one_node_every_time_and_holds_no_grant_key() -> None:
    token = Token.parse(box_text, now)
    first, second = token.admit(now, None), token.admit(now, None)
    first.check()
    assert first.node == second.node
    assert token.admit(now, first.key).node == first.node
    assert token.key.public_key() != token.grant.public_key()


def test_a_box_token_does_not_change_the_identity_of_a_node() -> None:
    token = Token.parse(box_text, now)
    other = key_id(key_bytes(key(7))).hex()
    with pytest.raises(TokenRefused, match=f"for node [0-9a-f]+ alone, and this is node {other}"):
        token.admit(now, key(7))


def test_white_space_from_a_terminal_or_a_file_is_ignored() -> None:
    wrapped = "\n".join(grant_text[at : at + 80] for at in range(0, len(grant_text), 80))
    assert Token.parse(f"  {wrapped}\r\n", now).mesh == root.mesh


def test_a_grant_token_is_short_enough_to_paste() -> None:
    assert len(grant_text) < 1100
    assert len(box_text) < 1800


def test_a_token_does_not_show_its_key() -> None:
    assert "key=" not in repr(Token.parse(grant_text, now))


# The format, for ever


def test_the_golden_grant_token_still_admits() -> None:
    token = Token.parse((golden / "grant_token_1.txt").read_text(), now)
    assert token.mesh == MeshId(bytes.fromhex("fd110d301d2f077d"))
    assert token.leaf is None
    assert key_bytes(token.key) == key_bytes(key(2))
    token.admit(now, key(3)).check()


def test_the_golden_box_token_still_admits() -> None:
    token = Token.parse((golden / "box_token_1.txt").read_text(), now)
    assert token.mesh == MeshId(bytes.fromhex("fd110d301d2f077d"))
    assert key_bytes(token.key) == key_bytes(key(3))
    assert token.admit(now, None).node == key_id(key_bytes(key(3)))


def test_a_token_is_kind_root_chain_and_key_with_a_checksum() -> None:
    token = Token.parse(grant_text, now)
    ders = [each.public_bytes(Encoding.DER) for each in (token.root, token.grant)]
    body = msgpack.packb(["grant", ders[0], [ders[1]], token.key.private_bytes_raw()])
    assert grant_text == wrap(body)


# What is refused


@pytest.mark.parametrize("text", ["", "   ", "hello", "ringrift", "ringrift1", "Ringrift1.abc"])
def test_other_text_is_not_a_token(text: str) -> None:
    assert reason(text) == "not a join token: it does not begin with ringrift1."


def test_endless_text_is_not_a_token() -> None:
    assert reason("ringrift1." + "A" * 10_000) == "not a join token: 10010 characters are too many"


@pytest.mark.parametrize("text", [grant_text, box_text], ids=["grant", "box"])
def test_a_token_cut_short_anywhere_is_refused(text: str) -> None:
    for length in range(len(text)):
        assert reason(text[:length]).startswith(
            "the token is cut short" if length >= len("ringrift1.") else "not a join token"
        )


@given(st.data())
@settings(max_examples=300)
def test_a_token_with_one_character_changed_is_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(grant_text) - 1))
    other = data.draw(st.characters().filter(lambda character: character != grant_text[at]))
    reason(grant_text[:at] + other + grant_text[at + 1 :])


@pytest.mark.parametrize("at", range(0, len(grant_text), 50))
def test_a_slip_of_the_hand_is_told_from_a_foreign_token(at: int) -> None:
    at = max(at, len("ringrift1."))
    other = "A" if grant_text[at] != "A" else "B"
    changed = grant_text[:at] + other + grant_text[at + 1 :]
    assert reason(changed) == "the token is cut short or mistyped: copy the whole of it again"


def test_spare_bits_at_the_end_do_not_make_a_second_spelling() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for text in (grant_text, box_text, wrap(b"ab"), wrap(b"abc")):
        for last in alphabet.replace(text[-1], ""):
            assert "mistyped" in reason(text[:-1] + last)


def test_a_token_of_a_newer_version_asks_for_an_update() -> None:
    assert reason("ringrift2." + grant_text.removeprefix("ringrift1.")) == (
        "the token is of version 2, and this ringrift-agent reads version 1: update it on this box"
    )


def test_an_expired_token_says_since_when() -> None:
    assert reason(grant_text, now + 365 * day) == (
        "the token expired on 2027-01-01 12:00 UTC: ask the operator for a new one"
    )
    Token.parse(grant_text, now + 365 * day - datetime.timedelta(seconds=1))


def test_a_token_is_good_a_day_before_it_was_made_and_no_earlier() -> None:
    Token.parse(grant_text, now - day)
    assert reason(grant_text, now - day - datetime.timedelta(seconds=1)) == (
        "the token is not valid before 2025-12-31 12:00 UTC:"
        " this box's clock says 2025-12-31 11:59 UTC, check it"
    )


def test_a_token_that_expired_since_it_was_read_admits_nobody() -> None:
    for text in (grant_text, box_text):
        token = Token.parse(text, now)
        with pytest.raises(TokenRefused, match="the token expired on 2027-01-01"):
            token.admit(now + 365 * day, None)


def test_a_grant_under_another_root_is_refused() -> None:
    kind, _, chain, secret = msgpack.unpackb(unwrap(grant_text))
    other = new_mesh(now).certificate.public_bytes(Encoding.DER)
    assert reason(wrap(canonical([kind, other, chain, secret]))) == (
        "the token's parts do not belong together: the grant is not signed by the mesh's root"
    )


def test_a_root_of_the_same_name_does_not_pass_for_another() -> None:
    kind, _, chain, secret = msgpack.unpackb(unwrap(grant_text))
    impostor = Root(key(9), build_root(key(9), now))
    forged = impostor.certificate.public_bytes(Encoding.DER)
    renamed = forged.replace(impostor.mesh.hex().encode(), root.mesh.hex().encode())
    assert reason(wrap(canonical([kind, renamed, chain, secret]))) == (
        "the token's parts do not belong together:"
        " the root certificate is not signed by its own key"
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [(grant_text, "grant"), (box_text, "node's certificate")],
    ids=["grant", "box"],
)
def test_another_key_is_refused(text: str, what: str) -> None:
    kind, root_der, chain, _ = msgpack.unpackb(unwrap(text))
    assert reason(wrap(canonical([kind, root_der, chain, bytes(32)]))) == (
        f"the token's parts do not belong together: the private key does not match the {what}"
    )


@pytest.mark.parametrize(
    ("text", "kind"), [(grant_text, "box"), (box_text, "grant")], ids=["grant", "box"]
)
def test_a_chain_of_the_other_kind_is_refused(text: str, kind: str) -> None:
    _, *rest = msgpack.unpackb(unwrap(text))
    assert "certificates besides the root" in reason(wrap(canonical([kind, *rest])))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        canonical(["grant"]),
        canonical(["sesame", b"", [b""], bytes(32)]),
        canonical(["grant", b"", [], bytes(32)]),
        canonical(["grant", b"", [b""] * 3, bytes(32)]),
        canonical(["grant", b"", [b""], bytes(31)]),
        canonical(["grant", bytes(1025), [b""], bytes(32)]),
    ],
)
def test_a_body_of_another_shape_is_malformed(body: bytes) -> None:
    assert reason(wrap(body)).startswith("the token is malformed: not a ")


def test_bytes_that_are_no_certificate_are_named_so() -> None:
    body = canonical(["grant", b"root", [b"grant"], bytes(32)])
    assert reason(wrap(body)).startswith("the token holds an unreadable certificate: ")


# Junk


def parse_or_refuse(text: str) -> None:
    try:
        token = Token.parse(text, now)
    except TokenRefused:
        return
    token.admit(now, None).check()


@given(st.text(max_size=200) | st.text(max_size=200).map("ringrift1.".__add__))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    parse_or_refuse(text)


@given(st.binary(max_size=600))
def test_any_bytes_with_a_good_checksum_are_a_token_or_refused(body: bytes) -> None:
    parse_or_refuse(wrap(body))


@pytest.mark.filterwarnings("ignore")  # `cryptography` warns of oddities that it still reads
@given(st.sampled_from([grant_text, box_text]), st.data())
@settings(max_examples=400)
def test_a_damaged_body_with_a_good_checksum_is_a_token_or_refused(
    text: str, data: st.DataObject
) -> None:
    body = bytearray(unwrap(text))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    parse_or_refuse(wrap(bytes(body)))
