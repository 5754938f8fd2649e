"""References: every form, versions and tags as they were at a time, errors that say what comes nearest."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill import names
from tidemill.data import references, tags
from tidemill.data.references import Reference
from tidemill.errors import RecordNotFound, RequestInvalid

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def dated(new_shore: Any) -> Any:
    """Versions 1 to 3, accepted on the 1st, 2nd and 3rd of March 2026 at noon. The tag `train` pointed to 1 from
    the 2nd on, to 2 from the 4th on, was removed on the 5th, and set to 3 on the 6th; `prod` points to 2."""
    shore = new_shore()
    for number in range(1, 4):
        shore.walk(shore.upload(f"{number}.csv", shore.good(number)))
        row = shore.index.rows[names.pk("tides"), names.sk_dataset(number)]
        row["at"] = (shore.AT + (number - 1) * DAY).isoformat()
    for day, tag, version in ((1, "train", 1), (3, "train", 2), (4, "train", 0), (5, "train", 3), (1, "prod", 2)):
        at = shore.AT + day * DAY
        tags.move_tag(
            project="tides", tag=tag, version=version, by="a person",
            objects=shore.objects, index=shore.index, clock=lambda at=at: at,
        )  # fmt: skip
    return shore


def resolve(shore: Any, reference: str) -> int:
    return references.resolve(reference, project="tides", objects=shore.objects, index=shore.index)


@pytest.mark.parametrize(
    ("reference", "version"),
    [
        ("2", 2),
        ("v2", 2),
        ("V2", 2),
        ("v00002", 2),
        (" latest ", 3),
        ("train", 3),
        ("prod", 2),
        ("@2026-03-02T12:00:00Z", 2),
        ("@{2026-03-02T11:59:59}", 1),
        ("2026-03-02", 1),
        ("{2026-03-03}", 2),
        ("@2026-03-02T12:30:00+01:00", 1),
        ("2026-03-02T13:00+01:00", 2),
        ("latest@{2026-03-02T12:00}", 2),
        ("@2999-01-01", 3),
        ("train@{2026-03-02T12:00}", 1),
        ("train@2026-03-04T11:59", 1),
        ("train@2026-03-04T12:00", 2),
        ("train@{2026-03-06T12:00Z}", 3),
    ],
)
def test_what_a_person_writes(dated: Any, reference: str, version: int) -> None:
    assert resolve(dated, reference) == version


@pytest.mark.parametrize("length", [8, 12, 64])
def test_an_identity_prefix(dated: Any, length: int) -> None:
    for row in dated.rows(names.DATASETS):
        assert resolve(dated, row["identity"][:length].upper()) == row["version"]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("9", "no dataset version 9; it has versions 1 to 3"),
        ("0", "no dataset version 0"),
        ("trian", "no tag 'trian'; did you mean 'train'?"),
        ("lates", "did you mean 'latest'"),
        ("zebra", "no tag 'zebra'; its tags: prod, train"),
        ("Ze bra", r"no tag 'Ze bra' \(nor is it a number"),
        ("0000000000", "identity that begins with 0000000000; `tidemill data log tides` lists them"),
        ("@2026-02-01", "had no dataset version at 2026-02-01T00:00:00Z; the first, v1, is of 2026-03-01T12:00"),
        ("train@2026-03-01", "did not exist at 2026-03-01T00:00:00Z; its first move is of 2026-03-02"),
        ("train@2026-03-06", r"was removed at 2026-03-06T00:00:00Z \(at 2026-03-05T12"),
        ("trian@2026-03-06", "did you mean 'train'"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_with_what_comes_nearest(dated: Any, reference: str, message: str) -> None:
    with pytest.raises(RecordNotFound, match=message):
        resolve(dated, reference)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("", "is no version; write a number"),
        ("@", "is no version; write a number"),
        ("@yesterday", "'yesterday' is not a time; write it as 2026-03-01"),
        ("train@", "is not a time"),
        ("2026-13-01", "is not a time"),
        ("3@2026-03-01", "only `latest` and tags move; write 3 without a time"),
        ("@0001-01-01T00:00+14:00", "is not a time"),
    ],
)
def test_what_is_no_reference(dated: Any, reference: str, message: str) -> None:
    with pytest.raises(RequestInvalid, match=message):
        resolve(dated, reference)


def test_a_mistyped_identity_names_the_one_that_is_near(dated: Any) -> None:
    identity = dated.rows(names.DATASETS)[1]["identity"]
    wrong = identity[:11] + ("0" if identity[11] != "0" else "1")
    with pytest.raises(RecordNotFound, match=f"v2 is {identity[:12]}"):
        resolve(dated, wrong)


def test_an_identity_that_begins_two_versions(new_shore: Any) -> None:
    shore = new_shore()
    for number in (1, 2):
        shore.walk(shore.upload(f"{number}.csv", shore.good(number)))
    for number in (1, 2):
        shore.index.rows[names.pk("tides"), names.sk_dataset(number)]["identity"] = "abcdef0123" + str(number) * 54
    with pytest.raises(RecordNotFound, match=r"begins several versions of 'tides' \(v1, v2\); write more of it"):
        resolve(shore, "abcdef01")
    assert resolve(shore, "abcdef01232") == 2


def test_a_removed_tag_says_where_it_was(new_shore: Any) -> None:
    shore = new_shore()
    shore.walk(shore.upload("1.csv", shore.good(1)))
    for version in (1, 0):
        tags.move_tag(
            project="tides", tag="train", version=version, by="a person",
            objects=shore.objects, index=shore.index, clock=lambda: shore.AT,
        )  # fmt: skip
    with pytest.raises(RecordNotFound, match=r"was removed \(it pointed to version 1\).*--history train"):
        resolve(shore, "train")


def test_a_project_without_versions(new_shore: Any) -> None:
    shore = new_shore()
    for reference in ("latest", "1", "@2026-03-01"):
        with pytest.raises(RecordNotFound, match="no dataset version yet; upload one: `tidemill data push tides"):
            resolve(shore, reference)
    with pytest.raises(
        RecordNotFound, match="it has no tags yet; set one with `tidemill data tag tides train latest`"
    ):
        resolve(shore, "train")


def test_a_clock_that_went_back_orders_nothing(dated: Any) -> None:
    """Version 3 was accepted by a machine whose clock was behind: the newest number not later than T is meant."""
    rows = [
        {"version": 1, "at": "2026-03-01"},
        {"version": 2, "at": "2026-03-05"},
        {"version": 3, "at": "2026-03-04"},
    ]
    rows = [{**row, "at": f"{row['at']}T00:00:00+00:00"} for row in rows]
    found = [references.current_at(rows, datetime(2026, 3, day, tzinfo=UTC)) for day in range(1, 7)]
    assert [row["version"] for row in found if row] == [1, 1, 1, 3, 3, 3]
    assert references.current_at(rows, datetime(2026, 2, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("flights", ("flights", "latest")),
        ("flights@", ("flights", "latest")),
        ("flights@3", ("flights", "3")),
        ("flights@train", ("flights", "train")),
        ("flights@2026-03-01", ("flights", "2026-03-01")),
        ("flights@{2026-03-01T12:00}", ("flights", "{2026-03-01T12:00}")),
        ("flights@train@{2026-03-01}", ("flights", "train@{2026-03-01}")),
    ],
)
def test_project_and_reference_written_together(text: str, parts: tuple[str, str]) -> None:
    assert references.split(text) == parts


@given(st.datetimes(timezones=st.sampled_from([UTC]), min_value=datetime(1000, 1, 1)), st.booleans())
def test_every_time_is_read_back(moment: datetime, braces: bool) -> None:
    written = f"{{{moment.isoformat()}}}" if braces else moment.isoformat()
    assert references.parse(written) == references.parse("@" + written) == Reference("latest", moment)
    assert references.parse(f"train@{written}") == Reference("train", moment)


@given(st.text(max_size=30))
def test_anything_else_is_refused_or_read(text: str) -> None:
    try:
        assert references.parse(text).name
    except RequestInvalid as error:
        assert "write" in error.reason
