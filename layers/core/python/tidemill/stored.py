"""Facts in the object store: each is written once, and whoever computes it again gets what stands."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from tidemill import canonical
from tidemill.errors import ArtifactCorrupt
from tidemill.ports import ObjectStore

JsonObject = dict[str, Any]


def read(objects: ObjectStore, key: str) -> JsonObject:
    """The JSON object at `key`. Raises RecordNotFound."""
    fact: JsonObject = json.loads(objects.get(key))
    return fact


def keep(objects: ObjectStore, key: str, fact: Mapping[str, Any]) -> JsonObject:
    """Write a JSON fact unless there is one, and give the one that stands."""
    body = keep_bytes(objects, key, canonical.dumps(fact), content_type="application/json")
    stands: JsonObject = json.loads(body)
    return stands


def keep_bytes(
    objects: ObjectStore, key: str, body: bytes, *, content_type: str = "application/octet-stream"
) -> bytes:
    """Write a fact unless there is one, and give the bytes that stand."""
    return body if objects.put_new(key, body, content_type=content_type) else objects.get(key)


def verified(objects: ObjectStore, key: str, sha256: str) -> bytes:
    """The bytes at `key`, whose digest must be `sha256`. Raises RecordNotFound, ArtifactCorrupt."""
    body = objects.get(key)
    found = canonical.sha256(body)
    if found != sha256:
        raise ArtifactCorrupt(
            f"{key} has SHA-256 {found}, recorded is {sha256}; restore that object version, or make it again"
        )
    return body


def digest(chunks: Iterable[bytes]) -> str:
    """SHA-256 of a stream, as `canonical.sha256` gives it."""
    found = hashlib.sha256()
    for chunk in chunks:
        found.update(chunk)
    return found.hexdigest()
