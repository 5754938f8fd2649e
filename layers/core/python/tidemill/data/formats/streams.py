"""The text of an uploaded file as a stream of UTF-8, whatever it was compressed and encoded by; and the way back.

Never more than a few chunks are held: a small file that unpacks to terabytes is refused when it has grown too far.
"""

import codecs
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Literal

import pyarrow as pa

from tidemill.data.formats.detect import SAMPLE, Format
from tidemill.data.formats.row_ends import line_feeds
from tidemill.errors import UploadRejected

Compression = Literal["gzip", "zstd"] | None
Chunks = Iterator[bytes]

PIECE = 8 << 20
"""Bytes of unpacked content that are held at a time, at most."""

LEAST_LIMIT, LIMIT_RATIO = 1 << 30, 100
_ASCII = bytes(range(128)) + b"\x1b$B0l~{VPND~}+AGE-"  # and the escapes by which 7-bit encodings mean other text


def text_chunks(
    raw: Iterable[bytes], format: Format, *, compressed_size: int, limit: int | None = None
) -> Iterator[bytes]:
    """The text of a file that comes as `raw`, as UTF-8 without a byte-order mark, lines ending in LF or CR LF.
    `limit`: bytes it may unpack to (default: 1 GiB or 100 times `compressed_size`, whatever is more). Raises
    UploadRejected: `decompression_bomb`, `truncated_file`, `corrupt_file`, `mixed_encodings`, `not_a_table`."""
    allowed = max(LEAST_LIMIT, LIMIT_RATIO * compressed_size) if limit is None else limit
    plain = decompressed(raw, format.compression)
    if format.compression is not None:
        plain = _limited(plain, allowed, compressed_size)
    return _unix_lines(_transcoded(plain, format.encoding))


def decompressed(raw: Iterable[bytes], compression: Compression) -> Iterator[bytes]:
    """What is compressed in `raw`, PIECE bytes at a time at most, over all members (frames). Raises UploadRejected
    `truncated_file` or `corrupt_file`."""
    if compression == "gzip":
        return _gunzipped(raw)
    return _unzstd(raw) if compression == "zstd" else iter(raw)


def compressor(format: Format) -> Callable[[Iterable[bytes]], Iterator[bytes]]:
    """What compresses chunks the way a file of this format is compressed."""
    return partial(compressed, compression=format.compression)


def compressed(chunks: Iterable[bytes], compression: Compression) -> Iterator[bytes]:
    """`chunks` compressed; the same content always gives the same bytes (no name, no time)."""
    if compression == "gzip":
        return _gzipped(chunks)
    return _zstd(chunks) if compression == "zstd" else iter(chunks)


def _limited(chunks: Iterable[bytes], limit: int, size: int) -> Chunks:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > limit:
            reason = f"the file of {size:,} bytes unpacks to more than {limit:,} bytes; upload it in several files"
            raise UploadRejected("decompression_bomb", reason)
        yield chunk


def _gunzipped(raw: Iterable[bytes]) -> Chunks:
    member = zlib.decompressobj(wbits=31)
    begun = True
    for data in raw:
        while data or begun:
            if not begun:  # behind a member: padding, or the next one
                data = data.lstrip(b"\0")
                if not data:
                    break
                member, begun = zlib.decompressobj(wbits=31), True
            try:
                piece = member.decompress(data, PIECE)
            except zlib.error as error:
                raise _corrupt(error) from error
            if piece:
                yield piece
            begun = not member.eof
            data = member.unconsumed_tail if begun else member.unused_data
            if not data and len(piece) < PIECE:
                break
    if begun:
        raise _truncated()


class _Source(io.RawIOBase):
    """The iterator as a file that pyarrow reads, and the error that came from the iterator itself."""

    def __init__(self, raw: Iterable[bytes]) -> None:
        self.failure: Exception | None = None
        self._raw, self._left = iter(raw), b""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = size if size is not None and size >= 0 else PIECE
        while not self._left:
            try:
                self._left = next(self._raw)
            except StopIteration:
                return b""
            except Exception as error:
                self.failure = error
                raise
        piece, self._left = self._left[:wanted], self._left[wanted:]
        return piece


