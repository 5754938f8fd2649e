"""Which cells of a text column deserve a look, by its bytes. `engine` calls `suspects`; nothing is written.

Everything `texts` can find holds an @ (or an escape of it), six digits, or digits that are not ASCII. So most
cells are settled by a few passes of numpy over the column's bytes, and the rest by RE2, before any Python sees
them.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tidemill.data.personal import vocabulary

FEWEST_DIGITS = 6  # a NINO's; every other number has more
_AT_ESCAPED = (
    r"%(?:25)*40|&(?:amp;)*#0*64\b|&(?:amp;)*#[xX]0*40\b|&(?:amp;)*commat;|\\u0040|\\x40"
    r"|[\[({]\s?(?i:at|ät|@)\s?[\])}]"
)
_ESCAPES, _BRACKETS = b"%&\\", b"([{"
_AFTER_BRACKET = np.frombuffer(b"aA@ \t\xc3\xef", np.uint8)
_MAIL = r"[^\s@]\s?@\s?[^\s@]+|@\["
# The zeros of other scripts' digits, full width among them, each with nine more after it; and the other two @.
_ZEROS = (
    "\u0660\u06f0\u07c0\u0966\u09e6\u0a66\u0ae6\u0b66\u0be6\u0c66\u0ce6\u0d66\u0e50\u0ed0\u0f20\u1040\u17e0\u1810\uff10"
    "\U0001d7ce\U0001d7d8\U0001d7e2\U0001d7ec\U0001d7f6"
)
_FOREIGN = "[" + "".join(f"{zero}-{chr(ord(zero) + 9)}" for zero in _ZEROS) + "\uff20\ufe6b]"


def _as_bytes(sign: str) -> str:
    return "".join(rf"\x{byte:02x}" for byte in sign.encode())


# The same in the bytes of UTF-8, for binary columns; the last byte of ten digits in a row never overflows.
_FOREIGN_BYTES = "|".join(
    [rf"{_as_bytes(zero)[:-4]}[{_as_bytes(zero)[-4:]}-{_as_bytes(chr(ord(zero) + 9))[-4:]}]" for zero in _ZEROS]
    + [_as_bytes(sign) for sign in "\uff20\ufe6b"]
)
_TIMES = r"(?:19|20)\d\d[-/.](?:0[1-9]|1[0-2])[-/.][0-3]\d(?:[T _]?[0-2]\d:[0-5]\d(?::\d\d(?:[.,]\d+)?)?)?"
_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_PLAIN_CELL = (
    rf"^(?:{_TIMES}[Z\d:+ -]*|{_UUID}|[0-9a-fA-F]{{32,}}|\d{{6,8}}"
    r"|[-+]?\d{0,8}\.\d+(?:[eE](?:-\d+|\+?0?[0-7]))?)$"
)
# Inside longer text: times, UUIDs, digests longer than an IBAN, short decimals, epochs in ms, us and ns.
_NOISE = (
    rf"\b{_TIMES}|\b{_UUID}\b|\b[0-9a-fA-F]{{35,}}\b|\b[0-9a-fA-F]{{32}}\b|\b1(?:\d{{12}}|\d{{15}}|\d{{18}})\b"
    r"|((?:^|[,:\[=\"'])\s?)-?(?:[1-9]\d{0,3}|0)\.\d{1,18}([\s,\])}\"';]|$)"
)
_GAP = r"[^\dA-Za-z,;:\"'{}=<>\[\]]"
# Eleven digits in a row, nine with gaps; or the letters and digits of an IBAN, a NINO, a Spanish, Finnish or
# Italian id; or an escape that may hide any of these.
_SUSPECT = (
    rf"\d{{11}}|(?:\d{_GAP}{{0,9}}){{8}}\d"
    rf"|(?:\d{_GAP}{{0,6}}){{7}}\d[\W_]{{0,6}}[A-Za-z]"
    r"|[A-Za-z][\W_]{0,6}(?:\d[^\dA-Za-z]{0,6}){6,7}[A-Za-z]"
    r"|[A-Za-z]{2}[\W_]{0,3}\d[\W_]{0,3}\d(?:[\W_]{0,3}[A-Za-z0-9]){11}"
    r"|[A-Za-z]{3}\W{0,3}[A-Za-z]{3}\W{0,3}[0-9A-Za-z]{2}[A-Za-z][0-9A-Za-z]{2}\W{0,3}[A-Za-z][0-9A-Za-z]{3}[A-Za-z]"
    r"|\d{6}[-+A-FU-Ya-fu-y]\d{3}[0-9A-Za-z]"
    r"|%[0-9A-Fa-f]{2}|&#|\\[ux]"
)
# Ten digits in a row, as JSON has them, are nothing without a name that says so.
_SHORT_RUN = r"([,:\[=\"']\s?)\d{1,10}([,\]}\"';])|^\s*\d{1,10}\s*$"
_LABELLED = rf"(?i)(?:{vocabulary.ANNOUNCING})[^\d]{{0,60}}\d"
_TOLD = r"(?:\d\D{0,5}){6}"

_BLOCK = 1 << 17
Rows = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


def suspects(cells: Any, *, telling: bool) -> Rows:
    """The rows of `cells` (string or binary array) that may hold personal data, ascending."""
    data, offsets = _bytes(cells)
    if not len(data):
        return np.empty(0, np.int64)
    raw = data.tobytes()  # memchr, behind `in`, is the fastest search for a byte there is
    found = [_numbers(cells, _with_digits(data, offsets), telling)]
    if b"@" in raw:
        found.append(_matching(cells, _rows_of(np.flatnonzero(data == 64), offsets), _MAIL))
    if len(marks := _marks(data, raw)):
        found.append(_matching(cells, _rows_of(marks, offsets), _AT_ESCAPED))
    if not raw.isascii():
        text = pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)
        foreign = pc.match_substring_regex(cells, _FOREIGN if text else _FOREIGN_BYTES)
        found.append(np.flatnonzero(_flags(foreign)))
    return np.unique(np.concatenate(found))


def _marks(data: Bytes, raw: bytes) -> Rows:
    """Where an @ may be hidden: an escape, or a bracket before an `at`."""
    found = [np.flatnonzero(data == sign) for sign in _ESCAPES if sign in raw]
    for sign in _BRACKETS:
        if sign in raw:
            places = np.flatnonzero(data[:-1] == sign)
            found.append(places[np.isin(data[places + 1], _AFTER_BRACKET)])
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _bytes(cells: Any) -> tuple[Bytes, Rows]:
    """All cells' bytes in one piece, and where each starts."""
    wide = pa.types.is_large_string(cells.type) or pa.types.is_large_binary(cells.type)
    _, places, body = cells.buffers()
    if body is None or not len(cells):
        return np.empty(0, np.uint8), np.zeros(len(cells) + 1, np.int64)
    every = np.frombuffer(places, np.int64 if wide else np.int32)[cells.offset : cells.offset + len(cells) + 1]
    data = np.frombuffer(body, np.uint8)[every[0] : every[-1]]
    return data, every.astype(np.int64) - every[0]


