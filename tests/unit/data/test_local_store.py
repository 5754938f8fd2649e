"""Versions of a folder without the data machine: numbers, differences and what comes back."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tidemill import canonical, names
from tidemill.adapters.directory import DirectoryObjects
from tidemill.adapters.sqlite_index import SqliteIndex
from tidemill.data import local_store, versions
from tidemill.data.local_store import Store
from tidemill.errors import ArtifactCorrupt, ConflictError, RecordNotFound, UploadRejected
from tidemill.ports import Put

AT = datetime(2030, 3, 1, 12, 0, tzinfo=UTC)
FILES = {"a.csv": b"one", "sub/b.csv": b"two", "sub/large.csv": b"0123456789" * 500_000}


class Steps:
    """A clock that goes a minute on each time it is asked."""

    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Store:
    root = tmp_path / "store"
    return Store("tides", DirectoryObjects(root), SqliteIndex(root / "index.sqlite"), tmp_path / "cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path, body in FILES.items():
        (tmp_path / "data" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / path).write_bytes(body)
    return tmp_path / "data"


@pytest.fixture
def commit(store: Store, folder: Path) -> Callable[[], int]:
    return lambda: local_store.commit(folder, store, clock=Steps(), reason="a test", author="Ada")[0]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_becomes_a_version_like_any_other(store: Store, commit: Callable[[], int]) -> None:
    assert commit() == 1
    fact = versions.read_fact(store.objects, "tides", 1)
    assert fact["identity"] == versions.row(store.index, "tides", 1)["identity"]
    files = {file.path: file for file in versions.files_of(fact)}
    assert {path: (file.size, file.sha256) for path, file in files.items()} == {
        path: (len(body), canonical.sha256(body)) for path, body in FILES.items()
    }
    assert (fact["reason"], fact["author"], fact["parent"], fact["bytes"]) == ("a test", "Ada", 0, 5_000_006)
    assert all(store.objects.get(names.content(file.sha256)) == FILES[path] for path, file in files.items())


def test_nothing_new_makes_no_version_and_what_was_there_before_is_found(
    store: Store, folder: Path, commit: Callable[[], int]
) -> None:
    assert (commit(), commit()) == (1, 1)
    (folder / "a.csv").write_bytes(b"ONE")
    assert (commit(), commit()) == (2, 2)
    os.utime(folder / "sub" / "large.csv")
    assert commit() == 2
    (folder / "a.csv").write_bytes(b"one")
    assert commit() == 1
    assert versions.head(store.index, "tides") == 2


def test_a_difference_is_told_by_files(store: Store, folder: Path, commit: Callable[[], int]) -> None:
    commit()
    (folder / "a.csv").unlink()
    (folder / "new.csv").write_bytes(b"new")
    (folder / "sub" / "large.csv").write_bytes(b"x" * 5_000_000)
    assert commit() == 2
    found = local_store.diff(store, 1, 2)
    assert (found.added, found.changed, found.removed) == (["new.csv"], ["sub/large.csv"], ["a.csv"])
    assert local_store.diff(store, 0, 1).added == sorted(FILES)
    assert local_store.diff(store, 2, 2) == local_store.Difference([], [], [])
    with pytest.raises(RecordNotFound, match="no dataset version 3"):
        local_store.diff(store, 1, 3)


def test_a_version_comes_back_and_only_what_differs_is_written(
    store: Store, folder: Path, commit: Callable[[], int], tmp_path: Path
) -> None:
    commit()
    (folder / "a.csv").write_bytes(b"another")
    (folder / "extra.csv").write_bytes(b"mine")
    commit()
    (folder / "sub" / "b.csv").unlink()
    large = (folder / "sub" / "large.csv").stat()
    plan = local_store.checkout(1, folder, store, clock=Steps())
    assert ([f.path for f in plan.changed], plan.removed, [f.path for f in plan.new]) == (
        ["a.csv"],
        ["sub/b.csv"],
        ["extra.csv"],
    )
    assert contents(folder) == {**FILES, "extra.csv": b"mine"}
    assert (folder / "sub" / "large.csv").stat() == large
    local_store.checkout(2, tmp_path / "fresh" / "copy", store, clock=Steps())
    assert contents(tmp_path / "fresh" / "copy") == {**FILES, "a.csv": b"another", "extra.csv": b"mine"}


def test_what_is_checked_out_replaces_links_and_never_leads_out(
    store: Store, folder: Path, commit: Callable[[], int], tmp_path: Path
) -> None:
    commit()
    secret = tmp_path / "secret.csv"
    secret.write_bytes(b"secret")
    (folder / "a.csv").unlink()
    (folder / "a.csv").symlink_to(secret)
    local_store.checkout(1, folder, store, clock=Steps())
    assert (contents(folder), secret.read_bytes()) == (FILES, b"secret")
    fact = json.loads(store.objects.get(names.dataset("tides", 1)))
    fact["files"][0]["path"] = "../secret.csv"
    identity = versions.write_manifest(store.objects, fact)
    store.index.transact([Put(names.pk("tides"), names.sk_dataset(1), {"version": 1, "identity": identity})])
    with pytest.raises(UploadRejected, match="leads out"):
        local_store.checkout(1, folder, store, clock=Steps())
    assert secret.read_bytes() == b"secret"


def test_a_damaged_object_does_not_come_back(store: Store, commit: Callable[[], int], tmp_path: Path) -> None:
    commit()
    store.objects.put(names.content(canonical.sha256(b"two")), b"TWO")
    with pytest.raises(ArtifactCorrupt):
        local_store.checkout(1, tmp_path / "copy", store, clock=Steps())


def test_an_empty_or_unreadable_folder_removes_nothing(
    store: Store, folder: Path, commit: Callable[[], int], tmp_path: Path
) -> None:
    commit()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UploadRejected, match="no files"):
        local_store.commit(tmp_path / "empty", store, clock=Steps())
    (folder / "a.csv").unlink()
    (folder / "a.csv").symlink_to("nowhere")
    with pytest.raises(UploadRejected, match=r"a\.csv is in the last version"):
        commit()
    assert versions.head(store.index, "tides") == 1


def test_a_digest_that_the_cache_knew_is_stored_for_another_store_too(
    store: Store, folder: Path, commit: Callable[[], int], tmp_path: Path
) -> None:
    commit(), commit()
    other = Store("tides", DirectoryObjects(tmp_path / "b"), SqliteIndex(tmp_path / "b.sqlite"), store.cache)
    assert local_store.commit(folder, other, clock=Steps())[0] == 1
    local_store.checkout(1, tmp_path / "copy", other, clock=Steps())
    assert contents(tmp_path / "copy") == FILES


def test_who_loses_the_race_for_a_number_builds_on_the_winner(
    store: Store, folder: Path, commit: Callable[[], int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "t.csv").write_bytes(b"theirs")
    transact, raced = store.index.transact, []

    def late(changes: list[Put]) -> None:
        if not raced:
            raced.append(1)
            local_store.commit(tmp_path / "theirs", store, clock=Steps())
        transact(changes)

    monkeypatch.setattr(store.index, "transact", late)
    assert commit() == 2
    assert [file.path for file in store.files(1).files] == ["t.csv"]
    assert {file.path for file in store.files(2).files} == set(FILES)


@pytest.mark.parametrize("port", ["objects", "index"])
def test_a_commit_that_was_killed_anywhere_is_made_again(
    store: Store, folder: Path, port: str, tmp_path: Path
) -> None:
    class Killed(BaseException):
        pass

    for call in range(60):
        root = tmp_path / f"{port}{call}"
        fresh = Store(
            "tides", DirectoryObjects(root), SqliteIndex(root / "index.sqlite"), tmp_path / f"c{port}{call}"
        )
        left = [call]

        class Dying:
            def __init__(self, inner: object) -> None:
                self.inner = inner

            def __getattr__(self, name: str, left: list[int] = left) -> object:
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
                return getattr(self.inner, name)

        ports = {"objects": fresh.objects, "index": fresh.index}
        ports[port] = Dying(ports[port])  # type: ignore[assignment]
        dying = Store("tides", ports["objects"], ports["index"], fresh.cache)  # type: ignore[arg-type]
        try:
            local_store.commit(folder, dying, clock=Steps())
            finished = True
        except Killed:
            finished = False
        assert local_store.commit(folder, fresh, clock=Steps())[0] == 1
        local_store.checkout(1, root / "out", fresh, clock=Steps())
        assert contents(root / "out") == FILES
        if finished:
            break
    assert finished and call > 2


def test_others_that_always_win_are_told(
    store: Store, commit: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def losing(changes: list[Put]) -> None:
        raise ConflictError("lost")

    monkeypatch.setattr(store.index, "transact", losing)
    with pytest.raises(ConflictError):
        commit()
