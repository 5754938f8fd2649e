"""The leaves of Arrow columns: what a list of structs of strings holds, with its path and rows. `scanner` walks
here.

Dictionary columns give their dictionary once, with the rows of each entry; types without text or numbers (times,
booleans) give nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tidemill.data.personal import vocabulary

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Leaf:
    """`array` holds texts, binaries or numbers; `rows_of` gives the batch's rows where its entries stand."""

    path: str
    array: Any
    rows_of: Callable[[Rows], Rows]
    telling: frozenset[str]
    names: tuple[str, ...] = ()


def leaves(name: str, column: Any) -> Iterator[Leaf]:
    """What a batch's column holds, down to the innermost values."""
    yield from _walk(Leaf("", column, lambda entries: entries, vocabulary.telling(name)))


def field_names(kind: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, name) of the fields inside a nested type."""
    if pa.types.is_struct(kind):
        for field in kind:
            yield f"{path}.{field.name}", field.name
            yield from field_names(field.type, f"{path}.{field.name}")
    elif pa.types.is_map(kind):
        yield from field_names(kind.item_type, f"{path}{{}}")
    elif is_list(kind):
        yield from field_names(kind.value_type, f"{path}[]")
    elif pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        yield from field_names(kind.value_type, path)


def is_list(kind: Any) -> bool:
    tests = ("is_list", "is_large_list", "is_fixed_size_list", "is_list_view", "is_large_list_view")
    return any(getattr(pa.types, test)(kind) for test in tests)


def plain(array: Any) -> Any:
    """The same values in one of the types that the walk knows."""
    if isinstance(array, pa.ExtensionArray):
        return plain(array.storage)
    kind = array.type
    if pa.types.is_run_end_encoded(kind):
        return plain(pc.run_end_decode(array))
    if pa.types.is_string_view(kind):
        return array.cast(pa.large_string())
    if pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind):
        return array.cast(pa.large_binary())
    if pa.types.is_decimal(kind):
        return array.cast(pa.string())
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        return array.cast(pa.large_list(kind.value_field))
    if pa.types.is_fixed_size_list(kind):
        return array.cast(pa.large_list(kind.value_field))
    if pa.types.is_union(kind):
        return pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.string())
    return array


def _walk(leaf: Leaf) -> Iterator[Leaf]:
    array = plain(leaf.array)
    kind = array.type
    if pa.types.is_dictionary(kind):
        yield from _walk(replace(leaf, array=array.dictionary, rows_of=_through_codes(array, leaf.rows_of)))
    elif pa.types.is_struct(kind):
        # flatten() minds the struct's own nulls and slice, field() does not.
        for field, child in zip(kind, array.flatten(), strict=True):
            path = f"{leaf.path}.{field.name}"
            telling = leaf.telling | vocabulary.telling(field.name)
            yield from _walk(replace(leaf, path=path, array=child, telling=telling))
    elif pa.types.is_map(kind) or is_list(kind):
        yield from _elements(leaf, array)
    elif holds_something(kind):
        yield replace(leaf, array=array)


def _elements(leaf: Leaf, array: Any) -> Iterator[Leaf]:
    offsets = array.offsets.to_numpy()
    first, count = int(offsets[0]), int(offsets[-1] - offsets[0])
    parents = np.repeat(np.arange(len(array)), np.diff(offsets))

    def rows_of(entries: Rows) -> Rows:
        return leaf.rows_of(parents[entries])

    if pa.types.is_map(array.type):
        yield from _walk(
            replace(leaf, path=f"{leaf.path}{{}}", array=array.keys.slice(first, count), rows_of=rows_of)
        )
        yield from _walk(
            replace(leaf, path=f"{leaf.path}{{}}", array=array.items.slice(first, count), rows_of=rows_of)
        )
    else:
        values = array.values.slice(first, count)
        yield from _walk(replace(leaf, path=f"{leaf.path}[]", array=values, rows_of=rows_of))


def _through_codes(array: Any, rows_of: Callable[[Rows], Rows]) -> Callable[[Rows], Rows]:
    def rows(entries: Rows) -> Rows:
        codes = pc.fill_null(array.indices, len(array.dictionary) - 1).to_numpy(zero_copy_only=False)
        there = np.isin(codes, entries) & array.indices.is_valid().to_numpy(zero_copy_only=False)
        return rows_of(np.flatnonzero(there))

    return rows


def holds_something(kind: Any) -> bool:
    texts = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())
    return kind in texts or pa.types.is_integer(kind) or kind == pa.float64()
