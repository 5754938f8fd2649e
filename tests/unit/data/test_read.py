"""Reading CSV: types, missing cells, byte-order marks, lines; whole dataset versions."""

import hashlib
import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tidemill import names
from tidemill.data import read
from tidemill.data.manifests import File, Manifest
from tidemill.errors import ProjectInvalid
from tidemill.projects import Column, Kind

COLUMNS = {
    "n": Column(type=Kind.NUMBER, nullable=True),
    "i": Column(type=Kind.INTEGER, nullable=True),
    "c": Column(type=Kind.CATEGORY, nullable=True),
    "t": Column(type=Kind.TIMESTAMP, nullable=True),
}


def test_each_kind_has_its_type_and_its_missing_value() -> None:
    body = b"t,n,i,c,extra\n2026-01-02T03:04:05+01:00,1.5,2,007,x\nNA,,null,NA,y\n2026-01-02,-1e3,-2, a ,z\n"
    frame = read.read_csv(body, COLUMNS)
    assert list(frame) == ["n", "i", "c", "t"]
    assert [str(kind) for kind in frame.dtypes] == ["float64", "float64", "object", "datetime64[us, UTC]"]
    np.testing.assert_array_equal(frame["n"], [1.5, math.nan, -1000])
    np.testing.assert_array_equal(frame["i"], [2, math.nan, -2])
    assert frame["c"].tolist() == ["007", None, " a "]
    assert frame["t"].tolist() == [
        pd.Timestamp("2026-01-02T02:04:05", tz="UTC"),
        pd.NaT,
        pd.Timestamp("2026-01-02", tz="UTC"),
    ]


def test_a_column_without_any_value_keeps_its_type() -> None:
    frame = read.read_csv(b"n,i,c,t\n,,,\n,,,\n", COLUMNS)
    assert [str(kind) for kind in frame.dtypes] == ["float64", "float64", "object", "datetime64[us, UTC]"]
    assert frame.isna().all(axis=None)
    assert frame["c"].tolist() == [None, None]


@pytest.mark.parametrize("text", ["abc", "1_000", "1,5", "0x10", "inf", "-Infinity", "1e400", "True", "1 2"])
def test_what_is_no_finite_number_is_unreadable(text: str) -> None:
    column = pd.Series([text, "1"], dtype=object)
    values = read.typed(column, Kind.NUMBER)
    assert read.unreadable(column, values).tolist() == [True, False]


def test_a_fraction_is_no_integer_and_a_wrong_day_no_timestamp() -> None:
    numbers = pd.Series(["1.5", "2.0", "3"], dtype=object)
    assert read.unreadable(numbers, read.typed(numbers, Kind.INTEGER)).tolist() == [True, False, False]
    times = pd.Series(["2026-02-30", "31/12/2026", "2026-12-31 23:59:59"], dtype=object)
    assert read.unreadable(times, read.typed(times, Kind.TIMESTAMP)).tolist() == [True, True, False]


def test_a_byte_order_mark_quotes_and_crlf_are_read_through() -> None:
    body = '\ufeffn,c\r\n1,"a, ""b""\r\nc"\r\n\r\n2,d\r\n'.encode()
    assert (read.header(body), read.count_rows(body)) == (["n", "c"], 2)
    frame = read.read_text(body, ["n", "c"])
    assert frame["c"].tolist() == ['a, "b"\r\nc', "d"]
    assert read.lines_of(body, [0, 1]) == [3, 5]


def test_rules_that_changed_after_the_upload_are_named() -> None:
    with pytest.raises(ProjectInvalid, match=r"file 'a\.csv' has no column 'i'"):
        read.read_csv(b"n,c,t\n1,a,2026-01-01\n", COLUMNS, source="file 'a.csv'")
    with pytest.raises(ProjectInvalid, match="'n' is not of type number"):
        read.read_csv(b"n,i,c,t\nx,1,a,2026-01-01\n", COLUMNS)


def test_a_dataset_version_is_read_in_the_order_of_its_files(shore: Any) -> None:
    for file, number in (("b.csv", 2), ("a.csv", 1)):
        answer = shore.walk(shore.upload(file, shore.good(number)))
    fact = json.loads(shore.objects.get(names.dataset("tides", answer["dataset_version"])))
    manifest = Manifest.model_validate(fact)
    frame = read.read_dataset(shore.objects, manifest, shore.project)
    assert frame["level"].iloc[[0, 20]].tolist() == [0.01, 0.02]
    assert (len(frame), frame.index.is_unique) == (40, True)
    pd.testing.assert_frame_equal(read.read_dataset(shore.objects, fact, shore.project), frame)
    only_b = read.read_dataset(shore.objects, manifest, shore.project, skip=[manifest.files[0].sha256])
    assert only_b["level"].iloc[0] == 0.02


def test_a_content_is_the_digest_of_what_the_contract_says() -> None:
    files = [File(path=path, size=1, sha256="0" * 64, rows=9) for path in ("b", "a")]
    manifest = Manifest.of("tides", files)
    text = '{"files":[' + ",".join(f'{{"path":"{p}","sha256":"{"0" * 64}","size":1}}' for p in "ab")
    text += '],"project":"tides"}'

    assert manifest.content == hashlib.sha256(text.encode()).hexdigest()
