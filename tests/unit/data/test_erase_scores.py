"""A subject is erased from what was scored of it: rows of the output, and the files that were sent."""

import io
import itertools
import json
from datetime import UTC, datetime
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.unit.data.test_erase import HEADER, body, erased, mill_shore, require_nowhere
from tests.unit.serving.harbour import Killed
from tidemill import canonical, names
from tidemill.errors import ObjectKept
from tidemill.serving import scored_rows, scoring
from tidemill.serving.scoring import Input, Place

DOCUMENT = {"task": "classification", "features": []}
ELING = 3
"""Its rows in a file of `body`."""


@pytest.fixture
def mills(new_shore: Any) -> Any:
    return mill_shore(new_shore)


def scored(
    shore: Any, name: str, content: bytes, *, keep: tuple[str, ...] = (), ended: bool = True, key: str = ""
) -> Place:
    """A scoring of that file in two parts, as the serving machine leaves it."""
    place, key = Place("tides", f"score-{name}"), key or scoring.unscored("tides", f"{name}/june.csv")
    if not shore.objects.exists(key):
        shore.objects.put(key, content)
    version = shore.objects.head(key).version_id
    file = Input("june.csv", key, version, len(content), canonical.sha256(content))
    shore.objects.put(place.request, canonical.dumps({"files": [file.as_json()], "keep": list(keep), "model": 1}))
    rows = [line.split(",") for line in content.decode().splitlines()][1:]
    columns = scored_rows.schema(DOCUMENT, keep)
    for part, lines in enumerate((range(20), range(20, len(rows))), start=1):
        kept = [tuple(rows[n][HEADER.split(",").index(each)] for each in keep) for n in lines]
        told = [
            scored_rows.Row(n + 2, {"prediction": 1, "probability": 0.5}, None, cells)
            for n, cells in zip(lines, kept, strict=True)
        ]
        ids = [f"{place.scoring_id}.{part}.{n}" for n in range(len(told))]
        sink = io.BytesIO()
        with pq.ParquetWriter(sink, columns) as writer:
            writer.write_batch(scored_rows.batch(told, columns, keep, ids=ids, file="june.csv", version=1))
            writer.add_key_value_metadata({"rows_read": str(len(told))})
        output = sink.getvalue()
        shore.objects.put(place.output(part), output)
        report = {"part": part, "read": len(told), "rows": len(told), "sha256": canonical.sha256(output)}
        shore.objects.put(place.report(part), canonical.dumps({**report, "bytes": len(output)}))
    if ended:
        shore.objects.put(place.result, canonical.dumps({"rows": len(rows)}))
    return place


def rows(shore: Any, place: Place) -> list[dict[str, Any]]:
    return [
        row
        for key in shore.objects.keys(place.outputs)
        for row in pq.read_table(io.BytesIO(shore.objects.get(key))).to_pylist()
    ]


def require_whole(shore: Any, place: Place) -> None:
    """Each part can be fetched by its report, and has no older version."""
    for part, key in enumerate(shore.objects.keys(place.outputs), start=1):
        report = json.loads(shore.objects.get(place.report(part)))
        stored = scoring.verified(shore.objects, key, report["sha256"])
        assert (report["bytes"], report["rows"]) == (len(stored), pq.read_metadata(io.BytesIO(stored)).num_rows)
        assert sum(version is not None for version in shore.objects.versions[key]) == 1


def test_rows_are_known_by_the_lines_of_the_input_that_are_the_subjects(mills: Any) -> None:
    place = scored(mills, "a", body(mills, 1, ELING))
    other = scored(mills, "b", body(mills, 2))
    (erasure,) = erased(mills)["erasures"]
    assert (erasure["scorings"], erasure["kept"]) == ({place.scoring_id: ELING}, {})
    assert [row["line"] for row in rows(mills, place)] == list(range(2 + ELING, 42))
    assert len(rows(mills, other)) == 40
    assert not mills.objects.exists(scoring.unscored("tides", "a/june.csv"))
    assert mills.objects.exists(scoring.unscored("tides", "b/june.csv"))
    for each in (place, other):
        require_whole(mills, each)
    assert json.loads(mills.objects.get(place.report(1)))["erased"] == ELING
    require_nowhere(mills)
    assert erased(mills, salt="6b" * 16)["erasures"] == []


def test_rows_are_known_by_the_column_that_the_output_repeats(mills: Any) -> None:
    content = body(mills, 1, ELING)
    place = scored(mills, "a", content, keep=("mill",))
    mills.objects.delete(scoring.unscored("tides", "a/june.csv"))
    (erasure,) = erased(mills)["erasures"]
    assert (erasure["scorings"], erasure["unsearched"]) == ({place.scoring_id: ELING}, [])
    assert len(rows(mills, place)) == 40 - ELING
    require_whole(mills, place)
    require_nowhere(mills)


