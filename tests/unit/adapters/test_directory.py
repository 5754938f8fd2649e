"""Objects in a directory: odd keys, races, kills, and files that the user goes on editing."""

import contextlib
import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tidemill import names
from tidemill.adapters import drafts, file_copy, key_paths
from tidemill.adapters.directory import DirectoryObjects
from tidemill.adapters.key_paths import DirectoryUnsuitable, path_of
from tidemill.errors import ArtifactCorrupt, RecordNotFound, UploadRejected

ODD = st.text(
    st.sampled_from(["a", "b", "/", ".", "%", "+", " ", "!", "0", "A", "é", "e", "\u0301", "\0", "\ud800"]),
    max_size=9,
)
LONG = st.builds(
    lambda text, count, tail: text * count + tail,
    st.sampled_from(["x", "é", "日", "%", "😀"]),
    st.integers(190, 420),
    st.sampled_from(["", "/", "/a", "!", "z/b", "x"]),
)
SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
START = """import sys
from tidemill.adapters.directory import DirectoryObjects
o = DirectoryObjects(sys.argv[1])
"""


@pytest.fixture
def objects(tmp_path: Path) -> DirectoryObjects:
    return DirectoryObjects(tmp_path / "store")


def files(root: Path) -> list[str]:
    """Everything below `root` but the store's lock."""
    return sorted(
        str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.name != ".lock"
    )


@contextlib.contextmanager
def process(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", START + code, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=environment) as running:
        yield running


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("incoming/tides/2026/flood levels.csv", "incoming/tides/2026/flood levels.csv"),
        (names.content("ab" * 32), f"objects/sha256/ab/{'ab' * 32}"),
        (names.captured("tides", "2026-03-01") + "a.jsonl", "captured/tides/dt=2026-03-01/a.jsonl"),
        ("README", "README%"),
        ("a.csv/b", "a.csv%/b%"),
        ("a//b.csv", "a/%_/b.csv"),
        ("../../etc/passwd.txt", "%2E.%/%2E.%/etc/passwd.txt"),
        ("/etc/x.y", "%_/etc/x.y"),
        ("50% off:now.csv", "50%25 off%3Anow.csv"),
    ],
)
def test_an_ordinary_key_is_its_path_and_no_key_leaves_the_store(key: str, path: str) -> None:
    assert path_of(key) == path


@SETTINGS
@given(st.lists(ODD | LONG, max_size=12, unique=True), ODD, ODD)
@example(["a", "a/b", "a!", "a0", "a.csv", "a.csv/b", "a%", "a/", "/", ""], "a", "a/")
@example(["x" * 201, "x" * 201 + "/y", "x" * 201 + "!", "x" * 201 + "0", "x" * 200 + "/y"], "x", "")
def test_any_keys_live_side_by_side_and_come_in_order(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str], prefix: str, after: str
) -> None:
    objects = DirectoryObjects(tmp_path_factory.mktemp("store"))
    for key in keys:
        assert objects.put_new(key, repr(key).encode()) is True
    assert {key: objects.get(key) for key in keys} == {key: repr(key).encode() for key in keys}
    assert list(objects.keys("")) == sorted(set(keys) - {""})
    wanted = sorted(key for key in keys if key.startswith(prefix) and key > after)
    assert list(objects.keys(prefix, after=after)) == wanted
    assert all(len(name.encode()) <= 255 for key in keys for name in path_of(key).split("/"))
    for key in keys:
        objects.delete(key)
    assert files(objects.root) == []


def test_what_others_put_there_is_no_object_unless_it_is_named_like_one(objects: DirectoryObjects) -> None:
    objects.put("incoming/tides/a.csv", b"a")
    folder = objects.root / "incoming" / "tides"
    for name in ("by hand.csv", "README", ".DS_Store", "bad%zz.csv", "bad%ff.csv", "short%+/x.csv"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"b")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.csv")).write_bytes(b"b")
    assert list(objects.keys("incoming/")) == ["incoming/tides/a.csv", "incoming/tides/by hand.csv"]
    assert objects.get("incoming/tides/by hand.csv") == b"b"


def test_only_incoming_keeps_what_was_overwritten(objects: DirectoryObjects) -> None:
    old = {}
    for key in ("incoming/tides/a.csv", "reports/tides.html"):
        objects.put(key, b"one")
        old[key] = objects.head(key)
        objects.put(key, b"two")
    assert objects.get("incoming/tides/a.csv", version_id=old["incoming/tides/a.csv"].version_id) == b"one"
    with pytest.raises(RecordNotFound):
        objects.get("reports/tides.html", version_id=old["reports/tides.html"].version_id)
    objects.delete("incoming/tides/a.csv")
    assert files(objects.root) == ["reports/tides.html"]


