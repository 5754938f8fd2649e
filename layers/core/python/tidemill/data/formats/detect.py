"""What an uploaded file is, by its content and never by its name: the format, compression, encoding, delimiter.

`tidemill.data.take_in` asks once, from the first bytes; the answer is kept with the upload, so that every later
reading of the file reads it the same way.
"""

import codecs
import csv
import io
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import charset_normalizer
import pyarrow as pa

from tidemill.data.formats import magic
from tidemill.errors import UploadRejected

SAMPLE = 256 << 10
"""Bytes of a file, and of what is compressed in it, that are looked at."""

DELIMITERS = (",", ";", "\t", "|")
_BOMS = (  # the longer first: UTF-16's is the beginning of UTF-32's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# The encodings that tables are really written in; with all of Python's, short samples are guessed as oddities.
_GUESSED = [
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "koi8_r"),
    *("cp932", "euc_jp", "iso2022_jp", "gb18030", "big5", "cp949", "cp874", "iso8859_2", "iso8859_15"),
]
_EVIDENCE = 8  # bytes beyond ASCII from which on a guess is better than the most common encoding
_GUESS_BYTES = 32 << 10
_PAGES = 0.8
_RECORDS = 500
_PLAIN = {*map(chr, range(32))} - {*"\t\n\r\f\v\x1a"}
_CONTROLS = 0.01  # the share of control characters from which on a text is none


