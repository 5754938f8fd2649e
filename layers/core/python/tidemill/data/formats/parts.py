"""Large files in parts that several workers read, each from the first byte of a row on.

Finding the parts takes one pass over the bytes, which gives their digest too; it looks at quotes and line ends and
at nothing in between. Text that is compressed or not UTF-8 has one part: its bytes are not those of its rows.
"""

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import Any

import pyarrow.parquet as pq

from tidemill.data.formats import delimited, json_lines, parquet, streams
from tidemill.data.formats.blocks import Block
from tidemill.data.formats.detect import SAMPLE, Format, detect
from tidemill.data.formats.object_file import ObjectFile
from tidemill.data.formats.pipes import Hashed
from tidemill.ports import ObjectStore
from tidemill.projects import Kind

PART = 256 << 20
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Part:
    """Bytes [start, end) of a text, or row groups [start, end) of a Parquet file; the first row begins on `line`
    (for Parquet: is the row of this number), `rows` of them in all (None if they were not counted)."""

    start: int
    end: int
    line: int
    rows: int | None = None


@dataclass(frozen=True)
class Split:
    """A file and its parts; `header` of delimited text that has more than one."""

    sha256: str
    form: Format
    header: tuple[str, ...] | None
    parts: tuple[Part, ...]

    def as_json(self) -> dict[str, Any]:
        """The split as a JSON object."""
        return {
            "sha256": self.sha256,
            "format": self.form.as_json(),
            "header": None if self.header is None else list(self.header),
            "parts": [list(astuple(part)) for part in self.parts],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Split":
        """The split that `as_json` gave."""
        header = None if value["header"] is None else tuple(value["header"])
        parts = tuple(Part(*part) for part in value["parts"])
        return cls(value["sha256"], Format.from_json(value["format"]), header, parts)


def is_divisible(objects: ObjectStore, key: str, *, version_id: str | None, size: int) -> bool:
    """Whether the file may have parts, as far as its beginning tells. Raises RecordNotFound, UploadRejected."""
    head = b""
    for chunk in objects.chunks(key, version_id=version_id, end=min(SAMPLE, size)):
        head += chunk
    form = detect(head, size)
    return form.kind == "parquet" or _divisible(head, form)


def split(objects: ObjectStore, key: str, *, version_id: str | None, size: int, part_bytes: int = PART) -> Split:
    """The parts of the file, of about `part_bytes` each. Raises RecordNotFound, UploadRejected."""
    raw = iter(objects.chunks(key, version_id=version_id))
    head = b""
    while len(head) < SAMPLE and (chunk := next(raw, b"")):
        head += chunk
    form = detect(head[:SAMPLE], size)
    hashed = Hashed(itertools.chain([head], raw))
    try:
        header: list[str] | None = None
        parts = [Part(0, size, 1)]
        if form.kind == "parquet":
            source = ObjectFile(objects, key, version_id=version_id, size=size)
            parts = list(_row_groups(parquet.footer(source), part_bytes))
        elif _divisible(head[:SAMPLE], form):
            header, parts = _text(hashed, form, size, part_bytes)
        return Split(hashed.digest(), form, tuple(header) if header else None, tuple(parts))
    finally:
        hashed.close()


def part_blocks(
    objects: ObjectStore,
    key: str,
    *,
    version_id: str | None,
    size: int,
    split: Split,
    part: Part,
    kinds: Mapping[str, Kind],
    rules: Collection[str],
    only: Collection[str] | None = None,
) -> Iterator[Block]:
    """The blocks of one part, numbered as in the whole file; `only` these columns of it are read. Raises
    RecordNotFound, UploadRejected, and Widened with the kinds of this part: `guesses.join` has those of all."""
    if split.form.kind == "parquet":
        groups = range(part.start, part.end)
        return parquet.blocks(
            objects, key, version_id=version_id, size=size, kinds=kinds, rules=rules, only=only, row_groups=groups
        )
    raw = objects.chunks(key, version_id=version_id, start=part.start, end=part.end)
    text = streams.text_chunks(raw, split.form, compressed_size=size)
    if split.form.kind == "jsonl":
        return json_lines.blocks(text, kinds=kinds, rules=rules, only=only, first_line=part.line)
    return delimited.blocks(
        text,
        delimiter=split.form.delimiter,
        kinds=kinds,
        rules=rules,
        only=only,
        header=split.header,
        first_line=part.line,
    )


def _divisible(head: bytes, form: Format) -> bool:
    # Where CR alone ends lines, the reader of the text turns it into LF by the file's beginning.
    only_returns = b"\n" not in head and b"\r" in head
    return form.compression is None and form.encoding in ("utf-8", "utf-8-sig") and not only_returns


def _text(
    chunks: Iterable[bytes], form: Format, size: int, part_bytes: int
) -> tuple[list[str] | None, list[Part]]:
    delimiter = form.delimiter.encode() if form.kind == "csv" else b""
    block_bytes = min(delimited.BLOCK, part_bytes)
    counted = _Counted(delimited.pieces(_unmarked(chunks, form), delimiter=delimiter, block_bytes=block_bytes))
    counted.total = len(_MARK) if form.encoding == "utf-8-sig" else 0
    rest: Iterator[delimited.Piece] = counted
    header = None
    if form.kind == "csv":
        header, rest = delimited.take_header(counted, form.delimiter)
    parts: list[Part] = []
    for piece in rest:
        start, rows = counted.total - len(piece.text), delimited.rows_of(piece).starts.size
        last = parts[-1] if parts else None
        if last is not None and last.end - last.start + len(piece.text) <= part_bytes:
            parts[-1] = Part(last.start, counted.total, last.line, (last.rows or 0) + rows)
        else:
            parts.append(Part(start, counted.total, piece.line, rows))
    if parts:  # a line end may have been thought behind the last row
        last = parts[-1]
        parts[-1] = Part(last.start, min(last.end, size), last.line, last.rows)
    return header, parts


def _unmarked(chunks: Iterable[bytes], form: Format) -> Iterator[bytes]:
    for number, chunk in enumerate(chunks):
        yield chunk.removeprefix(_MARK) if number == 0 and form.encoding == "utf-8-sig" else chunk


class _Counted:
    """Pieces as they go by, and the bytes up to the end of the last one."""

    def __init__(self, pieces: Iterator[delimited.Piece]) -> None:
        self._pieces, self.total = pieces, 0

    def __iter__(self) -> Iterator[delimited.Piece]:
        return self

    def __next__(self) -> delimited.Piece:
        piece = next(self._pieces)
        self.total += len(piece.text)
        return piece


def _row_groups(metadata: pq.FileMetaData, part_bytes: int) -> Iterator[Part]:
    start, size, line, rows = 0, 0, 1, 0
    for group in range(metadata.num_row_groups):
        about = metadata.row_group(group)
        if size and size + about.total_byte_size > part_bytes:
            yield Part(start, group, line, rows)
            start, size, line, rows = group, 0, line + rows, 0
        size += about.total_byte_size
        rows += about.num_rows
    if rows:
        yield Part(start, metadata.num_row_groups, line, rows)
