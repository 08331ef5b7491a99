"""TLS as the mesh speaks it: version 1.3, certificates on both sides, one root to trust.

TLS proves that the peer holds a key that a grant of this mesh admitted. Which node that is, is for
`certificates.check_peer`, which both sides call before any application data.

In TLS 1.3 the client's handshake ends before the server has judged its certificate: a refusal
reaches the client as an alert at its first read, not from the handshake. Both come to `refusal`.
"""

import dataclasses
import enum
import ssl

from cryptography.hazmat.primitives.serialization import Encoding

from p2p.identity.keyring import Keyring, KeyringError

application_protocol = "http/1.1"


class Reason(enum.Enum):
    """Why a TLS connection did not come about."""

    FOREIGN_MESH = "foreign mesh"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    WRONG_NAME = "wrong name"
    NO_CERTIFICATE = "no certificate"
    BAD_CERTIFICATE = "bad certificate"
    NO_TLS = "no TLS"
    OTHER = "other"


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """A TLS connection refused, by us or by the peer."""

    reason: Reason
    by_peer: bool
    """Whether it was the peer that refused us."""
    sentence: str

    @property
    def is_about_identity(self) -> bool:
        """Whether the same certificates would be refused again, so that retrying is no use."""
        return self.reason not in (Reason.NO_TLS, Reason.OTHER)


_sentences_by_us = {
    Reason.FOREIGN_MESH: "the peer belongs to another mesh: this mesh's root did not admit it",
    Reason.EXPIRED: "the peer's certificate, or the grant that admitted it, has expired",
    Reason.NOT_YET_VALID: "the peer's certificate is not valid yet: one of the clocks is wrong",
    Reason.WRONG_NAME: "the peer is not the node that was asked for: its certificate bears"
    " another name",
    Reason.NO_CERTIFICATE: "the peer showed no certificate: it has not joined a mesh",
    Reason.BAD_CERTIFICATE: "the peer's certificate breaks the limits of its grant",
    Reason.NO_TLS: "the peer does not speak TLS 1.3: it is no ringrift-agent",
}

_sentences_by_peer = {
    Reason.FOREIGN_MESH: "the peer refused us: it belongs to another mesh, whose root did not"
    " admit this node",
    Reason.EXPIRED: "the peer refused us: this node's certificate, or the grant that admitted it,"
    " has expired",
    Reason.NO_CERTIFICATE: "the peer refused us: it demands a certificate, and this node showed"
    " none",
    Reason.BAD_CERTIFICATE: "the peer refused this node's certificate: it asked for another name,"
    " or holds the certificate for not yet valid or beyond the limits of its grant",
    Reason.NO_TLS: "the peer does not speak TLS 1.3: it is no ringrift-agent",
}

_reasons_by_verify_code = {
    2: Reason.FOREIGN_MESH,  # unable to get issuer certificate
    7: Reason.FOREIGN_MESH,  # signature failure
    9: Reason.NOT_YET_VALID,
    10: Reason.EXPIRED,
    18: Reason.FOREIGN_MESH,  # self-signed leaf
    19: Reason.FOREIGN_MESH,  # self-signed certificate in the chain
    20: Reason.FOREIGN_MESH,  # unable to get local issuer certificate
    21: Reason.FOREIGN_MESH,  # unable to verify the first certificate
    62: Reason.WRONG_NAME,  # host name mismatch
}
"""By OpenSSL's `X509_V_ERR_*`; any other is a certificate that breaks a rule."""

_reasons_by_alert = {
    "ALERT_UNKNOWN_CA": Reason.FOREIGN_MESH,
    "ALERT_CERTIFICATE_EXPIRED": Reason.EXPIRED,
    "ALERT_CERTIFICATE_REQUIRED": Reason.NO_CERTIFICATE,
    "ALERT_BAD_CERTIFICATE": Reason.BAD_CERTIFICATE,
    "ALERT_CERTIFICATE_UNKNOWN": Reason.BAD_CERTIFICATE,
    "ALERT_UNSUPPORTED_CERTIFICATE": Reason.BAD_CERTIFICATE,
    "ALERT_PROTOCOL_VERSION": Reason.NO_TLS,
}
"""By how OpenSSL's reason ends, which begins with the version that brought the alert in."""

_reasons_by_us = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": Reason.NO_CERTIFICATE,
    "HTTP_REQUEST": Reason.NO_TLS,
    "HTTPS_PROXY_REQUEST": Reason.NO_TLS,
    "PACKET_LENGTH_TOO_LONG": Reason.NO_TLS,
    "RECORD_LAYER_FAILURE": Reason.NO_TLS,
    "UNSUPPORTED_PROTOCOL": Reason.NO_TLS,
    "WRONG_VERSION_NUMBER": Reason.NO_TLS,
}


def server_context(keyring: Keyring) -> ssl.SSLContext:
    """Return the context of the mesh port.

    Raises `KeyringError` if the keyring is damaged or has joined no mesh. Reads files: not for an
    event loop.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER, keyring)
    # Without tickets nothing is resumed: every connection shows its certificate.
    context.num_tickets = 0
    return context


def client_context(keyring: Keyring) -> ssl.SSLContext:
    """Return the context for dialling peers.

    `server_hostname` is `ids.node_name` of the node that is meant, or `ids.mesh_name` for first
    contact; TLS then demands that the peer's certificate bears it. Raises as `server_context`.
    """
    return _context(ssl.PROTOCOL_TLS_CLIENT, keyring)


def _context(protocol: int, keyring: Keyring) -> ssl.SSLContext:
    credentials = keyring.load_credentials()
    if credentials is None:
        raise KeyringError(f"{keyring.node_path} is missing: this node has joined no mesh")
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=credentials.root.public_bytes(Encoding.DER))
    context.load_cert_chain(keyring.node_path)
    context.set_alpn_protocols([application_protocol])
    return context


def refusal(error: BaseException) -> Refusal | None:
    """Return what refused a connection, or None if it was only lost or never made.

    Looks for the TLS error in `error` and what caused it, as libraries wrap it in their own.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if cause is None or isinstance(cause, _lost):
        return None
    reason, by_peer = _judge(cause)
    sentences = _sentences_by_peer if by_peer else _sentences_by_us
    sentence = sentences.get(reason) or f"TLS failed: {cause.reason or cause}"
    return Refusal(reason, by_peer, sentence)


def explain(error: BaseException) -> str | None:
    """Say in one sentence what refused a connection; None if it was only lost or never made."""
    refused = refusal(error)
    return None if refused is None else refused.sentence


_lost = (
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
    ssl.SSLSyscallError,
    ssl.SSLWantReadError,
    ssl.SSLWantWriteError,
)


def _judge(error: ssl.SSLError) -> tuple[Reason, bool]:
    """Return the reason, and whether the peer refused us."""
    if isinstance(error, ssl.SSLCertVerificationError):
        code = error.verify_code
        return _reasons_by_verify_code.get(code, Reason.BAD_CERTIFICATE), False
    told = error.reason or ""
    for alert, reason in _reasons_by_alert.items():
        if told.endswith(alert):
            return reason, True
    return _reasons_by_us.get(told, Reason.OTHER), "_ALERT_" in told