def test_versions_stay_apart_when_the_clock_stands_still(
    objects: DirectoryObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, ids = "incoming/tides/a.csv", []
    for number in range(5):
        objects.put(key, b"%d" % number)
        # As if all of them were written within one step of the file system's clock, or after it was set back.
        os.utime(objects.root / key, ns=(0, (objects.root / key).stat().st_mtime_ns + 10**12))
        ids.append(objects.head(key).version_id)
    assert [objects.get(key, version_id=i) for i in ids] == [b"0", b"1", b"2", b"3", b"4"]
    assert len(set(ids)) == 5


def test_a_version_id_is_no_way_out_of_the_store(objects: DirectoryObjects) -> None:
    objects.put("incoming/a.csv", b"one")
    (objects.root.parent / "secret").write_bytes(b"secret")
    for version_id in ("../../../../secret", "", "\0", "a/b"):
        assert objects.head("incoming/a.csv", version_id=version_id) is None
        objects.delete("incoming/a.csv", version_id=version_id)
    assert objects.get("incoming/a.csv") == b"one"


def test_editing_a_copy_changes_only_the_copy(objects: DirectoryObjects, tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    for size in (10, 9 << 20):
        mine.write_bytes(b"x" * size)
        sha256, _ = objects.take(mine, key=names.content)
        objects.put("incoming/a.csv", b"x" * size)
        objects.copy_new("incoming/a.csv", f"objects/{size}.csv")
        objects.give(names.content(sha256), tmp_path / "out" / "given.csv", sha256=sha256)
        for path in (mine, tmp_path / "out" / "given.csv", objects.root / "incoming" / "a.csv"):
            with path.open("r+b") as stream:
                stream.write(b"edited")
        assert hashlib.sha256(objects.get(names.content(sha256))).hexdigest() == sha256
        assert objects.get(f"objects/{size}.csv") == b"x" * size


@pytest.mark.parametrize("size", [0, 1, 4 << 20, (4 << 20) + 1, (9 << 20) + 7])
def test_a_file_is_taken_in_and_given_out(objects: DirectoryObjects, tmp_path: Path, size: int) -> None:
    body = os.urandom(size)
    (tmp_path / "mine").write_bytes(body)
    for _ in range(2):
        sha256, stat = objects.take(tmp_path / "mine", key=names.content)
        assert (sha256, stat.st_size) == (hashlib.sha256(body).hexdigest(), size)
    assert objects.get(names.content(sha256)) == body
    objects.give(names.content(sha256), tmp_path / "given", sha256=sha256)
    assert (tmp_path / "given").read_bytes() == body
    assert files(tmp_path) == sorted(["given", "mine", f"store/{names.content(sha256)}"])


def test_a_damaged_object_is_not_given_out(objects: DirectoryObjects, tmp_path: Path) -> None:
    for size in (3, 9 << 20):
        objects.put("objects/a", b"x" * size)
        (tmp_path / "mine").write_bytes(b"mine")
        with pytest.raises(ArtifactCorrupt, match="objects/a"):
            objects.give("objects/a", tmp_path / "mine", sha256="0" * 64)
        assert (tmp_path / "mine").read_bytes() == b"mine"
        assert files(tmp_path) == ["mine", "store/objects/a%"]


def test_a_file_that_is_being_written_to_is_not_taken(
    objects: DirectoryObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing = tmp_path / "growing"
    growing.write_bytes(bytes(9 << 20))
    copy, rounds = file_copy.copy_hashed, []

    def meanwhile(source: int, target: int) -> str:
        with growing.open("ab") as stream:
            stream.write(b"more")
        rounds.append(1)
        return copy(source, target)

    monkeypatch.setattr(file_copy, "copy_hashed", meanwhile)
    with pytest.raises(UploadRejected, match="growing"):
        objects.take(growing, key=names.content)
    assert len(rounds) == 3


def nothing(*arguments: int) -> int:
    return 0


def refused(*arguments: int) -> int:
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def a_little(source: int, target: int, count: int, start: int, to: int) -> int:
    return os.pwrite(target, os.pread(source, 1_000_003, start), to)


@pytest.mark.parametrize("kernel", [None, nothing, refused, a_little])
@pytest.mark.parametrize("size", [0, 1, (8 << 20), (17 << 20) + 5])
def test_a_copy_is_the_same_whatever_the_kernel_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: Callable[..., int] | None, size: int
) -> None:
    if kernel:
        monkeypatch.setattr(os, "copy_file_range", kernel, raising=False)
    else:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    body = os.urandom(size)
    (tmp_path / "source").write_bytes(body)
    with (tmp_path / "source").open("rb") as source:
        with (tmp_path / "copy").open("w+b") as copy:
            file_copy.copy(source.fileno(), copy.fileno())
        with (tmp_path / "hashed").open("w+b") as copy:
            digest = file_copy.copy_hashed(source.fileno(), copy.fileno())
    assert digest == hashlib.sha256(body).hexdigest()
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "hashed").read_bytes() == body


def test_a_clone_is_hashed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cloned(source: int, target: int) -> bool:
        return os.pwrite(target, os.pread(source, 99, 0), 0) == 5

    monkeypatch.setattr(file_copy, "clone", cloned)
    (tmp_path / "source").write_bytes(b"cloned"[:5])
    with (tmp_path / "source").open("rb") as source, (tmp_path / "copy").open("w+b") as copy:
        assert file_copy.copy_hashed(source.fileno(), copy.fileno()) == hashlib.sha256(b"clone").hexdigest()
    assert (tmp_path / "copy").read_bytes() == b"clone"


def test_without_nameless_files_nothing_is_left_either(
    objects: DirectoryObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts, "_has_nameless", lambda: False)

    def breaking() -> Iterator[bytes]:
        yield b"half"
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        objects.put_chunks("a.csv", breaking())
    assert files(objects.root) == []
    assert (objects.put_new("a.csv", b"one"), objects.put_new("a.csv", b"two")) == (True, False)
    objects.put("b.csv", b"three")
    assert files(objects.root) == ["a.csv", "b.csv"]


def test_old_drafts_of_killed_processes_are_removed(objects: DirectoryObjects) -> None:
    for name, age in (("old", drafts.OLD_SECONDS + 60), ("young", 60)):
        (objects.root / ".drafts" / name).write_bytes(b"half")
        os.utime(objects.root / ".drafts" / name, (0, time.time() - age))
    DirectoryObjects(objects.root)
    assert files(objects.root) == [".drafts/young"]


def test_a_process_that_is_killed_while_it_writes_leaves_nothing(tmp_path: Path) -> None:
    if not hasattr(os, "O_TMPFILE"):
        pytest.skip("no nameless files here")
    code = """
def body():
    yield bytes(20 << 20)
    print("writing", flush=True)
    sys.stdin.read()
o.put_chunks("incoming/tides/a.csv", body())
"""
    with process(code, tmp_path) as running:
        assert running.stdout and running.stdout.readline() == "writing\n"
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert files(tmp_path) == []
    assert list(DirectoryObjects(tmp_path).keys("")) == []


def test_of_racing_processes_one_writes_each_fact(tmp_path: Path) -> None:
    code = """
print("ready", flush=True)
sys.stdin.readline()
print(*(n for n in range(300) if o.put_new(f"facts/{n}.json", sys.argv[2].encode() * 9000)))
"""
    with process(code, tmp_path, "a") as one, process(code, tmp_path, "b") as two:
        for running in (one, two):
            assert running.stdout and running.stdout.readline() == "ready\n"
        for running in (one, two):
            assert running.stdin
            running.stdin.write("go\n")
            running.stdin.flush()
        won = {word: set(map(int, running.communicate()[0].split())) for word, running in (("a", one), ("b", two))}
    assert won["a"] | won["b"] == set(range(300)) and not won["a"] & won["b"]
    objects = DirectoryObjects(tmp_path)
    for word, numbers in won.items():
        assert {objects.get(f"facts/{n}.json") for n in numbers} <= {word.encode() * 9000}


def test_no_version_is_lost_when_many_overwrite_one_key(objects: DirectoryObjects) -> None:
    bodies = [b"%d" % number for number in range(60)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda body: objects.put("incoming/tides/a.csv", body), bodies))
    kept = list((objects.root / ".versions").rglob("*-*"))
    found = {path.read_bytes() for path in kept} | {objects.get("incoming/tides/a.csv")}
    assert (found, len(kept)) == (set(bodies), 59)