def _unzstd(raw: Iterable[bytes]) -> Chunks:
    source = _Source(raw)
    stream = pa.CompressedInputStream(pa.PythonFile(source, mode="r"), "zstd")
    while True:
        try:
            piece = stream.read(PIECE)
        except OSError as error:
            if source.failure is not None:
                raise source.failure from None  # the store's trouble, not the file's
            raise (_truncated() if "Truncated" in str(error) else _corrupt(error)) from error
        if not piece:
            return
        yield piece


def _transcoded(chunks: Iterable[bytes], encoding: str) -> Chunks:
    name = "utf-8" if encoding == "utf-8-sig" else encoding
    decoder, ascii_stays = codecs.getincrementaldecoder(name)(), _keeps_ascii(name)
    offset, line, first = 0, 1, True
    for chunk in _ended(chunks):
        if ascii_stays and chunk and chunk.isascii() and not decoder.getstate()[0]:
            text = chunk
        else:
            try:
                decoded = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                raise _undecodable(error, name, offset + len(chunk) - len(error.object), line) from error
            text = (decoded.removeprefix("\ufeff") if first else decoded).encode()
        first = first and not text
        if b"\0" in text:
            where = line + text[: text.index(b"\0")].count(b"\n")
            reason = f"the file is binary (line {where} holds a NUL byte); export the table as text or Parquet"
            raise UploadRejected("not_a_table", reason)
        offset, line = offset + len(chunk), line + line_feeds(text)
        if text:
            yield text


def _ended(chunks: Iterable[bytes]) -> Chunks:
    yield from (chunk for chunk in chunks if chunk)
    yield b""


def _keeps_ascii(encoding: str) -> bool:
    try:
        return _ASCII.decode(encoding) == _ASCII.decode("ascii")
    except UnicodeDecodeError:
        return False


def _undecodable(error: UnicodeDecodeError, encoding: str, base: int, line: int) -> UploadRejected:
    line += error.object[: error.start].decode(encoding, errors="replace").count("\n")
    byte, place = error.object[error.start], base + error.start
    where = f"byte 0x{byte:02x} at offset {place:,} (line {line:,})"
    reason = (
        f"the file begins as {encoding.upper()}, but {where} is not; save all of it in one encoding, best UTF-8"
    )
    return UploadRejected("mixed_encodings", reason)


def _unix_lines(chunks: Iterable[bytes]) -> Chunks:
    """LF for CR where the file's beginning (SAMPLE bytes) ends its lines by CR alone."""
    source, head = iter(chunks), bytearray()
    for chunk in source:
        head += chunk
        if len(head) >= SAMPLE:
            break
    seen = head[:SAMPLE] if len(head) > SAMPLE else head
    alone = b"\n" not in seen and b"\r" in seen[:-1]
    held = b""
    for chunk in _joined(bytes(head), source):
        if alone:
            chunk = held + chunk
            held = b"\r" if chunk.endswith(b"\r") else b""  # its LF may come with the next chunk
            chunk = chunk[: len(chunk) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if chunk:
            yield chunk
    if held:
        yield b"\n"


def _joined(head: bytes, rest: Iterable[bytes]) -> Chunks:
    yield head
    yield from rest


def _gzipped(chunks: Iterable[bytes]) -> Chunks:
    packer = zlib.compressobj(6, wbits=31)  # zlib's own header: no name, time 0
    for chunk in chunks:
        if piece := packer.compress(chunk):
            yield piece
    yield packer.flush()


class _Sink(io.RawIOBase):
    """Where pyarrow writes to; `taken` gives what has come since."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: "pa.Buffer | bytes", /) -> int:
        self._pieces.append(bytes(data))
        return len(self._pieces[-1])

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _zstd(chunks: Iterable[bytes]) -> Chunks:
    sink = _Sink()
    packer = pa.CompressedOutputStream(pa.PythonFile(sink, mode="w"), "zstd")
    for chunk in chunks:
        packer.write(chunk)
        if piece := sink.taken():
            yield piece
    packer.close()
    yield sink.taken()


def _truncated() -> UploadRejected:
    reason = "the compressed file ends too early: its upload or its making was cut off; upload it again in full"
    return UploadRejected("truncated_file", reason)


def _corrupt(error: Exception) -> UploadRejected:
    reason = f"the compressed file is damaged ({error}); compress it anew and upload it again"
    return UploadRejected("corrupt_file", reason)
