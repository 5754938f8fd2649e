"""Put file contents to their addresses, so that none is swept away before something reaches it.

`contents` keeps them through here. A content that nothing reaches any more may lie there still, and
`gc` may be about to remove it: one that is not fresh is written anew. `gc` removes the version of the object that
it looked at, never a later one.
"""

import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from tidemill import names
from tidemill.ports import ObjectStore

FRESH = timedelta(hours=12)
"""How long a content can be relied on after it was written: below the age from which `gc` removes one (a day at
least) by far more than it takes a function (15 minutes at most) to write down what reaches it."""

Chunks = Callable[[], Iterable[bytes]]


def keep_copy(objects: ObjectStore, source: str, sha256: str, *, version_id: str | None, at: datetime) -> None:
    """Put the object (of that version), whose digest that is, to its address. Raises RecordNotFound."""
    key = names.content(sha256)
    if not objects.copy_new(source, key, version_id=version_id) and not is_fresh(objects, key, at):
        objects.put_chunks(key, objects.chunks(source, version_id=version_id))


def keep_stream(objects: ObjectStore, chunks: Chunks, *, at: datetime) -> tuple[int, str]:
    """Put what the stream gives to its address; its size in bytes and its digest. It is made twice, as the digest
    is the address. Raises what the stream raises."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks():
        digest.update(chunk)
        size += len(chunk)
    key = names.content(digest.hexdigest())
    if not is_fresh(objects, key, at):
        objects.put_chunks(key, chunks())
    return size, digest.hexdigest()


def is_fresh(objects: ObjectStore, key: str, at: datetime) -> bool:
    """Whether the object was written so lately that nothing will sweep it away soon."""
    found = objects.head(key)
    return found is not None and at - found.modified < FRESH
