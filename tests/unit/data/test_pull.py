"""Pulling a version: killed at every step and pulled again, files of one's own, damaged objects, odd paths."""

import errno
import hashlib
import itertools
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill import names
from tidemill.adapters.memory import MemoryObjects
from tidemill.data import checkout, safe_paths
from tidemill.data.checkout import JOURNAL, RECEIPT, Found
from tidemill.data.manifests import File
from tidemill.data.pull import Pulled, plan, pull
from tidemill.errors import ArtifactCorrupt, ConflictError, RecordNotFound, RequestInvalid

FIRST = {"a.csv": b"x,y\n1,2\n3,4\n", "may/b.csv": b"x,y\n" + b"5,6\n" * 6, "may/empty.csv": b""}
SECOND = {"a.csv": b"x,y\n1,2\n3,5\n7,8\n", "may/b.csv": FIRST["may/b.csv"], "june.csv": b"x,y\n9,9\n"}


class Piecemeal(MemoryObjects):
    """Objects that come seven bytes at a time; each piece is announced, and counted by its key."""

    def __init__(self, announce: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.announce = announce
        self.given: dict[str, int] = {}

    def chunks(self, key: str, *, version_id: Any = None, start: int = 0, end: Any = None) -> Iterator[bytes]:
        self.announce()
        body = self.get(key)[start:end]
        for place in range(0, len(body), 7):
            self.announce()
            piece = body[place : place + 7]
            self.given[key] = self.given.get(key, 0) + len(piece)
            yield piece


def stored(objects: MemoryObjects, contents: dict[str, bytes]) -> list[File]:
    """Put contents into the store; give them as files of a version."""
    files = []
    for path, body in sorted(contents.items()):
        digest = hashlib.sha256(body).hexdigest()
        objects.put_new(names.content(digest), body)
        files.append(File(path=path, size=len(body), sha256=digest, rows=body.count(b"\n")))
    return files


def pulled(folder: Path, contents: dict[str, bytes], objects: Any = None, **how: Any) -> Pulled:
    objects = Piecemeal() if objects is None else objects
    files = stored(objects, contents)
    number = 1 if contents is FIRST else 2
    how = {"jobs": 1, **how}
    return pull(
        folder, project="tides", version=number, identity=str(number) * 64, files=files, objects=objects, **how
    )


def held(folder: Path) -> dict[str, bytes]:
    """What lies in a folder, but for Tidemill's own files."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def hidden(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob(".*")}


def test_a_folder_holds_the_version_and_says_so(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    done = pulled(tmp_path / "new" / "tides", FIRST, jobs=4, progress=lambda *step: steps.append(step))
    folder = tmp_path / "new" / "tides"
    assert held(folder) == FIRST
    assert hidden(folder) == {RECEIPT}
    receipt = json.loads((folder / RECEIPT).read_text())
    assert (receipt["project"], receipt["version"], receipt["identity"]) == ("tides", 1, "1" * 64)
    assert [File(**file).path for file in receipt["files"]] == sorted(FIRST)
    total = sum(map(len, FIRST.values()))
    assert (done.fetched, done.present, done.size, done.received) == (tuple(sorted(FIRST)), (), total, total)
    assert steps[-1] == (total, total)
    assert [step[0] for step in steps] == sorted(step[0] for step in steps)


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    objects = Piecemeal()
    pulled(tmp_path, FIRST, objects)
    objects.given.clear()
    before = (tmp_path / RECEIPT).stat().st_mtime_ns
    steps: list[tuple[int, int]] = []
    again = pulled(tmp_path, FIRST, objects, progress=lambda *step: steps.append(step))
    assert (again.fetched, again.received, objects.given) == ((), 0, {})
    assert steps == [(again.size, again.size)]
    assert (tmp_path / RECEIPT).stat().st_mtime_ns == before


def test_another_version_replaces_what_the_first_brought_and_removes_nothing(tmp_path: Path) -> None:
    pulled(tmp_path, FIRST)
    done = pulled(tmp_path, SECOND)
    assert held(tmp_path) == SECOND | {"may/empty.csv": b""}
    assert (done.replaced, done.present, done.extra) == (("a.csv",), ("may/b.csv",), ("may/empty.csv",))
    assert json.loads((tmp_path / RECEIPT).read_text())["version"] == 2


def announcing(monkeypatch: pytest.MonkeyPatch, announce: Callable[[], None]) -> None:
    """Announce every change of the file system that `pull` makes, before it is made."""
    for name in ("replace", "unlink", "write_bytes", "mkdir"):
        original = getattr(Path, name)

        def announced(self: Path, *arguments: Any, original: Any = original, **options: Any) -> Any:
            announce()
            return original(self, *arguments, **options)

        monkeypatch.setattr(Path, name, announced)


@pytest.mark.parametrize("earlier", [{}, FIRST], ids=["fresh", "update"])
def test_killed_anywhere_and_pulled_again_it_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_shore: Any, earlier: dict[str, bytes]
) -> None:
    for call in itertools.count():
        folder, objects = tmp_path / str(call), Piecemeal()
        if earlier:
            pulled(folder, FIRST, objects)
            objects.given.clear()
        objects.announce = new_shore.kill_at(call)
        try:
            with monkeypatch.context() as patch:
                announcing(patch, objects.announce)
                pulled(folder, SECOND, objects)
        except new_shore.Killed:
            there = held(folder) if folder.exists() else {}
            assert all(body in (earlier.get(path), SECOND.get(path)) for path, body in there.items()), call
            receipt = checkout.receipt(folder)
            if receipt:
                assert there.items() >= (SECOND if receipt["version"] == 2 else earlier).items(), call
            objects.announce = lambda: None
            pulled(folder, SECOND, objects)  # not a word of --force
        else:
            break
        assert held(folder) == earlier | SECOND, call
        assert hidden(folder) == {RECEIPT}, call
        received = sum(objects.given.values())
        fetched = sum(len(body) for path, body in SECOND.items() if body != earlier.get(path))
        assert received <= fetched + 7, f"killed before call {call}: fetched twice"
    assert call > 15


def test_after_a_kill_the_first_version_can_be_had_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_shore: Any
) -> None:
    """What the broken pull brought is a copy, not anybody's own work: no force is needed to replace it."""
    for call in itertools.count():
        folder, objects = tmp_path / str(call), Piecemeal()
        pulled(folder, FIRST, objects)
        objects.announce = new_shore.kill_at(call)
        try:
            pulled(folder, SECOND, objects)
        except new_shore.Killed:
            objects.announce = lambda: None
            pulled(folder, FIRST, objects)
        else:
            break
        assert held(folder).items() >= FIRST.items()
        assert json.loads((folder / RECEIPT).read_text())["version"] == 1
    assert call > 4


def test_a_partial_file_goes_on_where_it_ended(tmp_path: Path) -> None:
    objects = Piecemeal()
    (tmp_path / ".a.csv.part").write_bytes(FIRST["a.csv"][:5])
    done = pulled(tmp_path, FIRST, objects)
    assert held(tmp_path) == FIRST
    assert done.received == done.size - 5


@pytest.mark.parametrize("rest", [b"other", b"x,y\n9", b"longer than the file will ever be", b"wrong at size"])
def test_a_partial_file_of_something_else_is_begun_anew(tmp_path: Path, rest: bytes) -> None:
    steps: list[int] = []
    (tmp_path / ".a.csv.part").write_bytes(rest)
    done = pulled(tmp_path, FIRST, progress=lambda so_far, total: steps.append(so_far))
    assert held(tmp_path) == FIRST
    assert steps[-1] == done.size
    assert max(steps) <= done.size


def test_a_partial_file_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "mine.txt"
    outside.write_bytes(b"x,y")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / ".a.csv.part").symlink_to(outside)
    pulled(folder, FIRST)
    assert outside.read_bytes() == b"x,y"
    assert held(folder) == FIRST


