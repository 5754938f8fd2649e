"""What one array of texts or numbers holds: prefilter, then patterns. `scanner` counts it, `masking` replaces
it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tidemill.data.personal import digit_runs, prefilter, texts
from tidemill.data.personal.chance import Hashes, mixed
from tidemill.data.personal.digit_runs import Look, Values
from tidemill.data.personal.findings import Match

Entries = npt.NDArray[np.int64]

_WHOLE = re.compile(r"[\s\"']*(\d{9,19})(?:\.0+)?[\s\"']*", re.ASCII)
_TOLD = re.compile(r"[\s\"']*(\d{6,19})(?:\.0+)?[\s\"']*", re.ASCII)
_SCIENTIFIC = re.compile(r"\s*\d(?:\.\d{1,17})?[eE]\+?(?:0?[89]|1[0-8])\s*", re.ASCII)
_PRINTABLE = re.compile(rb"[\x09\x20-\x7e]{8,}")
_FLOOR, _FLOOR_TOLD = (
    10**10,
    10**6,
)  # the shortest number told without, and with a telling name, has 11 and 7 digits
_LARGEST = 1.8e19


@dataclass(frozen=True)
class Numbers:
    """Look-alikes among whole numbers; positions count in the array, `hashes` beside them."""

    look: Look
    hashes: Hashes


@dataclass(frozen=True)
class Seen:
    """`words`: a text with look-alikes, where they are in it, and the entries of the array that hold it."""

    words: list[tuple[str, list[Match], Entries]] = field(default_factory=list)
    numbers: list[Numbers] = field(default_factory=list)


def examine(array: Any, telling: frozenset[str]) -> Seen:
    """All look-alikes in an array of strings, binaries, integers or doubles."""
    if pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
        return Seen(numbers=list(_among_numbers(array, telling)))
    rows = prefilter.suspects(array, telling=bool(telling))
    if not len(rows):
        return Seen()
    encoded = array.take(pa.array(rows)).dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    distinct = [readable(value) for value in encoded.dictionary.to_pylist()]
    whole = np.array([_whole(text, telling) for text in distinct], np.int64)
    lengths = np.array(
        [_length(text, value, telling) for text, value in zip(distinct, whole, strict=True)], np.int64
    )
    digits = whole[codes] >= 0
    values = whole[codes][digits].astype(np.uint64)
    numbers = _numbers(rows[digits], values, lengths[codes][digits], telling)
    return Seen(list(_words(distinct, whole < 0, rows, codes, telling)), list(numbers))


def readable(value: str | bytes) -> str:
    """A cell as text; of bytes that are no UTF-8 the stretches that can be read."""
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "\n".join(part.decode() for part in _PRINTABLE.findall(value))


def _words(
    distinct: list[str], wanted: Any, rows: Entries, codes: Any, telling: frozenset[str]
) -> Iterator[tuple[str, list[Match], Entries]]:
    order = np.argsort(codes, kind="stable")
    borders = np.searchsorted(codes[order], np.arange(len(distinct) + 1))
    for at in np.flatnonzero(wanted).tolist():
        if matches := texts.find(distinct[at], telling):
            yield distinct[at], matches, rows[order[borders[at] : borders[at + 1]]]


def _whole(text: str, telling: frozenset[str]) -> int:
    """The number that a text is as a whole; -1 if it is more than digits, or nothing that a number may be."""
    if found := (_TOLD if telling else _WHOLE).fullmatch(text):
        value = int(found[1])
    elif _SCIENTIFIC.fullmatch(text) and float(text).is_integer():
        value = int(float(text))
    else:
        return -1
    return value if value < 2**63 else -1


def _length(text: str, value: int, telling: frozenset[str]) -> int:
    found = (_TOLD if telling else _WHOLE).fullmatch(text)
    return len(found[1]) if found else len(str(value))


def _among_numbers(array: Any, telling: frozenset[str]) -> Iterator[Numbers]:
    if array.type.bit_width < (32 if telling else 64):
        return
    floor = _FLOOR_TOLD if telling else _FLOOR
    values = (pc.fill_null(array, 0) if array.null_count else array).to_numpy(zero_copy_only=False)
    large = values >= floor
    if not large.any():
        return
    at = np.flatnonzero(large)
    if values.dtype.kind == "f":
        at = at[(values[at] < _LARGEST) & (values[at] == np.floor(values[at]))]
    numbers = values[at].astype(np.uint64)
    yield from _numbers(at, numbers, digit_runs.lengths_of(numbers), telling)


def _numbers(at: Entries, values: Values, lengths: Any, telling: frozenset[str]) -> Iterator[Numbers]:
    if not len(at):
        return
    for look in digit_runs.look(values, lengths, telling):
        hashes = mixed(values[look.positions])
        moved = Look(look.kind, look.detail, look.where, at[look.positions], look.structured, look.valid)
        yield Numbers(moved, hashes)
