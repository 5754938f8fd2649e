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
# Digits in other scripts and full width, and the other two @.
_FOREIGN = (
    r"[\x{660}-\x{669}\x{6F0}-\x{6F9}\x{7C0}-\x{7C9}\x{966}-\x{96F}\x{9E6}-\x{9EF}\x{A66}-\x{A6F}\x{AE6}-\x{AEF}"
    r"\x{B66}-\x{B6F}\x{BE6}-\x{BEF}\x{C66}-\x{C6F}\x{CE6}-\x{CEF}\x{D66}-\x{D6F}\x{DE6}-\x{DEF}\x{E50}-\x{E59}"
    r"\x{ED0}-\x{ED9}\x{F20}-\x{F29}\x{1040}-\x{1049}\x{17E0}-\x{17E9}\x{1810}-\x{1819}\x{FF10}-\x{FF19}"
    r"\x{1D7CE}-\x{1D7FF}\x{FF20}\x{FE6B}]"
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
    text = pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)
    if text and not raw.isascii():
        found.append(np.flatnonzero(_flags(pc.match_substring_regex(cells, _FOREIGN))))
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
    rows = rows[exact[offsets[rows + 1]] - exact[offsets[rows]] >= FEWEST_DIGITS]
    return rows


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