@dataclass(frozen=True)
class Format:
    """How a file is to be read. `encoding` is a codec's name; `utf-8-sig` is UTF-8 with a byte-order mark. Parquet
    has no encoding and delimiter of its own; only CSV has a delimiter."""

    kind: Literal["csv", "jsonl", "parquet"]
    compression: Literal["gzip", "zstd"] | None = None
    encoding: str = "utf-8"
    delimiter: str = ","

    def as_json(self) -> dict[str, Any]:
        """The format as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Format":
        """The format that `as_json` gave."""
        return cls(**value)


def detect(head: bytes, size: int) -> Format:
    """The format of a file of `size` bytes that begins with `head` (SAMPLE bytes, or all). Raises UploadRejected:
    `empty_file` if it holds nothing, `not_a_table` if it is something else, `corrupt_file` if it begins like a
    compressed file and is none."""
    head = head[:SAMPLE]
    compression = _compression(head)
    if compression is None:
        return _content(head, cut=size > len(head), compression=None)
    inner, cut = _opened(head, compression), size > len(head)
    if _compression(inner) is not None:
        raise magic.refusal("compressed twice", "compress it once, by gzip or zstd, or not at all")
    if magic.is_parquet(inner):
        raise magic.refusal(
            "a compressed Parquet file", "upload the Parquet file as it is: it is compressed inside"
        )
    return _content(inner, cut=cut or len(inner) == SAMPLE, compression=compression)


def delimiter(text: str) -> str:
    """The delimiter under which the records of `text` (a file's beginning, without a cut record) have as many
    cells as the first one; a comma if none divides them."""
    best = max(DELIMITERS, key=lambda mark: _consistency(text, mark))
    return best if _consistency(text, best) > (0.0, 1) else ","


def _compression(head: bytes) -> Literal["gzip", "zstd"] | None:
    if head.startswith(magic.GZIP):
        return "gzip"
    return "zstd" if head.startswith(magic.ZSTD) else None


def _opened(head: bytes, compression: Literal["gzip", "zstd"]) -> bytes:
    """The first SAMPLE bytes of what is compressed in `head`, as far as they are there."""
    if compression == "gzip":
        try:
            return zlib.decompressobj(wbits=31).decompress(head, SAMPLE)
        except zlib.error as error:
            raise _corrupt("gzip", error) from error
    found = bytearray()
    stream = pa.CompressedInputStream(pa.BufferReader(head), "zstd")
    try:
        while len(found) < SAMPLE and (piece := stream.read(4096)):
            found += piece
    except OSError as error:
        if "Truncated" not in str(error):
            raise _corrupt("zstd", error) from error
    return bytes(found[:SAMPLE])


def _corrupt(compression: str, error: Exception) -> UploadRejected:
    reason = f"the file begins like a {compression} file and is damaged ({error}); compress and upload it again"
    return UploadRejected("corrupt_file", reason)


def _content(head: bytes, *, cut: bool, compression: Literal["gzip", "zstd"] | None) -> Format:
    if magic.is_parquet(head):
        return Format("parquet")
    magic.refuse_other_files(head)
    encoding = _encoding(head, cut=cut)
    text = head.decode(encoding, errors="replace").removeprefix("\ufeff")
    if not text.strip() and not cut:
        raise UploadRejected("empty_file", "the file is empty; upload a file with a header and rows")
    if "\0" in text or sum(text.count(mark) for mark in _PLAIN) > _CONTROLS * len(text):
        raise magic.refusal("binary (it holds control characters)")
    start = text.lstrip()
    if start.startswith("{"):
        return Format("jsonl", compression, encoding)
    if start.startswith("[") and start[1:].lstrip().startswith("{"):
        raise magic.refusal("one JSON array", "write each of its objects on a line of its own (JSON Lines)")
    whole = _without_the_cut_record(start) if cut else start
    return Format("csv", compression, encoding, delimiter(whole))


def _without_the_cut_record(text: str) -> str:
    end = max(text.rfind("\n"), text.rfind("\r"))
    return text[:end] if end > 0 else text


def _encoding(head: bytes, *, cut: bool) -> str:
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    if b"\0" in head:
        return _wide(head)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=not cut)
    except UnicodeDecodeError:
        return _guessed(head)
    return "utf-8"


def _wide(head: bytes) -> str:
    """UTF-16 without a mark: on one side the characters' upper halves, nearly all NUL or one script's page."""
    even, odd = head[0::2], head[1::2]
    name, upper, lower = ("utf-16-le", odd, even) if 0 in odd else ("utf-16-be", even, odd)
    pages = sum(count for _, count in Counter(upper).most_common(2))
    if 0 in lower or pages < _PAGES * len(upper):
        raise magic.refusal("binary (it holds NUL bytes)")
    try:
        codecs.getincrementaldecoder(name)().decode(head)
    except UnicodeDecodeError as error:
        raise magic.refusal("binary (it holds NUL bytes)") from error
    return name


def _guessed(head: bytes) -> str:
    lines = b"".join(line for line in head.splitlines(keepends=True) if not line.isascii())[:_GUESS_BYTES]
    if _mostly_utf8(lines):
        return "utf-8"  # with single wrong bytes; the stream says where
    if sum(byte > 127 for byte in lines) < _EVIDENCE:
        return "cp1252"
    guess = charset_normalizer.from_bytes(lines, cp_isolation=_GUESSED).best()
    if guess is None:
        return "cp1252"
    alike = {guess.encoding, *guess.could_be_from_charset}
    return "cp1252" if "cp1252" in alike or _same(lines, guess.encoding) else str(guess.encoding)


def _mostly_utf8(lines: bytes) -> bool:
    text = lines.decode("utf-8", errors="replace")
    wrong = text.count("\ufffd")
    return sum(mark > "\x7f" for mark in text) - wrong > wrong


def _same(lines: bytes, encoding: str) -> bool:
    return lines.decode("cp1252", errors="replace") == lines.decode(encoding, errors="replace")


def _consistency(text: str, mark: str) -> tuple[float, int]:
    """The share of records that have as many cells as the first one, and how many that are; (0, 1) if one."""
    widths = list(_widths(text, mark))
    if not widths or widths[0] < 2:
        return 0.0, 1
    return sum(width == widths[0] for width in widths) / len(widths), widths[0]


def _widths(text: str, mark: str) -> Iterator[int]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    try:
        for _, record in zip(range(_RECORDS), reader, strict=False):
            if record:
                yield len(record)
    except csv.Error:
        return  # a quote that does not end within the sample: what was read before it tells enough
