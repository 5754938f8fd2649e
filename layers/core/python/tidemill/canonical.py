"""One byte form for each value: canonical JSON and SHA-256, so that equal facts have equal identities."""

import hashlib
import json
from typing import Any


def dumps(value: Any) -> bytes:
    """Canonical JSON: sorted keys, no spaces, UTF-8, no NaN. Raises ValueError for NaN or infinity."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def sha256(data: bytes) -> str:
    """SHA-256 of `data` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def identity(value: Any) -> str:
    """The identity of a JSON value: SHA-256 of its canonical form."""
    return sha256(dumps(value))
