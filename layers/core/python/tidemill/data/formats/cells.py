"""Cells of text as their kind, column by column: what CSV and the strings of JSON Lines are read by.

All of it is vectorised. The plain case is one cast of the whole column; only a column that this fails on is looked
at cell by cell, by regular expressions that admit exactly what the cast then reads.
"""

import pyarrow as pa
import pyarrow.compute as pc

from tidemill.data.formats.blocks import ARROW, NULLS
from tidemill.projects import Kind

_NUMBER = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_LEAP = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DATE = (
    r"(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    rf"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP}-02-29)"
)
_ZONE = r"(?:Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)"
_TIME = r"(?:[01][0-9]|2[0-3])(?::[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?)?"
_MOMENT = rf"^{_DATE}(?:[T ]{_TIME}{_ZONE}?)?$"
_ZONED = r"[T ][0-9:.]+[Z+-]"
# Spellings of ISO 8601 that Arrow does not read, and how it does: without separators; digits below a microsecond
# (cut off), a comma before them.
_RESPELLED = (
    (r"^([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})", r"\1-\2-\3T\4:\5:\6"),
    (r"([0-9])[.,]([0-9]{1,6})[0-9]{0,3}(Z|[+-][0-9:]+)?$", r"\1.\2\3"),
)
_NAIVE, _UTC = pa.timestamp("us"), pa.timestamp("us", tz="UTC")
_FIRST, _LAST = pa.scalar(-62_135_596_800_000_000, pa.int64()), pa.scalar(253_402_300_799_999_999, pa.int64())
"""Microseconds from 1970 to the ends of the years 1 and 9999, as far as Python's datetime goes."""


def typed(text: pa.StringArray, kind: Kind) -> tuple[pa.Array, pa.BooleanArray | None]:
    """A column of text as ARROW[kind], null where nothing stands (null or one of NULLS) or what stands is not of
    the kind; and which cells those last ones are, None if none is.

    Numbers are plain decimal or scientific notation in the range of float64, with spaces around them or not
    (no words, no hexadecimals, no underscores); integers are numbers without a fraction (`3.0` is one). Timestamps
    are ISO 8601 from the year 1 to 9999, UTC where they name no zone; what is below a microsecond is cut off."""
    if kind is Kind.CATEGORY:
        return present(text), None
    plain = _plain(text, kind)
    if plain is not None:
        return plain, None
    cells = present(text)
    plain = _plain(cells, kind) if cells is not text else None
    if plain is not None:
        return plain, None
    values = _readable_numbers(cells) if kind.numeric else _readable_moments(cells)
    if kind is Kind.INTEGER:
        values = pc.if_else(_whole(values), values, pa.scalar(None, ARROW[kind]))
    unreadable = pc.and_(pc.is_valid(cells), pc.is_null(values))
    return values, unreadable if pc.any(unreadable).as_py() else None


def present(text: pa.StringArray) -> pa.StringArray:
    """The text, null where it spells a missing cell."""
    missing = pc.is_in(text, value_set=pa.array(NULLS, pa.string()))
    return pc.if_else(missing, pa.scalar(None, pa.string()), text) if pc.any(missing).as_py() else text


def _plain(text: pa.StringArray, kind: Kind) -> pa.Array | None:
    """All of a column by one cast; None if a cell is neither null nor plainly of the kind."""
    values = _numbers(text) if kind.numeric else _moments(text)
    fraction = values is not None and kind is Kind.INTEGER and not _all(_whole(values))
    return None if fraction else values


def _numbers(text: pa.StringArray) -> pa.Array | None:
    try:
        values = pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        return None
    return values if _all(pc.is_finite(values)) else None


def _readable_numbers(cells: pa.StringArray) -> pa.Array:
    trimmed = pc.utf8_trim_whitespace(cells)
    values = pc.cast(_only(pc.match_substring_regex(trimmed, _NUMBER), trimmed), pa.float64())
    return _only(pc.is_finite(values), values)


def _whole(values: pa.Array) -> pa.BooleanArray:
    return pc.equal(values, pc.floor(values))


def _moments(text: pa.StringArray) -> pa.Array | None:
    # One cast, with a zone or without as the first cell has it: Arrow spends long on a cast that fails throughout.
    cells = text.drop_null().slice(0, 1)
    zoned = _all(pc.match_substring_regex(cells, _ZONED)) and len(cells) > 0
    try:
        values = pc.cast(pc.cast(text, _UTC if zoned else _NAIVE), _UTC)
    except pa.ArrowInvalid:
        return None
    return values if in_range(values) else None


def _readable_moments(cells: pa.StringArray) -> pa.Array:
    moments = pc.utf8_trim_whitespace(cells)
    for pattern, spelling in _RESPELLED:
        moments = pc.replace_substring_regex(moments, pattern, spelling)
    moments = _only(pc.match_substring_regex(moments, _MOMENT), moments)
    zoned = pc.match_substring_regex(moments, _ZONED)
    here = pc.cast(pc.cast(_only(pc.invert(zoned), moments), _NAIVE), _UTC)
    values = pc.coalesce(here, pc.cast(_only(zoned, moments), _UTC))
    return _only(_in_range(values), values)


def in_range(values: pa.Array) -> bool:
    """Whether all times are ones that Python has."""
    return _all(_in_range(values))


def _in_range(values: pa.Array) -> pa.BooleanArray:
    count = pc.cast(values, pa.int64())
    return pc.and_(pc.greater_equal(count, _FIRST), pc.less_equal(count, _LAST))


def _only(mask: pa.BooleanArray, values: pa.Array) -> pa.Array:
    return pc.if_else(mask, values, pa.scalar(None, values.type))


def _all(mask: pa.BooleanArray) -> bool:
    return bool(pc.all(mask, min_count=0).as_py())  # nulls are skipped
