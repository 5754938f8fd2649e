"""The contents of uploads at their addresses: as they came, without their bad rows, or masked.

Called by `take_in`. Writes `objects/sha256/…`. A content that is not stored as it came is made twice, once for its
digest and once for the store: its address is its digest, and memory does not grow with it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from tidemill import names
from tidemill.data import fresh
from tidemill.data.formats.detect import Format
from tidemill.data.formats.kept_rows import kept_rows
from tidemill.data.formats.open_file import open_file
from tidemill.data.formats.writing import written
from tidemill.data.personal import Scanner
from tidemill.data.quality.personal_gate import masked
from tidemill.data.scan import Reading
from tidemill.ports import ObjectStore

Lines = NDArray[np.int64]


@dataclass(frozen=True)
class Source:
    """An object as it is read: the upload, or what was made of it."""

    key: str
    version_id: str | None
    size: int


@dataclass(frozen=True)
class Content:
    """What is stored: digest, size in bytes, and how it is to be read."""

    sha256: str
    size: int
    form: Format

    @property
    def source(self) -> Source:
        return Source(names.content(self.sha256), None, self.size)


def store(source: Source, reading: Reading, objects: ObjectStore, *, at: datetime) -> Content:
    """Put the good rows of what was read to their address; `at` is now. Raises RecordNotFound."""
    if not reading.bad:
        fresh.keep_copy(objects, source.key, reading.sha256, version_id=source.version_id, at=at)
        return Content(reading.sha256, source.size, reading.form)
    return store_without(source, reading.form, reading.evidence.bad_lines(), objects, at=at)


def store_without(source: Source, form: Format, lines: Lines, objects: ObjectStore, *, at: datetime) -> Content:
    """Put what is left without the rows that begin on these lines to its address. Raises RecordNotFound."""

    def left() -> Iterator[bytes]:
        place = {"version_id": source.version_id, "size": source.size, "form": form}
        return kept_rows(objects, source.key, **place, bad_lines=lines)  # type: ignore[arg-type]

    return _made(left, _as_written(form), objects, at)


def store_masked(
    source: Source, reading: Reading, scanner: Scanner, objects: ObjectStore, *, at: datetime
) -> Content:
    """Put the good rows to their address with the personal data that `scanner` found masked."""
    kinds, bad = reading.kinds, reading.evidence.bad_lines()

    def mask() -> Iterator[bytes]:
        place = {"version_id": source.version_id, "size": source.size, "form": reading.form}
        with open_file(objects, source.key, kinds=kinds, rules=frozenset(kinds), **place) as file:  # type: ignore[arg-type]
            yield from written(masked(file.blocks, bad, scanner), reading.form)

    return _made(mask, _as_written(reading.form), objects, at)


def _as_written(form: Format) -> Format:
    """The format of what we write ourselves: text in UTF-8."""
    return Format(form.kind, form.compression, delimiter=form.delimiter)


def _made(make: Callable[[], Iterator[bytes]], form: Format, objects: ObjectStore, at: datetime) -> Content:
    size, sha256 = fresh.keep_stream(objects, make, at=at)
    return Content(sha256, size, form)
