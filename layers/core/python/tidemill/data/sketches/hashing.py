"""Stable 64-bit hashes of values and rows, whole arrays at a time.

Called by `categories` and `dataset`. Hashes are stored in sketches: the same value has the same hash in every
release (literal values in the tests hold that). Text is hashed word by word (8 bytes of its UTF-8, little endian),
each word xored in and mixed by the finaliser of splitmix64 (Steele, Lea & Flood 2014, "Fast splittable
pseudorandom number generators"; constants of Stafford's variant 13); beyond LONG bytes it is the first word of the
SHA-256. That is no defence against values made to collide.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Array = NDArray[Any]
BLOCK = 1 << 14
"""Values hashed at a time, so that what is made of them on the way stays in the processor's cache."""
LONG = 1024
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(9)], dtype=np.uint64)


def mix(words: Array) -> Array:
    """A bijection of uint64 words, [n], under which each bit of the input turns about half of the output's."""
    h: Array = words ^ (words >> 30)
    h *= np.uint64(0xBF58476D1CE4E5B9)
    h ^= h >> 27
    h *= np.uint64(0x94D049BB133111EB)
    h ^= h >> 31
    return h


def hash_text(values: pa.Array) -> Array:
    """Hashes, uint64, [n], of an Arrow array of text; what stands for a null is not to be used."""
    if len(values) <= BLOCK:
        return _hash_text(values)
    return np.concatenate([_hash_text(values.slice(start, BLOCK)) for start in range(0, len(values), BLOCK)])


def hash_words(words: Array) -> Array:
    """Hashes, uint64, [n], of 64-bit values such as int64 timestamps."""
    return mix(words.view(np.uint64) + _GOLDEN)


def hash_numbers(numbers: Array) -> Array:
    """Hashes, uint64, [n], of float64 numbers; -0.0 hashes as 0.0 and every NaN as every other."""
    plain = numbers + 0.0
    plain[np.isnan(plain)] = np.nan
    return hash_words(plain)


def hash_column(values: pa.Array) -> Array:
    """Hashes, uint64, [n], of the values of an Arrow array of numbers, timestamps or text (plain or
    dictionary-encoded); 0 for null. A number hashes alike whatever its type, if it is a float64 as well."""
    if pa.types.is_dictionary(values.type):
        indices = pc.fill_null(values.indices, 0).to_numpy()
        h = hash_column(values.dictionary)[indices] if len(values.dictionary) else np.zeros(len(values), np.uint64)
    elif pa.types.is_timestamp(values.type):
        times = pc.cast(values, pa.timestamp("us", "UTC")).view(pa.int64())
        h = hash_words(pc.fill_null(times, 0).to_numpy())
    elif is_text(values.type):
        h = hash_text(values)
    else:
        h = hash_numbers(pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    if values.null_count:
        h[pc.is_null(values).to_numpy(zero_copy_only=False)] = 0
    return h


def hash_rows(columns: Mapping[str, Array], rows: int) -> Array:
    """Hashes, uint64, [rows], of rows given the hashes of their columns: their sum, each times an odd number that
    its column's name gives (multilinear hashing: Lemire & Kaser 2014, "Strongly universal string hashing is
    fast"), mixed. The order of columns does not matter; one that is not there hashes as one of nulls."""
    total = np.zeros(rows, dtype=np.uint64)
    for name, hashes in columns.items():
        total += hashes * (hash_text(pa.array([name])) | np.uint64(1))
    return mix(total)


def is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _hash_text(values: pa.Array) -> Array:
    words, starts, sizes = _words(values)
    h = mix(sizes.view(np.uint64) + _GOLDEN)
    h = mix(h ^ (_word_at(words, starts) & _MASKS[np.minimum(sizes, 8)]))
    for i in np.flatnonzero(sizes > LONG):  # one at a time: word by word, one huge value would hold up all
        value = words.view(np.uint8)[starts[i] : starts[i] + sizes[i]]
        h[i] = int.from_bytes(hashlib.sha256(value).digest()[:8], "little")
    longer = np.flatnonzero((sizes > 8) & (sizes <= LONG))
    done = 8
    while longer.size:
        rest = sizes[longer] - done
        word = _word_at(words, starts[longer] + done) & _MASKS[np.minimum(rest, 8)]
        h[longer] = mix(h[longer] ^ word)
        longer = longer[rest > 8]
        done += 8
    return h


def _word_at(words: Array, places: Array) -> Array:
    """The 8 bytes from each byte place on, out of two of the aligned words."""
    first, shift = places >> 3, ((places & 7) << 3).view(np.uint64)
    upper = words.take(first + 1) << np.uint64(1)  # in two steps: a shift by 64 is undefined
    return (words.take(first) >> shift) | (upper << (np.uint64(63) - shift))


def _words(values: pa.Array) -> tuple[Array, Array, Array]:
    """The UTF-8 of all values as words, padded so that one can be read from each byte; where each value starts and
    how many bytes it has, int64, [n]."""
    width = np.int64 if pa.types.is_large_string(values.type) else np.int32
    _, offsets, data = values.buffers()
    if not len(values):
        return np.zeros(2, dtype="<u8"), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    places = np.frombuffer(offsets, dtype=width)[values.offset : values.offset + len(values) + 1].astype(np.int64)
    size = int(places[-1] - places[0])
    words = np.zeros(size // 8 + 2, dtype="<u8")
    if size:
        words.view(np.uint8)[:size] = np.frombuffer(data, dtype=np.uint8)[places[0] : places[-1]]
    return words, places[:-1] - places[0], np.diff(places)
