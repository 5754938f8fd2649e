"""Values as whole numbers that are equal exactly where the values are: what rows are compared by.

Called by `match`. Nothing here relies on hashes being different: Arrow's dictionaries compare the values.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Codes = NDArray[np.int64]
_MISSING = np.iinfo(np.int64).min


def codes_of(before: pa.ChunkedArray, after: pa.ChunkedArray) -> tuple[Codes, NDArray[np.bool_]]:
    """Codes, int64 [rows before + rows after], of two columns of one type: equal where the values are equal
    (numbers by value, 0.0 as -0.0; times by the moment), and one code for all that is missing (null or NaN). And
    which rows have a value, bool, of the same shape."""
    values = pa.chunked_array([*before.chunks, *after.chunks], before.type)
    if pa.types.is_floating(values.type):
        numbers = values.to_numpy().astype(np.float64) + 0.0
        present = ~np.isnan(numbers)
        numbers[~present] = np.nan
        return numbers.view(np.int64), present
    present = pc.is_valid(values).to_numpy()
    if pa.types.is_timestamp(values.type):
        moments = pc.fill_null(values.cast(pa.int64()), _MISSING)
        return moments.to_numpy(), present
    # Large: the text of a partition may be longer than 32-bit offsets reach.
    text = values.cast(pa.large_string()).combine_chunks()
    indices = text.dictionary_encode().indices
    return pc.fill_null(indices, -1).to_numpy().astype(np.int64), present


def numbered(codes: Codes) -> Codes:
    """The same distinctions, numbered from 0 in the order in which they first occur."""
    indices: Codes = pa.array(codes).dictionary_encode().indices.to_numpy().astype(np.int64)
    return indices


def combined(columns: Sequence[Codes], rows: int) -> Codes:
    """Codes, int64 [rows], that are equal where those of all columns are."""
    ids = np.zeros(rows, np.int64)
    for column in columns:
        dense = numbered(column)
        # Both are below the number of rows, so that the product fits.
        ids = numbered(ids * (dense.max(initial=0) + 1) + dense)
    return ids


def ranks(ids: Codes) -> Codes:
    """How many rows of the same id are before each row, int64 [rows]."""
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    first = np.ones(ids.size, bool)
    first[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(first)
    found = np.empty(ids.size, np.int64)
    found[order] = np.arange(ids.size) - np.repeat(starts, np.diff(np.append(starts, ids.size)))
    return found
