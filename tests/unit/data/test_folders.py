"""What of a folder is a file of a dataset, and what is told instead."""

import os
import socket
from pathlib import Path

import pytest

from tidemill.data.folders import inside, walk
from tidemill.errors import UploadRejected


def test_files_come_with_what_tells_a_change_in_order(tmp_path: Path) -> None:
    for path in ("b.csv", "a/z.csv", "a b.csv", "a/deep/er/x.csv", "é日.csv"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / ".git").mkdir()
    for path in (".git/config", ".DS_Store", "a/.hidden"):
        (tmp_path / path).write_text("no data")
    files, left_out = walk(tmp_path)
    assert [file.path for file in files] == ["a b.csv", "a/deep/er/x.csv", "a/z.csv", "b.csv", "é日.csv"]
    for file in files:
        status = (tmp_path / file.path).stat()
        assert file.facts == (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        assert Path(file.place).read_text() == file.path
    assert left_out == []


def test_one_file_is_a_folder_of_itself(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("one")
    assert [(file.path, file.size) for file in walk(tmp_path / "a.csv")[0]] == [("a.csv", 3)]


def test_links_are_followed_inside_only(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    (folder / "sub").mkdir(parents=True)
    outside.mkdir()
    (folder / "sub" / "a.csv").write_text("a")
    (outside / "secret.csv").write_text("secret")
    links = {
        "file.csv": "sub/a.csv",
        "again": "sub",
        "out.csv": "../outside/secret.csv",
        "out": "../outside",
        "sub/up": "..",
        "broken": "nowhere",
        "circle": "circle",
    }
    for name, target in links.items():
        (folder / name).symlink_to(target)
    files, left_out = walk(folder)
    assert [file.path for file in files] == ["again/a.csv", "file.csv", "sub/a.csv"]
    assert {item.path for item in left_out} == {"out.csv", "out", "again/up", "sub/up", "broken", "circle"}
    (tmp_path / "link").symlink_to(folder)
    assert [file.path for file in walk(tmp_path / "link")[0]] == [file.path for file in files]


def test_what_is_no_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.csv")
        (tmp_path / "device.csv").symlink_to("/dev/null")
        Path(os.fsdecode(b"caf\xe9.csv")).write_text("latin 1")
        (tmp_path / "closed").mkdir()
        scandir = os.scandir

        def refusing(path: str) -> object:
            if path.endswith("/closed"):
                raise PermissionError(13, "Permission denied", path)
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refusing)
        files, left_out = walk(tmp_path)
    assert files == []
    assert [item.path for item in left_out] == ["caf\ufffd.csv", "closed", "device.csv", "pipe.csv", "socket.csv"]
    assert dict(left_out)["closed"] == "Permission denied"


def test_a_path_of_a_version_stays_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "out").symlink_to("..")
    (folder / "in").mkdir()
    places = {"in/new/a.csv": f"{folder}/in/new/a.csv", "in/../b.csv": f"{folder}/b.csv", "c": f"{folder}/c"}
    assert inside(folder, places) == places
    for path in ("../a", "/etc/passwd", "out/a", "in/../../a", "..", ".", "", "in/", "a\0b", "a\0/../../b"):
        with pytest.raises(UploadRejected, match="leads out"):
            inside(folder, ["a.csv", path])
