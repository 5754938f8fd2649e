"""Arrays of whole numbers as short text: variable-length bytes (LEB128) in base64, for the JSON of sketches.

One byte per 7 bits, the lowest first, the high bit set on all but the last byte of a number. Counts are small, and
so are the gaps between sorted keys: most take one to three bytes. The bytes are a function of the numbers alone; a
compressor's would change with its version.
"""

import base64
import binascii
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.errors import TidemillError

Array = NDArray[Any]
_LONGEST = 10  # bytes of the longest number: 64 bits, 7 in each


class SketchInvalid(TidemillError):
    """A stored sketch is of a form that this release does not read, or two sketches do not fit each other."""


def pack(numbers: Array) -> str:
    """Text of an array of numbers, [n], each from 0 to 2^64 - 1."""
    values = np.asarray(numbers).astype(np.uint64)
    if not values.size:
        return ""
    shifts = np.arange(0, 7 * _LONGEST, 7, dtype=np.uint64)
    used = 1 + np.count_nonzero((values[:, None] >> shifts[1:]) > 0, axis=1)
    digits = (values[:, None] >> shifts & np.uint64(0x7F)).astype(np.uint8)
    place = np.arange(_LONGEST)
    digits[place < (used - 1)[:, None]] |= 0x80
    return base64.b64encode(digits[place < used[:, None]].tobytes()).decode()


def unpack(text: str) -> Array:
    """The uint64 numbers, [n], that `pack` made the text of. Raises SketchInvalid if it made no such text."""
    try:
        data = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    except (binascii.Error, ValueError, TypeError) as error:
        raise SketchInvalid(f"an array of the sketch is not base64 ({error}); build the sketch again") from error
    if not data.size:
        return np.empty(0, dtype=np.uint64)
    ends = np.flatnonzero(data < 0x80)
    starts = np.concatenate(([0], ends[:-1] + 1))
    if not ends.size or ends[-1] != data.size - 1 or np.max(ends - starts) >= _LONGEST:
        raise SketchInvalid("an array of the sketch ends within a number; build the sketch again")
    within = np.arange(data.size) - np.repeat(starts, ends - starts + 1)
    digits = (data & 0x7F).astype(np.uint64) << (7 * within).astype(np.uint64)
    return np.asarray(np.bitwise_or.reduceat(digits, starts))


def gaps(keys: Array) -> Array:
    """Ascending distinct uint64 keys as the first and the differences: what packs well."""
    return np.diff(keys, prepend=np.uint64(0))


def whole(differences: Array) -> Array:
    """The uint64 keys that `gaps` took apart."""
    return np.cumsum(differences, dtype=np.uint64)
