"""What nothing reaches goes when it is old enough; what anything reaches stays, also while uploads come in."""

import itertools
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill import canonical, names
from tidemill.adapters.memory import MemoryObjects
from tidemill.data import gc, profiles, reach, take_in, uploads, versions
from tidemill.errors import ObjectKept, RequestInvalid

OLD = datetime(2026, 1, 1, tzinfo=UTC)


class DatedObjects(MemoryObjects):
    """Every write is dated `now`."""

    def __init__(self) -> None:
        super().__init__()
        self.now = OLD

    def put(self, key: str, body: bytes, *, content_type: str = "application/octet-stream") -> None:
        super().put(key, body, content_type=content_type)
        self.modified[key] = self.now


class LockedObjects(DatedObjects):
    """Contents are under a lock."""

    def delete(self, key: str, *, version_id: str | None = None) -> None:
        if key.startswith("objects/"):
            raise ObjectKept(key, OLD + timedelta(days=365), "AccessDenied")
        super().delete(key, version_id=version_id)


@pytest.fixture
def dated(new_shore: Any) -> Callable[..., Any]:
    def make(kind: type[DatedObjects] = DatedObjects, **changes: Any) -> Any:
        shore = new_shore(**changes)
        shore.objects = kind()
        return shore

    return make


def collect(shore: Any, *, watch: Callable[[], None] | None = None, **how: Any) -> dict[str, Any]:
    objects, index = shore.objects, shore.index
    if watch is not None:
        objects, index = shore.watched(watch)
    return gc.collect("tides", objects=objects, index=index, clock=lambda: shore.AT, **how)


def content_of(shore: Any, body: bytes) -> str:
    key = names.content(canonical.sha256(body))
    assert shore.objects.exists(key)
    return key


def superseded(shore: Any) -> str:
    """A history with a file that came too late; the key of its content, which nothing reaches."""
    late, good = shore.upload("a.csv", shore.good(8)), shore.upload("a.csv", shore.good(2))
    shore.walk(good)
    shore.walk(late)
    return content_of(shore, shore.good(8))


def require_whole(shore: Any) -> None:
    """All that any version needs is there."""
    for document in reach.documents(shore.objects, shore.index, "tides").values():
        assert shore.objects.exists(document["profile"])
        for file in versions.files_of(document):
            assert canonical.sha256(shore.objects.get(names.content(file.sha256))) == file.sha256
            profiles.of_upload(shore.objects, "tides", file.upload_id)
    for row in shore.rows(names.UPLOADS):
        if row.get("file") and row["state"] not in uploads.SETTLED:
            assert shore.objects.exists(names.content(row["file"]["sha256"]))


def counts(told: Iterable[dict[str, Any]]) -> dict[str, int]:
    return {row["kind"]: row["count"] for row in told}


def test_what_nothing_reaches_goes_and_the_rest_stays(dated: Any) -> None:
    shore = dated()
    content = superseded(shore)
    shore.objects.put(names.manifest("tides", "f" * 64), b"{}")
    shore.objects.put(names.profile("tides", "f" * 64), b"{}")
    shore.objects.put(take_in.reading_key("tides", "dead"), b"{}")
    shore.objects.put(names.batch("tides", "batch-dead") + "members.json", b"{}")
    size = len(shore.objects.get(content))
    told = collect(shore)
    removed = {row["kind"]: (row["count"], row["bytes"]) for row in told["removed"]}
    assert removed["contents"] == (1, size)
    assert counts(told["removed"]) == {"contents": 1, "manifests": 1, "profiles": 1, "uploads": 2, "batches": 1}
    assert not shore.objects.exists(content)
    require_whole(shore)
    again = collect(shore)
    assert again["removed"] == []
    kept = {(row["kind"], row["why"]): row["count"] for row in again["kept"]}
    assert kept[("contents", "dataset v1 of tides")] == 1
    assert kept[("uploads", "a fact")] == 4


def test_the_keys_of_a_version_and_what_nobody_knows_stay(dated: Any) -> None:
    shore = dated(key=["at", "level"])
    shore.walk(shore.upload("a.csv", shore.good(1)))
    [upload] = shore.rows(names.UPLOADS)
    strange = names.upload("tides", upload["upload_id"]) + "from-the-future.json"
    shore.objects.put(strange, b"{}")
    assert collect(shore)["removed"] == []
    _, keys = take_in.sketch_keys("tides", upload["upload_id"])
    assert shore.objects.exists(keys)
    assert shore.objects.exists(strange)


def test_every_move_of_every_upload_stays(dated: Any) -> None:
    shore = dated()
    superseded(shore)
    shore.walk(shore.upload("bad.csv", b""))
    moves = [key for key in shore.objects.keys("uploads/") if reach.is_move(key.rpartition("/")[2])]
    collect(shore)
    assert all(shore.objects.exists(key) for key in moves)


def test_what_is_young_stays(dated: Any) -> None:
    shore = dated()
    content = superseded(shore)
    shore.objects.modified[content] = shore.AT - timedelta(days=6)
    assert counts(collect(shore)["removed"]).get("contents") is None
    assert collect(shore, older_than=timedelta(days=5))["removed"][0]["kind"] == "contents"
    assert not shore.objects.exists(content)


