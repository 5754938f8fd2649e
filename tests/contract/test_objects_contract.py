"""ObjectStore, as its docstrings promise, on every adapter."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tidemill.adapters import multipart
from tidemill.adapters import objects as objects_module
from tidemill.errors import ObjectKept, RecordNotFound
from tidemill.ports import ObjectStore


def test_what_was_put_is_got(objects: ObjectStore) -> None:
    objects.put("a/b", b"\0\xff one", content_type="application/json")
    assert objects.get("a/b") == b"\0\xff one"
    objects.put("a/b", b"two")
    assert objects.get("a/b") == b"two"


def test_a_missing_key_is_named(objects: ObjectStore) -> None:
    assert not objects.exists("nowhere")
    with pytest.raises(RecordNotFound, match="nowhere"):
        objects.get("nowhere")


def test_a_fact_is_written_once(objects: ObjectStore) -> None:
    assert objects.put_new("fact", b"one") is True
    assert objects.put_new("fact", b"two") is False
    assert (objects.get("fact"), objects.exists("fact")) == (b"one", True)


def test_a_version_stays_readable_when_the_key_is_overwritten(bucket: Any) -> None:
    one = bucket.write("incoming/tides/a.csv", b"one")
    two = bucket.write("incoming/tides/a.csv", b"two")
    assert [bucket.objects.get("incoming/tides/a.csv", version_id=v) for v in (one, two)] == [b"one", b"two"]
    assert bucket.objects.get("incoming/tides/a.csv") == b"two"


def test_a_version_that_is_gone_is_not_found(bucket: Any) -> None:
    version = bucket.write("incoming/tides/a.csv", b"one")
    bucket.remove("incoming/tides/a.csv")
    with pytest.raises(RecordNotFound):
        bucket.objects.get("incoming/tides/a.csv", version_id=version)
    with pytest.raises(RecordNotFound):
        bucket.objects.copy_new("incoming/tides/a.csv", "copy", version_id=version)
    assert not bucket.objects.exists("copy")


def test_a_copy_is_of_the_version_asked_for_and_made_once(bucket: Any) -> None:
    one = bucket.write("source", b"one")
    two = bucket.write("source", b"two")
    assert bucket.objects.copy_new("source", "copy", version_id=one) is True
    assert bucket.objects.copy_new("source", "copy", version_id=two) is False
    assert bucket.objects.copy_new("source", "current") is True
    assert (bucket.objects.get("copy"), bucket.objects.get("current")) == (b"one", b"two")


def test_a_copy_leaves_tags_behind(bucket: Any) -> None:
    if bucket.client is None:
        pytest.skip("tags are S3's")
    name = bucket.objects.bucket
    bucket.client.put_object(Bucket=name, Key="source", Body=b"one", Tagging="team=harbour")
    bucket.objects.copy_new("source", "copy")
    assert bucket.client.get_object_tagging(Bucket=name, Key="copy")["TagSet"] == []


@pytest.mark.parametrize("key", ["a b+c%20d.csv", "é/日本.csv", "x=1&y=2?z#q.csv", "a//b"])
def test_keys_are_plain_text(bucket: Any, key: str) -> None:
    version = bucket.write(key, b"here")
    assert bucket.objects.get(key, version_id=version) == b"here"
    assert bucket.objects.copy_new(key, "copy", version_id=version)
    assert bucket.objects.get("copy") == b"here"
    assert sorted(bucket.objects.keys("")) == sorted([key, "copy"])


def test_keys_come_in_lexical_order_however_many(objects: ObjectStore) -> None:
    for number in range(1005):
        objects.put(f"many/{(number * 7) % 1005:04d}", b"")
    objects.put("other", b"")
    assert list(objects.keys("many/")) == [f"many/{number:04d}" for number in range(1005)]
    assert list(objects.keys("nothing/")) == []


def test_head_tells_the_size_and_the_version_or_nothing(bucket: Any) -> None:
    one = bucket.write("a", b"one")
    two = bucket.write("a", b"three")
    objects = bucket.objects
    assert (objects.head("a").size, objects.head("a").version_id) == (5, two)
    assert objects.head("a", version_id=one).size == 3
    assert objects.head("a").modified.tzinfo is not None
    assert objects.head("b") is None


def test_stats_list_current_objects_in_order(bucket: Any) -> None:
    for key in ("x/b", "x/a", "x/c/d", "y"):
        bucket.write(key, key.encode())
    bucket.write("x/b", b"again")
    bucket.objects.delete("x/a")
    assert [(key, stat.size) for key, stat in bucket.objects.stats("x/")] == [("x/b", 5), ("x/c/d", 5)]


@pytest.mark.parametrize(
    ("start", "end"), [(0, None), (3, None), (0, 4), (5, 9), (4, 4), (7, 3), (0, 99), (99, None)]
)
def test_a_range_of_an_object_is_what_slicing_gives(bucket: Any, start: int, end: int | None) -> None:
    body = b"0123456789"
    version = bucket.write("a", body)
    bucket.write("a", b"other")
    assert b"".join(bucket.objects.chunks("a", version_id=version, start=start, end=end)) == body[start:end]


def test_an_empty_object_has_no_chunks(bucket: Any) -> None:
    bucket.write("a", b"")
    assert b"".join(bucket.objects.chunks("a")) == b""


def test_chunks_of_what_is_not_there_raise(objects: ObjectStore) -> None:
    with pytest.raises(RecordNotFound, match="nowhere"):
        next(objects.chunks("nowhere"))


@pytest.mark.parametrize("sizes", [[], [0], [3], [5, 0, 7], [9 << 20, 1 << 20, 12 << 20, 1], [1 << 20] * 20])
def test_a_stream_is_written_whole(objects: ObjectStore, sizes: list[int]) -> None:
    pieces = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    objects.put_chunks("streamed", iter(pieces))
    assert objects.get("streamed") == b"".join(pieces)


@pytest.mark.parametrize("size", [3, 30 << 20])
def test_a_stream_that_breaks_leaves_nothing(objects: ObjectStore, size: int) -> None:
    def breaking() -> Iterator[bytes]:
        for _ in range(2):
            yield bytes(size // 2)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        objects.put_chunks("streamed", breaking())
    assert not objects.exists("streamed")


def test_one_version_is_deleted_and_the_others_stay(bucket: Any) -> None:
    one, two, three = (bucket.write("a", body) for body in (b"one", b"two", b"three"))
    bucket.objects.delete("a", version_id=two)
    bucket.objects.delete("a", version_id=two)
    assert bucket.objects.get("a") == b"three"
    with pytest.raises(RecordNotFound):
        bucket.objects.get("a", version_id=two)
    bucket.objects.delete("a", version_id=three)
    assert bucket.objects.get("a", version_id=one) == b"one"


def test_all_versions_are_deleted_and_the_key_is_free(bucket: Any) -> None:
    old = bucket.write("a", b"one")
    bucket.write("a", b"two")
    bucket.write("ab", b"other")
    bucket.objects.delete("a")
    bucket.objects.delete("a")
    assert (bucket.objects.exists("a"), bucket.objects.head("a")) == (False, None)
    with pytest.raises(RecordNotFound):
        bucket.objects.get("a", version_id=old)
    assert list(bucket.objects.keys("a")) == ["ab"]
    assert bucket.objects.put_new("a", b"new") is True
    assert bucket.objects.get("a") == b"new"


def test_what_is_too_large_for_one_call_is_copied_in_parts(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects_module, "COPIED_AT_ONCE", 6 << 20)
    monkeypatch.setattr(multipart, "COPY_PART", 5 << 20)
    body = bytes(range(256)) * (12 << 12)
    version = bucket.write("source", body)
    assert bucket.objects.copy_new("source", "copy", version_id=version) is True
    assert bucket.objects.get("copy") == body


def test_what_a_lock_keeps_is_told_with_its_end(bucket: Any) -> None:
    if bucket.client is None:
        pytest.skip("nothing in memory is under a lock")
    name, until = f"{bucket.objects.bucket}-locked", datetime(2099, 1, 1, tzinfo=UTC)
    place = {"CreateBucketConfiguration": {"LocationConstraint": bucket.client.meta.region_name}}
    bucket.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True, **place)
    lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
    bucket.client.put_object(Bucket=name, Key="kept", Body=b"one", **lock)
    store = objects_module.S3Objects(bucket.client, name)
    with pytest.raises(ObjectKept, match="until 2099-01-01") as refusal:
        store.delete("kept")
    assert (refusal.value.key, refusal.value.until) == ("kept", until)
    assert store.get("kept") == b"one"


def test_pruning_leaves_the_current_version_alone(bucket: Any) -> None:
    one, two = bucket.write("key", b"one"), bucket.write("key", b"two")
    bucket.write("key.more", b"more")
    bucket.write("key", b"three")
    for _ in range(2):
        bucket.objects.prune("key")
        assert bucket.objects.get("key") == b"three"
        assert [bucket.objects.head("key", version_id=version) for version in (one, two)] == [None, None]
    bucket.objects.prune("nothing")
    assert bucket.objects.get("key.more") == b"more"