def _rows_of(positions: Rows, offsets: Rows) -> Rows:
    rows: Rows = np.unique(np.searchsorted(offsets, positions, side="right") - 1)
    return rows


def _with_digits(data: Bytes, offsets: Rows) -> Rows:
    """The rows with at least six ASCII digits."""
    long = np.flatnonzero(np.diff(offsets) >= FEWEST_DIGITS)
    if not len(long):
        return long
    # Counted by eights first: an upper bound, an eighth of the work.
    eighths = np.concatenate([[0], np.cumsum(np.bitwise_count(_digit_bits(data)), dtype=np.int64)])
    starts, ends = offsets[long], offsets[long + 1]
    rows: Rows = long[eighths[(ends + 7) >> 3] - eighths[starts >> 3] >= FEWEST_DIGITS]
    if len(rows) * 50 < len(offsets):
        return rows
    exact = np.concatenate([[0], np.cumsum((data - np.uint8(48)) < 10, dtype=np.int64)])
    enough: Rows = rows[exact[offsets[rows + 1]] - exact[offsets[rows]] >= FEWEST_DIGITS]
    return enough


def _digit_bits(data: Bytes) -> Bytes:
    """A bit for each byte: whether it is a digit. In blocks that stay in the processor's cache."""
    blocks = [np.packbits((data[at : at + _BLOCK] - np.uint8(48)) < 10) for at in range(0, len(data), _BLOCK)]
    return np.concatenate(blocks)


def _numbers(cells: Any, rows: Rows, telling: bool) -> Rows:
    if not len(rows):
        return rows
    few = cells.take(pa.array(rows))
    if telling:
        return rows[_flags(pc.match_substring_regex(few, _TOLD))]
    plain = _flags(pc.match_substring_regex(few, _PLAIN_CELL))
    rows, few = rows[~plain], few.filter(pa.array(~plain))
    if not len(rows):
        return rows
    labelled = _flags(pc.match_substring_regex(few, _LABELLED))
    quiet = pc.replace_substring_regex(pc.replace_substring_regex(few, _NOISE, "\\1~\\2"), _SHORT_RUN, "\\1~\\2")
    return rows[labelled | _flags(pc.match_substring_regex(quiet, _SUSPECT))]


def _matching(cells: Any, rows: Rows, pattern: str) -> Rows:
    return rows[_flags(pc.match_substring_regex(cells.take(pa.array(rows)), pattern))] if len(rows) else rows


def _flags(array: Any) -> npt.NDArray[np.bool_]:
    flags: npt.NDArray[np.bool_] = pc.fill_null(array, False).to_numpy(zero_copy_only=False)
    return flags