def test_a_changed_file_is_kept_unless_forced(tmp_path: Path) -> None:
    pulled(tmp_path, FIRST)
    (tmp_path / "a.csv").write_bytes(b"my own work")
    (tmp_path / "notes.txt").write_bytes(b"mine")
    for contents in (FIRST, SECOND):
        with pytest.raises(ConflictError, match=r"no pull brought them: a\.csv; .*--force"):
            pulled(tmp_path, contents)
    assert held(tmp_path) == FIRST | {"a.csv": b"my own work", "notes.txt": b"mine"}
    assert json.loads((tmp_path / RECEIPT).read_text())["version"] == 1
    done = pulled(tmp_path, FIRST, force=True)
    assert held(tmp_path) == FIRST | {"notes.txt": b"mine"}
    assert (done.replaced, done.extra) == (("a.csv",), ("notes.txt",))


def test_a_file_that_happens_to_be_there_is_kept_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"my own")
    with pytest.raises(ConflictError, match=r"a\.csv"):
        pulled(tmp_path, FIRST)
    assert held(tmp_path) == {"a.csv": b"my own"}


def test_a_broken_receipt_makes_files_their_owners(tmp_path: Path) -> None:
    pulled(tmp_path, FIRST)
    (tmp_path / RECEIPT).write_text("[1, 2")
    with pytest.raises(ConflictError, match=r"a\.csv"):
        pulled(tmp_path, SECOND)
    pulled(tmp_path, FIRST)
    assert json.loads((tmp_path / RECEIPT).read_text())["version"] == 1


