"""How an API token is written, and what is stored of it.

`tm_<name>_<secret>`: the secret is 256 random bits. Only its SHA-256 is stored. A slow hash protects secrets that
people make up and others can guess; NIST SP 800-63B (5.1.2.2, look-up secrets) asks for one below 112 bits of
entropy, and for an approved one-way function above.
"""

import hashlib
import hmac
import re
from typing import NamedTuple

SECRET_BYTES = 32
NAME = re.compile(r"[a-z][a-z0-9-]{1,30}")
_TOKEN = re.compile(rf"tm_({NAME.pattern})_([0-9a-f]{{{2 * SECRET_BYTES}}})")


class Presented(NamedTuple):
    """A token as a request brings it."""

    name: str
    secret: str

    def __repr__(self) -> str:
        return f"Presented({self.name!r}, …)"


def write(name: str, secret: str) -> str:
    """The token as its owner keeps it."""
    return f"tm_{name}_{secret}"


def read(header: str | None) -> Presented | None:
    """The token of a header `Authorization: Bearer …`; None unless it is exactly one."""
    scheme, _, token = (header or "").partition(" ")
    found = _TOKEN.fullmatch(token) if scheme.lower() == "bearer" else None
    return Presented(*found.groups()) if found else None


def digest(secret: str) -> str:
    """What is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_secret(secret: str, stored: str) -> bool:
    """Whether this is the secret of a stored digest, in a time that does not tell how much of it is right."""
    return hmac.compare_digest(digest(secret), stored)