def test_less_than_a_day_is_refused(dated: Any) -> None:
    with pytest.raises(RequestInvalid, match="less than a day"):
        collect(dated(), older_than=timedelta(hours=23))


def test_a_dry_run_tells_the_same_and_does_nothing(dated: Any) -> None:
    shore = dated()
    superseded(shore)
    before = shore.state()
    dry = collect(shore, dry_run=True)
    assert shore.state() == before
    wet = collect(shore)
    assert {**dry, "dry_run": False} == wet


def test_contents_of_other_projects_stay(dated: Any) -> None:
    shore, other = dated(), dated(name="river")
    content = superseded(shore)
    other.objects, other.index = shore.objects, shore.index
    other.walk(other.upload("a.csv", shore.good(8), project="river"))
    assert reach.projects(shore.objects) == ["river", "tides"]
    collect(shore)
    assert shore.objects.exists(content)


def test_an_upload_whose_fate_is_open_keeps_its_content(dated: Any) -> None:
    shore = dated()
    event = shore.upload("a.csv", shore.good(1))
    shore.register(event)
    shore.register(shore.upload("may/a.csv", shore.good(2)))
    collect(shore)
    for number in (1, 2):
        content_of(shore, shore.good(number))
    assert shore.walk(event)["dataset_version"] == 1
    assert shore.walk(shore.upload("may/_SUCCESS", b""))["dataset_version"] == 2
    require_whole(shore)


def test_a_lost_table_loses_nothing(dated: Any) -> None:
    shore = dated()
    shore.walk(shore.upload("a.csv", shore.good(1)))
    shore.register(shore.upload("b.csv", shore.good(2)))
    shore.index.rows.clear()
    assert collect(shore)["removed"] == []


def test_a_version_whose_fact_is_not_written_yet_counts(dated: Any) -> None:
    for call in itertools.count():
        shore = dated()
        event = shore.upload("a.csv", shore.good(1))
        try:
            shore.walk(event, watch=shore.kill_at(call))
        except shore.Killed:
            collect(shore)
        else:
            break
        shore.objects.now = shore.AT
        shore.walk(event)
        require_whole(shore)
    assert call > 20


def test_what_the_store_keeps_is_told(dated: Any) -> None:
    shore = dated(LockedObjects)
    content = superseded(shore)
    told = collect(shore)
    assert told["refused"] == {content: (OLD + timedelta(days=365)).isoformat()}
    kept = {row["why"]: row["count"] for row in told["kept"] if row["kind"] == "contents"}
    assert kept == {"dataset v1 of tides": 1, "the store keeps it": 1}
    assert shore.objects.exists(content)


def reuse(shore: Any) -> dict[str, Any]:
    """An upload of the very content that nothing reaches any more."""
    superseded(shore)
    shore.objects.now = shore.AT
    return shore.upload("b.csv", shore.good(8))


def accept_old(shore: Any) -> dict[str, Any]:
    """An upload that was registered long ago, and is accepted now."""
    superseded(shore)
    event = shore.upload("b.csv", shore.good(9))
    shore.register(event)
    shore.objects.now = shore.AT
    return event


def fresh(shore: Any) -> dict[str, Any]:
    superseded(shore)
    shore.objects.now = shore.AT
    return shore.upload("b.csv", shore.good(9))


@pytest.mark.parametrize("scenario", [reuse, accept_old, fresh])
def test_an_acceptance_at_every_call_of_a_sweep_keeps_what_it_needs(dated: Any, scenario: Any) -> None:
    for call in itertools.count():
        shore = dated()
        event = scenario(shore)
        left = iter(range(call, -1, -1))

        def announce(left: Any = left, shore: Any = shore, event: Any = event) -> None:
            if next(left, None) == 0:
                shore.walk(event)

        collect(shore, watch=announce)
        if next(left, None) is not None:
            break
        assert len(shore.rows(names.DATASETS)) == 2
        require_whole(shore)
    assert call > 20


@pytest.mark.parametrize("scenario", [reuse, accept_old, fresh])
def test_a_sweep_at_every_call_of_an_acceptance_takes_nothing_that_it_needs(dated: Any, scenario: Any) -> None:
    for call in itertools.count():
        shore = dated()
        event = scenario(shore)
        left = iter(range(call, -1, -1))

        def announce(left: Any = left, shore: Any = shore) -> None:
            if next(left, None) == 0:
                collect(shore)

        shore.walk(event, watch=announce)
        if next(left, None) is not None:
            break
        assert len(shore.rows(names.DATASETS)) == 2
        require_whole(shore)
    assert call > 20


@settings(max_examples=40, deadline=None)
@given(choices=st.lists(st.integers(0, 1), max_size=120), scenario=st.sampled_from([reuse, accept_old, fresh]))
def test_a_sweep_and_an_acceptance_interleaved(new_shore: Any, choices: list[int], scenario: Any) -> None:
    shore = new_shore()
    shore.objects = DatedObjects()
    event = scenario(shore)
    tasks = [lambda watch: collect(shore, watch=watch), lambda watch: shore.walk(event, watch=watch)]
    told, answer = shore.interleave(tasks, choices)
    assert not isinstance(told, Exception), told
    assert not isinstance(answer, Exception), answer
    require_whole(shore)