def test_a_file_system_that_mixes_names_up_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda self: exists(self) or self.name.startswith(".probe"))
    with pytest.raises(DirectoryUnsuitable, match="for one file"):
        key_paths.require_distinct(tmp_path)
    assert files(tmp_path) == []


def test_overwriting_and_deleting_at_once_loses_no_other_version(objects: DirectoryObjects) -> None:
    key = "incoming/tides/a.csv"

    def come_and_go(number: int) -> None:
        objects.put(key, b"%d" % number)
        stat = objects.head(key)
        if stat and number % 2:
            objects.delete(key, version_id=stat.version_id)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(come_and_go, range(60)))
    kept = list((objects.root / ".versions").rglob("*-*"))
    current = objects.head(key)
    # Each of the 30 removed one version at most (two may have meant the same one), and nothing else went.
    assert current and 30 <= len(kept) + 1 <= 60
    assert all(objects.get(key, version_id=path.name) == path.read_bytes() for path in kept)
    assert max([path.name for path in kept], default="") < current.version_id


def test_short_reads_are_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = os.read
    monkeypatch.setattr(os, "read", lambda file, count: read(file, min(count, 7)))
    (tmp_path / "a").write_bytes(bytes(range(100)))
    for size in (100, 140):
        with (tmp_path / "a").open("rb", buffering=0) as stream:
            assert file_copy.read_all(stream.fileno(), size) == bytes(range(100))
