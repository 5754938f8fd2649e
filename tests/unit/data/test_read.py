"""Whole dataset versions as data frames: types, missing cells, the order of files, every format."""

import gzip
import io
import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tidemill import names
from tidemill.data import read
from tidemill.data.manifests import Manifest
from tidemill.errors import ProjectInvalid

HEADER = "at,level,gates,wind,full"


def fact(shore: Any, version: int = 1) -> dict[str, Any]:
    return json.loads(shore.objects.get(names.dataset("tides", version)))


def test_each_kind_has_its_type_and_its_missing_value(new_shore: Any) -> None:
    columns = {**new_shore().project.model_dump()["columns"], "wind": {"type": "category", "nullable": True}}
    shore = new_shore(columns=columns)
    lines = ["2026-01-02T03:04:05+01:00,NA,2,007,1", "2026-01-02,-1e0,-0,,0", *shore.lines()]
    lines[1] = "2026-01-02,-1e0,3, a ,0"
    lines.append("2026-01-03,1.5,3,null,0")
    shore.walk(shore.upload("a.csv", shore.csv(lines)))
    frame = read.read_dataset(shore.objects, fact(shore), shore.project)
    assert list(frame) == HEADER.split(",")
    assert [str(kind) for kind in frame.dtypes] == [
        "datetime64[us, UTC]", "float64", "float64", "object", "float64"
    ]  # fmt: skip
    np.testing.assert_array_equal(frame["level"].iloc[[0, 1, -1]], [math.nan, -1.0, 1.5])
    assert frame["wind"].iloc[[0, 1, -1]].tolist() == ["007", " a ", None]
    assert frame["at"].iloc[:2].tolist() == [
        pd.Timestamp("2026-01-02T02:04:05", tz="UTC"),
        pd.Timestamp("2026-01-02", tz="UTC"),
    ]


def test_rules_that_changed_after_the_upload_are_named(new_shore: Any) -> None:
    shore = new_shore()
    shore.walk(shore.upload("a.csv", shore.good()))
    columns = shore.project.model_dump()["columns"]
    more = new_shore(columns={**columns, "salt": {"type": "number"}}).project
    with pytest.raises(ProjectInvalid, match=r"file 'a\.csv' has no column 'salt'"):
        read.read_dataset(shore.objects, fact(shore), more)
    other = new_shore(columns={**columns, "wind": {"type": "number"}}).project
    with pytest.raises(ProjectInvalid, match="'wind' is not of type number"):
        read.read_dataset(shore.objects, fact(shore), other)


def test_a_nullable_column_may_be_missing_from_older_files(new_shore: Any) -> None:
    shore = new_shore()
    shore.walk(shore.upload("a.csv", shore.good()))
    columns = {**shore.project.model_dump()["columns"], "salt": {"type": "number", "nullable": True}}
    frame = read.read_dataset(shore.objects, fact(shore), new_shore(columns=columns).project)
    assert frame["salt"].isna().all()


def test_a_dataset_version_is_read_in_the_order_of_its_files(shore: Any) -> None:
    for file, number in (("b.csv", 2), ("a.csv", 1)):
        shore.walk(shore.upload(file, shore.good(number)))
    manifest = Manifest.model_validate(fact(shore, 2))
    frame = read.read_dataset(shore.objects, manifest, shore.project)
    assert frame["level"].iloc[[0, 20]].tolist() == [0.01, 0.02]
    assert (len(frame), frame.index.is_unique) == (40, True)


def table(shore: Any, number: int) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(shore.good(number)))


def as_parquet(shore: Any, number: int) -> bytes:
    buffer = io.BytesIO()
    frame = table(shore, number)
    frame.assign(at=pd.to_datetime(frame["at"])).to_parquet(buffer)
    return buffer.getvalue()


FORMS = {
    "plain.csv": lambda shore, number: shore.good(number),
    "semicolons.csv": lambda shore, number: shore.good(number).replace(b",", b";"),
    "wide.csv": lambda shore, number: shore.good(number).decode().encode("utf-16"),
    "packed.csv.gz": lambda shore, number: gzip.compress(shore.good(number)),
    "rows.jsonl": lambda shore, number: table(shore, number).to_json(orient="records", lines=True).encode(),
    "rows.parquet": as_parquet,
    "wrong-name.csv": as_parquet,
}


@pytest.mark.parametrize("name", FORMS)
def test_every_format_gives_the_same_rows(new_shore: Any, name: str) -> None:
    shore, plain = new_shore(), new_shore()
    answer = shore.walk(shore.upload(name, FORMS[name](shore, 3)))
    assert answer["outcome"] == "accepted", answer
    plain.walk(plain.upload("a.csv", plain.good(3)))
    frames = [read.read_dataset(each.objects, fact(each), each.project) for each in (shore, plain)]
    pd.testing.assert_frame_equal(*frames)


def test_files_of_all_formats_are_one_version(shore: Any) -> None:
    for number, (name, form) in enumerate(FORMS.items()):
        shore.register(shore.upload(f"may/{name}", form(shore, number)))
    answer = shore.walk(shore.upload("may/_SUCCESS", b""))
    assert (answer["outcome"], fact(shore)["rows"]) == ("accepted", 20 * len(FORMS))
    frame = read.read_dataset(shore.objects, fact(shore), shore.project)
    assert len(frame) == 20 * len(FORMS)
    assert frame["full"].sum() == 10 * len(FORMS)
