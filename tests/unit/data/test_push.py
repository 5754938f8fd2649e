"""What of a folder is news: right after any changes, and without reading what has not changed."""

import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidemill.data import push, stat_cache
from tidemill.data.folders import Found
from tidemill.data.push import Plan
from tidemill.data.stat_cache import Digest
from tidemill.errors import UploadRejected

# Names that cannot be both a file and a folder: that the file system refuses.
PATHS = st.builds(
    lambda folders, name: "/".join([*(f"d{n}" for n in folders), name]),
    st.lists(st.integers(0, 2), max_size=3),
    st.sampled_from(["a.csv", "b c.csv", "ä.csv"]),
)
TREES = st.dictionaries(PATHS, st.binary(max_size=4), max_size=9)


def later(seconds: float = 60) -> Callable[[], datetime]:
    """A clock that is ahead: to it, files that were just written have been left alone for a while."""
    return lambda: datetime.now(UTC) + timedelta(seconds=seconds)


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def lay_out(folder: Path, tree: dict[str, bytes], before: dict[str, bytes]) -> None:
    for path in before.keys() - tree.keys():
        (folder / path).unlink()
    for path, body in tree.items():
        if before.get(path) != body:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(body)


class Reads:
    """A reader that notes what it read."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def __call__(self, file: Found, before: Digest | None) -> tuple[str, os.stat_result]:
        self.paths.append(file.path)
        return push.read_file(file, before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    lay_out(folder, {"a.csv": b"one", "sub/b.csv": b"two"}, {})
    return folder


def planned(folder: Path, known: dict[str, str] | None = None, *, seconds: float = 60) -> tuple[Plan, list[str]]:
    """The plan, and the files that were read for it."""
    reads = Reads()
    plan = push.plan(folder, known or {}, cache=folder.parent / "cache", clock=later(seconds), read=reads)
    return plan, reads.paths


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TREES, min_size=1, max_size=5), st.sampled_from([0, 60]), st.sampled_from([None, 1, 3]))
def test_a_plan_is_the_difference_of_two_trees_however_they_came_about(
    tmp_path_factory: pytest.TempPathFactory, trees: list[dict[str, bytes]], seconds: float, threads: int | None
) -> None:
    root = tmp_path_factory.mktemp("trees")
    (root / "folder").mkdir()
    before: dict[str, bytes] = {}
    for tree in trees:
        lay_out(root / "folder", tree, before)
        known = {path: sha256(body) for path, body in before.items()}
        # The clock is right, or ahead of the files: then each digest is trusted as soon as it is taken, and a file
        # written again at once would be missed if its change time did not tell.
        plan = push.plan(root / "folder", known, cache=root / "cache", clock=later(seconds), threads=threads)
        here = {path: sha256(body) for path, body in tree.items()}
        assert plan.digests == here
        assert {file.path for file in plan.new} == here.keys() - known.keys()
        assert plan.removed == sorted(known.keys() - here.keys())
        assert {file.path for file in plan.changed} == {p for p in here.keys() & known if here[p] != known[p]}
        assert {file.path for file in plan.unchanged} == {p for p in here.keys() & known if here[p] == known[p]}
        assert all(file.size == len(tree[file.path]) for file in [*plan.new, *plan.changed, *plan.unchanged])
        before = tree


def test_what_has_not_changed_is_not_read_again(folder: Path) -> None:
    assert sorted(planned(folder)[1]) == ["a.csv", "sub/b.csv"]
    assert planned(folder)[1] == []
    (folder / "sub" / "b.csv").write_bytes(b"TWO")
    plan, reads = planned(folder, {"a.csv": sha256(b"one"), "sub/b.csv": sha256(b"two")})
    assert reads == ["sub/b.csv"]
    assert ([file.path for file in plan.changed], plan.is_news) == (["sub/b.csv"], True)


def test_a_change_behind_the_modification_time_is_seen(folder: Path) -> None:
    planned(folder)
    status = (folder / "a.csv").stat()
    (folder / "a.csv").write_bytes(b"ONE")
    os.utime(folder / "a.csv", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert planned(folder)[0].digests["a.csv"] == sha256(b"ONE")
    shutil.copy2(folder / "sub" / "b.csv", folder / "copy.csv")
    (folder / "copy.csv").replace(folder / "a.csv")
    assert planned(folder)[0].digests["a.csv"] == sha256(b"two")


def test_a_digest_taken_right_after_a_change_is_not_trusted(folder: Path) -> None:
    """The racy case: written again within one step of the clock, the file has the same times, size and inode. The
    cache is set to what it would hold then, because no test can be that quick."""
    plan, _ = planned(folder, seconds=0)
    cache = push.cache_file(folder.parent / "cache", folder)
    [file] = [file for file in plan.new if file.path == "a.csv"]
    for after, trusted in ((0, False), (1_999_000_000, False), (2_001_000_000, True)):
        read_ns = max(file.mtime_ns, file.ctime_ns) + after
        stat_cache.save(cache, {"a.csv": Digest(file.facts, read_ns, sha256(b"what was there an instant before"))})
        digest = planned(folder)[0].digests["a.csv"]
        assert (digest != sha256(b"one")) is trusted


def test_a_file_that_was_once_racy_is_read_once_more_and_not_for_ever(folder: Path) -> None:
    assert len(planned(folder, seconds=0)[1]) == 2
    assert len(planned(folder, seconds=60)[1]) == 2
    assert planned(folder, seconds=60)[1] == []


def test_a_file_dated_in_the_future_is_read_each_time(folder: Path) -> None:
    os.utime(folder / "a.csv", (0, time.time() + 10_000))
    planned(folder)
    assert planned(folder)[1] == ["a.csv"]


def test_a_lost_or_damaged_cache_costs_only_time(folder: Path) -> None:
    planned(folder)
    cache = push.cache_file(folder.parent / "cache", folder)
    for damage in (b"", b"not a database" * 99, cache.read_bytes()[:5000]):
        cache.write_bytes(damage)
        assert planned(folder)[0].digests == {"a.csv": sha256(b"one"), "sub/b.csv": sha256(b"two")}
    assert planned(folder)[1] == []
    with sqlite3.connect(cache) as connection:
        connection.execute("CREATE TABLE other (x)")
        connection.execute("DROP TABLE digests")
    connection.close()
    assert len(planned(folder)[1]) == 2


def test_what_is_gone_is_forgotten(folder: Path) -> None:
    planned(folder)
    (folder / "a.csv").unlink()
    planned(folder)
    assert set(stat_cache.load(push.cache_file(folder.parent / "cache", folder))) == {"sub/b.csv"}


def test_what_cannot_be_read_is_told_and_not_taken_for_removed(folder: Path) -> None:
    def refusing(file: Found, before: Digest | None) -> tuple[str, os.stat_result]:
        if file.path == "a.csv":
            raise PermissionError(13, "Permission denied")
        return push.read_file(file, before)

    known = {"a.csv": "0", "gone.csv": "1"}
    plan = push.plan(folder, known, cache=folder.parent / "cache", clock=later(), read=refusing)
    assert [tuple(item) for item in plan.left_out] == [("a.csv", "Permission denied")]
    assert (plan.removed, [file.path for file in plan.new]) == (["gone.csv"], ["sub/b.csv"])


def test_a_file_that_is_being_written_to_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.csv").write_bytes(bytes(push.SMALL + 1))
    file_digest = hashlib.file_digest

    def meanwhile(stream: object, name: str) -> object:
        with (folder / "a.csv").open("ab") as writer:
            writer.write(b"more")
        return file_digest(stream, name)  # type: ignore[arg-type]

    monkeypatch.setattr(hashlib, "file_digest", meanwhile)
    with pytest.raises(UploadRejected, match=r"a\.csv is being written"):
        planned(folder)


def test_a_file_that_changes_after_it_was_found_has_the_size_of_what_was_read(folder: Path) -> None:
    def growing(file: Found, before: Digest | None) -> tuple[str, os.stat_result]:
        (folder / "a.csv").write_bytes(b"longer")
        return push.read_file(file, before)

    plan = push.plan(folder, {}, cache=folder.parent / "cache", clock=later(), read=growing)
    assert [(file.path, file.size) for file in plan.new] == [("a.csv", 6), ("sub/b.csv", 3)]
    assert plan.digests["a.csv"] == sha256(b"longer")
