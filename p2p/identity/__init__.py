"""Who is who: keys, certificates, join tokens and signatures.

    IdentityError
    ├── BadSignature         a signature that this key did not make over these bytes
    ├── BadCredentials       a key and certificates that do not belong together
    ├── PeerRefused          a peer whose certificate does not prove who it is
    ├── TokenRefused         a join token that admits nobody
    └── KeyringError         a key or certificate that is not kept, or not kept safely

Each message is a sentence for the person at the keyboard. Nothing has changed when one is raised.
"""


class IdentityError(Exception):
    """Something that proves identity is missing, wrong or unsafe; the message says what."""
