"""From rows to arrays and bytes."""

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tidemill import canonical, names
from tidemill.adapters.memory import MemoryObjects
from tidemill.data.manifests import File, Manifest
from tidemill.data.read import read_dataset
from tidemill.errors import ArtifactCorrupt, RunFailed
from tidemill.training.prepare import dump, load, prepare, shuffled


def read(frame: pd.DataFrame, project) -> pd.DataFrame:
    """The frame as the data stage gives it."""
    objects, body = MemoryObjects(), frame.to_csv(index=False).encode()
    sha256 = canonical.sha256(body)
    objects.put(names.content(sha256), body)
    file = File(path="a.csv", size=len(body), sha256=sha256, rows=len(frame))
    return read_dataset(objects, Manifest.of(project.name, [file]), project)


def test_numbers_become_float32_categories_text_and_what_is_missing_nan_or_empty(mill) -> None:
    frame = read(mill.rows(50), mill.project)
    parts = prepare(frame, mill.project).parts
    train = parts["train"]
    assert list(train) == ["level", "gates", "wind", "harbour", "full"]
    assert [train[name].dtype.kind + str(train[name].itemsize) for name in ("level", "gates", "full")] == [
        "f4",
        "f4",
        "f8",
    ]
    assert train["wind"].dtype.kind == "U"
    level = np.concatenate([arrays["level"] for arrays in parts.values()])
    wind = np.concatenate([arrays["wind"] for arrays in parts.values()])
    assert np.isnan(level).sum() == frame["level"].isna().sum() > 0
    assert (wind == "").sum() == frame["wind"].isna().sum() > 0
    assert set(wind) == {"", "N", "E", "S", "W"}


def test_the_latest_rows_are_held_out_whatever_the_order_of_the_file(mill) -> None:
    frame = read(mill.rows(50), mill.project)
    in_order = prepare(frame, mill.project)
    shaken = prepare(frame.sample(frac=1, random_state=1).reset_index(drop=True), mill.project)
    assert in_order.rows == shaken.rows == {"train": 30, "validation": 10, "holdout": 10}
    assert (
        in_order.cuts
        == shaken.cuts
        == {
            "validation": "2026-01-02 06:00:00+00:00",
            "holdout": "2026-01-02 16:00:00+00:00",
        }
    )
    for part, arrays in in_order.parts.items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, shaken.parts[part][name])


def test_rows_without_target_or_time_are_dropped_and_counted(mill) -> None:
    frame = read(mill.rows(50), mill.project)
    frame.loc[:3, "full"] = np.nan
    frame.loc[10:11, "at"] = pd.NaT
    prepared = prepare(frame, mill.project)
    assert prepared.dropped == {"no_target": 4, "no_time": 2}
    assert sum(prepared.rows.values()) == 44


def test_without_a_time_column_the_order_of_the_rows_does_not_matter(new_mill) -> None:
    mill = new_mill(time=None)
    frame = read(mill.rows(60), mill.project)
    one = prepare(frame, mill.project)
    other = prepare(frame.sample(frac=1, random_state=1).reset_index(drop=True), mill.project)
    assert one.cuts == {}
    for part, arrays in one.parts.items():
        np.testing.assert_array_equal(arrays["level"], other.parts[part]["level"])
    in_file_order = frame["level"].to_numpy(np.float32)[:36]
    assert not np.array_equal(one.parts["train"]["level"], in_file_order, equal_nan=True)


def test_equal_rows_never_are_on_two_sides_of_a_cut(new_mill) -> None:
    mill = new_mill(time=None)
    frame = read(pd.concat([mill.rows(40)] * 3, ignore_index=True), mill.project)
    parts = prepare(frame, mill.project).parts
    rows = {
        part: {tuple(map(str, row)) for row in zip(*arrays.values(), strict=True)}
        for part, arrays in parts.items()
    }
    assert not rows["train"] & rows["holdout"]
    assert not rows["train"] & rows["validation"]
    assert not rows["validation"] & rows["holdout"]


