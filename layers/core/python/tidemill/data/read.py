"""CSV bytes to typed columns: one reading of a file, shared by validation, comparison and training.

Files are comma-separated UTF-8 (a byte-order mark is tolerated) with a header line; quoting follows RFC 4180. A
cell is missing if it is empty or one of NULLS. Kinds become: number and integer float64 (NaN), category object
(str or None), timestamp datetime64[us, UTC] (NaT; ISO 8601, without an offset taken as UTC).
"""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from tidemill import names
from tidemill.data.manifests import Manifest
from tidemill.errors import ProjectInvalid, UploadRejected
from tidemill.ports import ObjectStore
from tidemill.projects import Column, Kind, Project

NULLS = ("", "NA", "NaN", "nan", "null", "NULL")
MAX_BYTES = 100_000_000
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_SHOWN = 80


def header(body: bytes) -> list[str]:
    """The column names of a CSV file, as they stand in the first line that is not empty."""
    return next((record for record in _records(body) if record), [])


def count_rows(body: bytes) -> int:
    """The number of data rows of a CSV file. Raises UploadRejected if it is none: `empty_file`, `not_csv`,
    `duplicate_columns`, `no_rows`, `uneven_rows`."""
    if not body.strip():
        raise UploadRejected("empty_file", "the file is empty; upload a CSV file with a header line and rows")
    if b"\0" in body:
        raise UploadRejected("not_csv", "the file is binary; upload comma-separated text in UTF-8")
    try:
        return _count(body)
    except UnicodeDecodeError as error:
        byte = f"0x{error.object[error.start]:02x}"
        raise UploadRejected("not_csv", f"the file is not UTF-8 text (byte {byte}); save it as UTF-8") from error
    except csv.Error as error:
        raise UploadRejected("not_csv", f"the file is not readable as CSV ({error}); check its quotes") from error


def read_text(body: bytes, columns: Iterable[str]) -> pd.DataFrame:
    """Those of `columns` that the file has, every cell as the text that stands there (dtype object)."""
    wanted = set(columns)
    return pd.read_csv(
        io.BytesIO(body), usecols=lambda name: name in wanted, dtype=object, na_filter=False, encoding="utf-8-sig"
    )


def typed(text: pd.Series, kind: Kind) -> pd.Series:
    """A column of text as its kind. What is missing or cannot be read is NaN, None or NaT (see `unreadable`)."""
    if kind.numeric:
        numbers = pd.to_numeric(text, errors="coerce").astype("float64")
        usable = np.isfinite(numbers) & ((numbers == np.floor(numbers)) | (kind is Kind.NUMBER))
        return numbers.where(usable)
    if kind is Kind.TIMESTAMP:
        present = text.where(~missing(text), None)
        return pd.to_datetime(present, errors="coerce", utc=True, format="ISO8601").dt.as_unit("us")
    return text.where(~missing(text), None)


def missing(text: pd.Series) -> pd.Series:
    """Which cells hold nothing."""
    return text.isin(NULLS)


def unreadable(text: pd.Series, values: pd.Series) -> pd.Series:
    """Which cells hold something that is not of the kind of `values`."""
    return values.isna() & ~missing(text)


def read_csv(body: bytes, columns: Mapping[str, Column], *, source: str = "the file") -> pd.DataFrame:
    """The file's columns that have a rule, typed, in the order of the rules. Raises ProjectInvalid if one is not
    there or not of its type: the file was accepted under other rules than the present ones."""
    text = read_text(body, columns)
    frame = {}
    for name, column in columns.items():
        if name not in text:
            raise ProjectInvalid(f"{source} has no column {name!r}; take its rule out or upload the file with it")
        frame[name] = typed(text[name], column.type)
        if unreadable(text[name], frame[name]).any():
            raise ProjectInvalid(f"{source}: column {name!r} is not of type {column.type}; change its rule back")
    return pd.DataFrame(frame)


def read_dataset(
    objects: ObjectStore, manifest: Manifest | Mapping[str, Any], project: Project, *, skip: Iterable[str] = ()
) -> pd.DataFrame:
    """All rows of a dataset version in the order of its files, with the columns that the project file has rules
    for. `manifest` is a Manifest or its JSON object; files whose digests are in `skip` are left out."""
    left_out = set(skip)
    frames = [
        read_csv(objects.get(names.content(file.sha256)), project.columns, source=f"file {file.path!r}")
        for file in Manifest.model_validate(manifest).files
        if file.sha256 not in left_out
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(project.columns))


def lines_of(body: bytes, rows: Iterable[int]) -> list[int]:
    """The line in the file, counted from 1, where each data row (counted from 0) ends."""
    wanted, reader = set(rows), _records(body)
    lines = (reader.line_num for record in reader if record)
    return [line for row, line in enumerate(lines, start=-1) if row in wanted]


def _count(body: bytes) -> int:
    heading: list[str] = []
    rows, reader = 0, _records(body)
    for record in reader:
        if not record:
            continue
        if not heading:
            heading = _checked_header(record)
        elif len(record) != len(heading):
            where = f"line {reader.line_num} has {len(record)} cells, the header has {len(heading)}"
            raise UploadRejected("uneven_rows", f"{where}; check separators and quotes in that line")
        else:
            rows += 1
    if not rows:
        raise UploadRejected("no_rows", "the file has a header and no rows; upload it with its data")
    return rows


def _checked_header(record: list[str]) -> list[str]:
    other = [words for separator, words in _SEPARATORS.items() if len(record) == 1 and separator in record[0]]
    if other:
        raise UploadRejected("not_csv", f"the header seems to be separated by {other[0]}; separate it by commas")
    twice = sorted({name for name in record if record.count(name) > 1})
    if twice:
        shown = ", ".join(repr(name)[:_SHOWN] for name in twice[:5])
        raise UploadRejected(
            "duplicate_columns", f"more than one column is called {shown}; give each its own name"
        )
    return record


def _records(body: bytes) -> Any:
    text = io.TextIOWrapper(io.BytesIO(body), encoding="utf-8-sig", newline="")
    return csv.reader(text, strict=True)
