"""The lines of a large object, gzip or plain, as they come: never more than a line and a chunk are held."""

import zlib
from collections.abc import Iterable, Iterator

from tidemill.errors import UploadRejected

MAX_BYTES = 64_000
"""Bytes of a line that are given; what follows is left out."""
_PIECE = 1 << 20
_MAGIC = b"\x1f\x8b"
_ANY_MEMBER = 16 + zlib.MAX_WBITS  # a gzip member, its header included


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Each line without its end, the last one also where it has none. Raises UploadRejected where gzip is cut off
    or broken: `truncated_file`, `corrupt_file`."""
    held = bytearray()
    for piece in _plain(iter(chunks)):
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            held += piece[start:end][: MAX_BYTES - len(held)]
            yield bytes(held).removesuffix(b"\r")
            held.clear()
            start = end + 1
        held += piece[start:][: MAX_BYTES - len(held)]
    if held:
        yield bytes(held).removesuffix(b"\r")


def _plain(chunks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(chunks, b"")
    while len(first) < len(_MAGIC) and (more := next(chunks, b"")):
        first += more
    if not first.startswith(_MAGIC):
        yield first
        yield from chunks
        return
    yield from _gunzipped(first, chunks)


def _gunzipped(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Over all members, a piece at a time, however far it unpacks."""
    member, left = zlib.decompressobj(_ANY_MEMBER), first
    whole = False
    try:
        while left or (left := next(chunks, b"")):
            if member.eof:
                member = zlib.decompressobj(_ANY_MEMBER)
            yield member.decompress(left, _PIECE)
            left = member.unused_data if member.eof else member.unconsumed_tail
            whole = member.eof
    except zlib.error as error:
        raise UploadRejected("corrupt_file", f"is no whole gzip file: {error}") from error
    if not whole:
        raise UploadRejected("truncated_file", "ends in the middle of its gzip content; upload it again")