@pytest.mark.parametrize(("value", "words"), [(2.0, "needs 0 and 1"), (0.5, "needs 0 and 1")])
def test_a_class_that_is_not_0_or_1_is_refused(mill, value: float, words: str) -> None:
    frame = read(mill.rows(50), mill.project)
    frame.loc[40, "full"] = value
    with pytest.raises(RunFailed, match=words):
        prepare(frame, mill.project)


def test_one_class_alone_cannot_be_learnt(mill) -> None:
    frame = read(mill.rows(50), mill.project)
    frame.loc[:35, "full"] = 1.0
    with pytest.raises(RunFailed, match="both classes"):
        prepare(frame, mill.project)


def test_named_classes_become_their_places_in_the_project_file(new_mill) -> None:
    mill = new_mill.named()
    frame = read(mill.rows(60, task="named"), mill.project)
    parts = prepare(frame, mill.project).parts
    names = np.asarray(mill.project.classes)
    told = np.concatenate([names[arrays["full"].astype(int)] for arrays in parts.values()])
    assert parts["train"]["full"].dtype == np.float64
    assert told.tolist() == frame["full"].tolist()


def test_a_class_that_nobody_named_is_told(new_mill) -> None:
    mill = new_mill.named()
    frame = read(mill.rows(60, task="named"), mill.project)
    frame.loc[[3, 50], "full"] = "king tide"
    with pytest.raises(RunFailed, match=r"'king tide' \(2 rows\); add them to `columns.full.allowed`"):
        prepare(frame, mill.project)


def test_a_class_that_is_missing_where_models_are_fitted_is_told(new_mill) -> None:
    mill = new_mill.named()
    frame = read(mill.rows(60, task="named"), mill.project)
    frame.loc[:35, "full"] = "neap"
    with pytest.raises(RunFailed, match=r"never one of \['mean', 'spring'\] in the training part"):
        prepare(frame, mill.project)


def test_shuffled_labels_are_the_same_labels_elsewhere(mill) -> None:
    train = prepare(read(mill.rows(200), mill.project), mill.project).parts["train"]
    spoilt = shuffled(train, "full", 5)
    assert sorted(spoilt["full"]) == sorted(train["full"])
    assert not np.array_equal(spoilt["full"], train["full"])
    np.testing.assert_array_equal(spoilt["full"], shuffled(train, "full", 5)["full"])
    np.testing.assert_array_equal(spoilt["level"], train["level"])


arrays = hnp.arrays(np.float32, st.integers(0, 20), elements=st.floats(width=32)) | st.lists(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=20
).map(lambda values: np.array(values, dtype=np.str_))


@given(st.dictionaries(st.from_regex(r"[a-z][a-z _/]{0,8}", fullmatch=True), arrays, max_size=4))
def test_arrays_come_back_as_they_were_from_equal_bytes(values: dict[str, np.ndarray]) -> None:
    body = dump(values)
    assert dump(values) == body
    found = load(body)
    assert list(found) == list(values)
    for name, array in values.items():
        np.testing.assert_array_equal(found[name], array)


def test_a_column_may_be_called_as_an_argument_of_numpy() -> None:
    assert load(dump({"file": np.arange(3)}))["file"].tolist() == [0, 1, 2]


def test_objects_are_neither_written_nor_read() -> None:
    objects = np.array([{"a": 1}, None], dtype=object)
    with pytest.raises(ValueError, match="allow_pickle"):
        dump({"a": objects})
    pickled = io.BytesIO()
    np.savez(pickled, a=objects)
    with pytest.raises(ArtifactCorrupt):
        load(pickled.getvalue())


@pytest.mark.parametrize("body", [b"", b"not a zip", b"PK\x03\x04 broken"])
def test_what_is_not_an_archive_is_corrupt(body: bytes) -> None:
    with pytest.raises(ArtifactCorrupt):
        load(body)
