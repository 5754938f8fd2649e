"""ObjectStore, as its docstrings promise, on every adapter."""

from typing import Any

import pytest

from tidemill.errors import RecordNotFound
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
        pytest.skip("objects in memory have no tags")
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