def test_where_a_folder_or_a_link_stands_nothing_is_written(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for stands in ("folder", "link"):
        folder = tmp_path / stands
        folder.mkdir()
        if stands == "folder":
            (folder / "a.csv").mkdir()
        else:
            (folder / "may").symlink_to(outside)
        with pytest.raises(ConflictError, match="stands where a file belongs"):
            pulled(folder, FIRST, force=True)
    assert not list(outside.iterdir())


def test_a_link_to_another_file_is_replaced_itself(tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_bytes(b"mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.csv").symlink_to(mine)
    with pytest.raises(ConflictError):
        pulled(folder, FIRST)
    pulled(folder, FIRST, force=True)
    assert (mine.read_bytes(), held(folder)) == (b"mine", FIRST)


@pytest.mark.parametrize("damage", [b"x,y\n1,2\n3,9\n", b"x,y\n", b"", FIRST["may/b.csv"]])
def test_a_damaged_object_is_refused_and_the_rest_is_there(tmp_path: Path, damage: bytes) -> None:
    objects = Piecemeal()
    (file, *_) = stored(objects, FIRST)
    objects.versions[names.content(file.sha256)] = [damage]
    with pytest.raises(ArtifactCorrupt, match=r"file 'a\.csv': object objects/sha256/.* it was not kept"):
        pulled(tmp_path, FIRST, objects)
    assert held(tmp_path) == {path: body for path, body in FIRST.items() if path != "a.csv"}
    assert hidden(tmp_path) == {JOURNAL}
    assert checkout.receipt(tmp_path) is None
    objects.versions[names.content(file.sha256)] = [FIRST["a.csv"]]
    assert pulled(tmp_path, FIRST, objects).fetched == ("a.csv",)
    assert hidden(tmp_path) == {RECEIPT}


def test_objects_that_are_gone_are_all_named(tmp_path: Path) -> None:
    objects = Piecemeal()
    files = stored(objects, FIRST)
    del objects.versions[names.content(files[0].sha256)]
    with pytest.raises(RecordNotFound, match=r"file 'a\.csv': object .* is gone; upload the file again"):
        pull(tmp_path / "one", project="tides", version=1, identity="1", files=files, objects=objects)
    del objects.versions[names.content(files[1].sha256)]
    with pytest.raises(ArtifactCorrupt, match=r"(?s)2 files could not be pulled:.*a\.csv.*may/b\.csv"):
        pull(tmp_path / "two", project="tides", version=1, identity="1", files=files, objects=objects)


def test_a_failure_of_another_kind_ends_all_and_what_came_stays(tmp_path: Path) -> None:
    objects = Piecemeal()
    calls = itertools.count()

    def fail() -> None:
        if next(calls) == 3:
            raise OSError(errno.ENETDOWN, "the network is down")

    objects.announce = fail
    with pytest.raises(OSError, match="network is down"):
        pulled(tmp_path, FIRST, objects)
    objects.announce = lambda: None
    pulled(tmp_path, FIRST, objects)
    assert held(tmp_path) == FIRST
    assert sum(objects.given.values()) == sum(map(len, FIRST.values()))


def test_two_pulls_into_one_folder_do_not_mix(tmp_path: Path) -> None:
    objects, inside, go_on = Piecemeal(), threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        assert go_on.wait(10)

    objects.announce = wait
    first = threading.Thread(target=lambda: pulled(tmp_path, FIRST, objects))
    first.start()
    assert inside.wait(10)
    try:
        with pytest.raises(ConflictError, match=r"another download into .* is under way"):
            pulled(tmp_path, SECOND)
    finally:
        go_on.set()
        first.join()
    assert held(tmp_path) == FIRST
    pulled(tmp_path, SECOND)


def test_where_folders_cannot_be_locked_it_is_pulled_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int, how: int) -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(checkout.fcntl, "flock", refuse)
    pulled(tmp_path, FIRST)
    assert held(tmp_path) == FIRST


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../up.csv",
        "a/../../up.csv",
        "a/./b.csv",
        "a//b.csv",
        "a/",
        "C:/x.csv",
        "c:x.csv",
        "..\\up.csv",
        "a\x00b.csv",
        "a\nb.csv",
        "a\u2028b.csv",
        "\x1b[2Jb.csv",
        "",
        "n" * 241,
        RECEIPT,
        ".tidemill-x/a.csv",
        "may/.b.csv.part",
    ],
)
def test_paths_that_could_end_elsewhere_are_refused(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "folder"
    with pytest.raises(RequestInvalid, match="path: "):
        pulled(folder, {**FIRST, path: b"no"})
    assert not folder.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == []


def test_a_file_and_a_folder_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(RequestInvalid, match="'may' is a file and a folder"):
        pulled(tmp_path, {**FIRST, "may": b"no"})


@given(st.text(max_size=40))
def test_a_safe_path_stays_inside(path: str) -> None:
    if safe_paths.fault_of(path) is None:
        inside = Path(os.path.normpath(Path("/folder") / path))
        assert Path("/folder") in inside.parents
        assert inside.relative_to("/folder").as_posix() == path


def test_names_that_are_one_on_other_file_systems_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {"May.csv": b"1", "may.csv": b"2", "caf\u00e9.csv": b"3", "cafe\u0301.csv": b"4", "b.csv": b"5"}
    done = pulled(tmp_path / "apart", contents)
    assert {frozenset(group) for group in done.collisions} == {
        frozenset({"May.csv", "may.csv"}),
        frozenset({"caf\u00e9.csv", "cafe\u0301.csv"}),
    }
    assert held(tmp_path / "apart") == contents
    monkeypatch.setattr(checkout, "tells_case_apart", lambda folder: False)
    with pytest.raises(RequestInvalid, match="are one file in"):
        pulled(tmp_path / "alike", contents)
    assert held(tmp_path / "alike") == {}


def test_a_folder_is_probed_for_case(tmp_path: Path) -> None:
    assert checkout.tells_case_apart(tmp_path) == (
        not (Path(__file__).parent / Path(__file__).name.upper()).exists()
    )
    assert list(tmp_path.iterdir()) == []


def test_the_plan_is_a_function_of_what_is_there() -> None:
    files = [
        File(path=path, size=1, sha256=digest, rows=1)
        for path, digest in [("a", "1"), ("b", "1"), ("c", "1"), ("d", "1"), ("e/f", "1"), ("g", "1")]
    ]
    found = Found(frozenset({"a", "b", "c", "e", "z", ".d.part"}), frozenset({"g"}))
    planned = plan(files, found, {"a": "1", "b": "2", "c": "2"}, {"b": {"2", "3"}, "c": {"3"}})
    kinds = {
        kind: [f.path for f in getattr(planned, kind)] for kind in ("present", "missing", "outdated", "changed")
    }
    assert kinds == {"present": ["a"], "missing": ["d"], "outdated": ["b"], "changed": ["c"]}
    assert (planned.blocked, planned.extra) == (("e/f", "g"), ("e", "z"))
