"""Lines of JSON as rows: which lines are objects, and what is wrong with the others.

`tidemill.data.formats.json_lines` makes columns of them.
"""

import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass, field
from typing import Any

from tidemill.data.formats.blocks import RAW_LIMIT, RowFault
from tidemill.errors import UploadRejected

LONGEST_ROW = 16 << 20
"""Bytes of a line, at most."""

MOST_COLUMNS = 2_000
MOST_ROWS, MOST_CELLS = 65_536, 8 << 20
"""Rows, and rows times columns, that are held at a time."""

Row = dict[str, Any]
_KEY = re.compile(rb'"[ \t\r]*:')
_HALF_A_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")


class Nested(str):
    """An object or array within a row, as its canonical JSON text."""

    __slots__ = ()


class _Twice(dict[str, Any]):
    """An object in which a key stands more than once."""


@dataclass
class Rows:
    """Consecutive rows of a file with the columns `known` so far. `keys` in the order in which they first come,
    `raws` the lines as they stand."""

    known: Sized
    keys: dict[str, None] = field(default_factory=dict)
    values: list[Row] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    raws: list[bytes] = field(default_factory=list)
    faults: list[RowFault] = field(default_factory=list)

    @property
    def full(self) -> bool:
        columns = max(len(self.keys), len(self.known))
        return len(self.values) >= MOST_ROWS or len(self.values) * columns >= MOST_CELLS

    def add(self, line: int, raw: bytes) -> None:
        """Take in one line. Raises UploadRejected `too_many_columns`."""
        row = parsed(line, raw)
        if isinstance(row, RowFault):
            self.faults.append(row)
            return
        if not row.keys() <= self.keys.keys():
            self.keys.update(dict.fromkeys(row))
            limit_columns(len(self.keys), line)
        self.values.append(row)
        self.lines.append(line)
        self.raws.append(raw)


def limit_columns(count: int, line: int) -> None:
    """Raises UploadRejected `too_many_columns` above MOST_COLUMNS."""
    if count > MOST_COLUMNS:
        reason = f"the rows up to line {line:,} have more than {MOST_COLUMNS:,} different keys"
        raise UploadRejected("too_many_columns", f"{reason}; use keys for columns, not for values")


def row_groups(chunks: Iterable[bytes], known: Sized, *, block_bytes: int, first_line: int) -> Iterator[Rows]:
    """All rows of a text in groups of about `block_bytes`; `known` may grow meanwhile. Raises
    UploadRejected `row_too_long`, `too_many_columns`."""
    for start, piece in _pieces(chunks, block_bytes, first_line):
        rows = Rows(known)
        for line, raw in enumerate(io.BytesIO(piece), start=start):
            raw = raw.rstrip(b"\r\n")
            _limit_row(len(raw), line)
            if not raw.strip():
                continue
            rows.add(line, raw)
            if rows.full:
                yield rows
                rows = Rows(known)
        if rows.values or rows.faults:
            yield rows


def parsed(line: int, raw: bytes) -> Row | RowFault:
    """One line as a row, its objects and arrays as canonical text; or what is wrong with it."""
    try:
        row = _decoded(raw)
    except UnicodeDecodeError:
        return _fault(line, raw, "bad_json", "the line is not UTF-8 text")
    except json.JSONDecodeError as error:
        reason = f"the line is not JSON: {error.msg} at character {error.pos + 1}; write one object on each line"
        return _fault(line, raw, "bad_json", reason)
    except RecursionError:
        return _fault(line, raw, "too_deep", "the line has brackets in brackets too deeply to be read; flatten it")
    if not isinstance(row, dict):
        return _fault(line, raw, "bad_json", "the line is JSON, but not an object; write one object on each line")
    if isinstance(row, _Twice):
        return _fault(line, raw, "duplicate_keys", "a key stands more than once in the object; keep one of each")
    if _HALF_A_PAIR.search(raw) and not _encodable(row):
        return _fault(
            line, raw, "bad_json", r"the line holds half of a character (\ud800 to \udfff stand in pairs)"
        )
    return row


def spelled(raw: bytes, key: str) -> str:
    """How the number that is no finite one stands in the line."""
    return str(_SPELLING.decode(raw.decode())[key])


def _decoded(raw: bytes) -> Any:
    text = raw.decode().strip(" \t\r")
    try:
        row = _FAST.decode(text)
        if isinstance(row, dict) and len(_KEY.findall(raw)) != len(row):
            row = _CAREFUL.decode(text)  # something is nested, or quoted, or twice there
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer of thousands of digits
        row = _HUGE.decode(text)
    if isinstance(row, dict):
        for key, value in row.items():
            if isinstance(value, dict | list):
                row[key] = Nested(_canonical(value))
    return row


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _object(pairs: list[tuple[str, Any]]) -> Row:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Twice(found)


def _big(digits: str) -> float:
    return math.inf if len(digits) > 400 else float(digits)


_FAST, _CAREFUL = json.JSONDecoder(), json.JSONDecoder(object_pairs_hook=_object)
_HUGE = json.JSONDecoder(object_pairs_hook=_object, parse_int=_big)
_SPELLING = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


def _encodable(row: Row) -> bool:
    try:
        _canonical(row).encode()
    except UnicodeEncodeError:
        return False
    return True


def _fault(line: int, raw: bytes, code: str, reason: str) -> RowFault:
    return RowFault(line, code, None, reason, raw=raw[: 4 * RAW_LIMIT].decode(errors="replace")[:RAW_LIMIT])


def _limit_row(length: int, line: int) -> None:
    if length > LONGEST_ROW:
        reason = f"line {line:,} is longer than {LONGEST_ROW >> 20} MiB; write one object on each line"
        raise UploadRejected("row_too_long", reason)


def _pieces(chunks: Iterable[bytes], block_bytes: int, line: int) -> Iterator[tuple[int, bytes]]:
    """Whole lines, of about `block_bytes` together, with the number of the first."""
    held, end = bytearray(), 0
    for chunk in chunks:
        last = chunk.rfind(b"\n")
        end = len(held) + last + 1 if last >= 0 else end
        held += chunk
        if end and len(held) >= block_bytes:
            piece = bytes(held[:end])
            yield line, piece
            line += piece.count(b"\n")
            del held[:end]
            end = 0
        _limit_row(len(held) if not end else 0, line)
    if held:
        yield line, bytes(held)
