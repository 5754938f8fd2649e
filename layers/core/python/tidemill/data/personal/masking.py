"""Record batches without their personal data: what the scanner finds is replaced by its kind. ValidateVersion
calls `mask_batch` where a project says `personal_data: mask`.

In text a token takes the value's place, `[email]`; a number becomes null; names of columns and fields are masked
too.
"""

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidemill.data.personal import nested, texts, vocabulary
from tidemill.data.personal.engine import examine
from tidemill.data.personal.findings import EVERY, Match
from tidemill.data.personal.scanner import Key, Scanner

_ROUNDS = 4  # what stands around a token could read as a value of its own


def mask_batch(batch: Any, seen: Scanner | None = None) -> tuple[Any, Counter[tuple[str, str]]]:
    """`batch` masked, and how many values were, by (masked column, kind). `seen` has scanned all of the file and
    brings its exceptions and its judgement of whole columns; without it the batch is judged on its own."""
    counts: Counter[tuple[str, str]] = Counter()
    scanner = seen or Scanner()
    if seen is None:
        scanner.scan(batch)
    reported = scanner.reported()
    columns, fields = [], []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if not scanner.excepted(field.name, EVERY):
            column = _Column(field.name, scanner, reported, counts).masked(
                column, "", vocabulary.telling(field.name)
            )
        name = texts.mask_text(field.name)
        columns.append(column)
        fields.append(pa.field(name, column.type, field.nullable or column.null_count > 0, field.metadata))
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields, batch.schema.metadata)), counts


class _Column:
    """The walk down one column, as `nested.leaves` walks, building it up again."""

    def __init__(
        self, name: str, scanner: Scanner, reported: frozenset[Key], counts: Counter[tuple[str, str]]
    ) -> None:
        self.name, self.scanner, self.reported, self.counts = name, scanner, reported, counts

    def masked(self, array: Any, path: str, telling: frozenset[str]) -> Any:
        """The array masked; itself if nothing is found in it. Its type stays, but that of odd kinds (views,
        unions, run ends) which become plain, and nullability."""
        simple = nested.plain(array)
        kind = simple.type
        if pa.types.is_dictionary(kind):
            return self._dictionary(array, simple, path, telling)
        if pa.types.is_struct(kind):
            return self._struct(array, simple, path, telling)
        if pa.types.is_map(kind) or nested.is_list(kind):
            return self._elements(array, simple, path, telling)
        if not nested.holds_something(kind):
            return array
        changed = self._leaf(simple, path, telling)
        return array if changed is simple else _like(changed, array)

    def _leaf(self, array: Any, path: str, telling: frozenset[str]) -> Any:
        found, out = examine(array, telling), array
        for numbers in found.numbers:
            look = numbers.look
            key = Key(self.name, path, look.kind, look.detail, look.where)
            if look.valid.any() and self._wanted(key):
                out = self._put(out, look.positions[look.valid], look.kind)
        for text, matches, entries in found.words:
            wanted = [
                m for m in matches if m.valid and self._wanted(Key(self.name, path, m.kind, m.detail, m.where))
            ]
            if wanted:
                for match in wanted:
                    self.counts[texts.mask_text(self.name), match.kind] += len(entries)
                out = _replaced(out, entries, self._text(text, wanted, path, telling))
        return out

    def _text(self, text: str, wanted: list[Match], path: str, telling: frozenset[str]) -> str:
        for _ in range(_ROUNDS):
            text = texts.masked(text, wanted)
            again = texts.find(text, telling)
            wanted = [
                m for m in again if m.valid and self._wanted(Key(self.name, path, m.kind, m.detail, m.where))
            ]
            if not wanted:
                break
        return text

    def _wanted(self, key: Key) -> bool:
        if self.scanner.excepted(self.name, key.kind):
            return False
        return key.where == "sure" or key in self.reported

    def _put(self, array: Any, entries: Any, kind: str) -> Any:
        self.counts[texts.mask_text(self.name), kind] += len(entries)
        text = pa.types.is_string(array.type) or pa.types.is_large_string(array.type)
        binary = pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type)
        return _replaced(array, entries, texts.TOKEN.format(kind) if text or binary else None)

    def _dictionary(self, array: Any, simple: Any, path: str, telling: frozenset[str]) -> Any:
        words = self.masked(simple.dictionary, path, telling)
        if words is simple.dictionary:
            return array
        # Two entries may have become one token, and a dictionary should hold each word once.
        return words.take(simple.indices).dictionary_encode()

    def _struct(self, array: Any, simple: Any, path: str, telling: frozenset[str]) -> Any:
        children, fields = [], []
        same = True
        for field, child in zip(simple.type, simple.flatten(), strict=True):
            new = self.masked(child, f"{path}.{field.name}", telling | vocabulary.telling(field.name))
            name = texts.mask_text(field.name)
            same = same and new is child and name == field.name
            children.append(new)
            fields.append(pa.field(name, new.type, True, field.metadata))
        if same:
            return array
        return pa.StructArray.from_arrays(children, fields=fields, mask=simple.is_null())

    def _elements(self, array: Any, simple: Any, path: str, telling: frozenset[str]) -> Any:
        kind = simple.type
        first, last = simple.offsets[0].as_py(), simple.offsets[-1].as_py()
        offsets = pc.subtract(simple.offsets, pa.scalar(first, simple.offsets.type))
        empty = simple.is_null()
        if pa.types.is_map(kind):
            keys = simple.keys.slice(first, last - first)
            items = simple.items.slice(first, last - first)
            new_keys, new_items = (
                self.masked(keys, f"{path}{{}}", telling),
                self.masked(items, f"{path}{{}}", telling),
            )
            if new_keys is keys and new_items is items:
                return array
            return pa.MapArray.from_arrays(_holes(offsets, empty), new_keys, new_items)
        values = simple.values.slice(first, last - first)
        new = self.masked(values, f"{path}[]", telling)
        if new is values:
            return array
        field = kind.value_field.with_type(new.type).with_nullable(True)
        wide = pa.types.is_large_list(kind)
        built = (pa.LargeListArray if wide else pa.ListArray).from_arrays(
            offsets, new, type=pa.large_list(field) if wide else pa.list_(field), mask=empty
        )
        fixed = pa.types.is_fixed_size_list(array.type)
        return built.cast(pa.list_(field, array.type.list_size)) if fixed else built


def _holes(offsets: Any, empty: Any) -> Any:
    """Offsets with a null where the map is null, as MapArray wants them."""
    never = pa.array([False], pa.bool_())
    return pc.if_else(pa.concat_arrays([empty, never]), pa.scalar(None, offsets.type), offsets)


def _replaced(array: Any, entries: Any, word: str | None) -> Any:
    mask = np.zeros(len(array), np.bool_)
    mask[entries] = True
    binary = pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type)
    value = word.encode() if binary and word is not None else word
    return pc.if_else(pa.array(mask), pa.scalar(value, array.type), array)


def _like(changed: Any, array: Any) -> Any:
    """Back in the type it had, where tokens fit into it."""
    kind = array.storage.type if isinstance(array, pa.ExtensionArray) else array.type
    if pa.types.is_decimal(kind) or pa.types.is_fixed_size_binary(kind):
        # Decimals were read as text: a token is no number, so it becomes null.
        same = pc.fill_null(pc.equal(changed, nested.plain(array)), True)
        return pc.if_else(same, array, pa.scalar(None, kind))
    back = pa.types.is_string_view(kind) or pa.types.is_binary_view(kind)
    return changed.cast(kind) if back else changed