def test_a_scoring_whose_input_has_expired_cannot_be_searched_and_that_is_told(mills: Any) -> None:
    place = scored(mills, "a", body(mills, 1, ELING))
    mills.objects.delete(scoring.unscored("tides", "a/june.csv"))
    scored(mills, "b", body(mills, 2, ELING))
    (erasure,) = erased(mills)["erasures"]
    assert erasure["unsearched"] == [place.scoring_id] and len(rows(mills, place)) == 40
    outcome = json.loads(mills.objects.get(names.erasure_part("tides", erasure["id"], "outcome")))
    assert outcome["unsearched"] == [place.scoring_id]


def test_rows_of_an_upload_that_was_scored_where_it_lies_go_before_the_upload_does(mills: Any) -> None:
    content = body(mills, 1, ELING)
    mills.objects.put(names.incoming("tides", "june.csv"), content)
    place = scored(mills, "a", content, key=names.incoming("tides", "june.csv"))
    mills.walk(mills.upload("june.csv", content))
    (erasure,) = erased(mills)["erasures"]
    assert erasure["scorings"] == {place.scoring_id: ELING} and erasure["versions"]
    assert len(rows(mills, place)) == 40 - ELING


def test_a_scoring_that_has_not_ended_is_kept_until_it_has(mills: Any) -> None:
    place = scored(mills, "a", body(mills, 1, ELING), ended=False)
    (erasure,) = erased(mills)["erasures"]
    assert list(erasure["kept"]) == [place.folder] and "--run score-a" in erasure["kept"][place.folder]
    assert len(rows(mills, place)) == 40
    mills.objects.put(place.result, b"{}")
    (again,) = erased(mills, salt="6b" * 16)["erasures"]
    assert (again["id"], again["kept"]) == (erasure["id"], {})
    require_nowhere(mills)


def test_a_dry_run_tells_how_many_rows_and_changes_nothing(mills: Any) -> None:
    place = scored(mills, "a", body(mills, 1, ELING))
    before = dict(mills.objects.versions)
    assert erased(mills, dry_run=True)["found"]["scorings"] == {place.scoring_id: ELING}
    assert mills.objects.versions == before


def test_what_a_lock_keeps_is_told(mills: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    place = scored(mills, "a", body(mills, 1, ELING))
    until = datetime(2027, 1, 1, tzinfo=UTC)

    def locked(key: str, **_: Any) -> None:
        raise ObjectKept(key, until, "it is locked")

    for name in ("prune", "delete"):
        monkeypatch.setattr(mills.objects, name, locked)
    (erasure,) = erased(mills)["erasures"]
    told = f"until {until.isoformat()}"
    assert erasure["kept"][place.output(1)] == erasure["kept"][scoring.unscored("tides", "a/june.csv")] == told


def test_an_erasure_that_is_killed_anywhere_is_gone_on_with(new_shore: Any) -> None:
    for moment in itertools.count(0, 3):
        shore = mill_shore(new_shore)
        place = scored(shore, "a", body(shore, 1, ELING), keep=("mill",))
        left = iter(range(moment, -1, -1))

        def die(left: Any = left) -> None:
            if next(left, None) == 0:
                raise Killed

        try:
            erased(shore, watch=die)
            break
        except Killed:
            erased(shore, salt="6b" * 16)
        assert len(rows(shore, place)) == 40 - ELING
        require_whole(shore, place)
        require_nowhere(shore)
    assert moment > 30


def test_an_input_that_is_no_table_any_more_does_not_stop_an_erasure(mills: Any) -> None:
    broken = scored(mills, "a", body(mills, 1, ELING))
    request = json.loads(mills.objects.get(broken.request))
    mills.objects.put(request["files"][0]["key"], b"\x00\x01\x02" * 100)
    request["files"][0] |= {"version_id": "2", "size": 300}
    mills.objects.put(broken.request, canonical.dumps(request))
    place = scored(mills, "b", body(mills, 2, ELING))
    (erasure,) = erased(mills)["erasures"]
    assert (erasure["scorings"], erasure["unsearched"]) == ({place.scoring_id: ELING}, [broken.scoring_id])


def test_a_part_of_which_nothing_is_left_is_an_empty_part(mills: Any) -> None:
    place = scored(mills, "a", body(mills, 1, 25))
    erased(mills)
    assert len(rows(mills, place)) == 15
    require_whole(mills, place)
