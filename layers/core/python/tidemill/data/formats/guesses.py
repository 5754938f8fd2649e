"""The kind of a column that has no rule: the narrowest that fits all of its cells.

It depends on the cells alone, not on their order nor on how the file was cut: the kinds of parts are joined.
"""

from collections.abc import Mapping
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from tidemill.data.formats import cells
from tidemill.projects import Kind

LEADING_ZERO = r"^[+-]?0[0-9]"
_FIRST = 500
_WIDER: Mapping[Kind | None, tuple[Kind, ...]] = {
    None: (Kind.INTEGER, Kind.NUMBER, Kind.TIMESTAMP, Kind.CATEGORY),
    Kind.INTEGER: (Kind.INTEGER, Kind.NUMBER, Kind.CATEGORY),
    Kind.NUMBER: (Kind.NUMBER, Kind.CATEGORY),
    Kind.TIMESTAMP: (Kind.TIMESTAMP, Kind.CATEGORY),
    Kind.CATEGORY: (Kind.CATEGORY,),
}
_DASHED = r"^\s*[0-9]{4}-"


def narrowest(text: pa.StringArray) -> Kind | None:
    """The narrowest kind that fits all cells (null where missing); None if all are missing. Digits with zeros
    before them are names, and eight digits are a number, not a date, where no rule says so."""
    if text.null_count == len(text):
        return None
    # What the first cells rule out need not be tried on all of them.
    least = narrowest(text[:_FIRST]) if len(text) > _FIRST else None
    return next(kind for kind in _WIDER[least] if _fits(text, kind))


def join(*kinds: Kind | None) -> Kind | None:
    """The narrowest kind that fits what fits any of these; None is the kind of a column of missing cells."""
    return reduce(_join, kinds, None)


def has_leading_zeros(text: pa.StringArray) -> bool:
    """Whether some cell is a number with zeros before it."""
    return bool(pc.any(pc.match_substring_regex(text, LEADING_ZERO)).as_py())


def are_dashed(text: pa.StringArray) -> bool:
    """Whether all cells that are there begin with a year and a dash."""
    return bool(pc.all(pc.match_substring_regex(text, _DASHED), min_count=0).as_py())


def _fits(text: pa.StringArray, kind: Kind) -> bool:
    if kind.numeric and has_leading_zeros(text):
        return False
    if kind is Kind.TIMESTAMP and not are_dashed(text):
        return False
    return cells.typed(text, kind)[1] is None


def _join(one: Kind | None, other: Kind | None) -> Kind | None:
    if one is None or other is None or one is other:
        return one or other
    return Kind.NUMBER if one.numeric and other.numeric else Kind.CATEGORY
