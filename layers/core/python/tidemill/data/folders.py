"""The files of a folder on this machine, without opening any of them.

Symbolic links are followed as long as they stay inside the folder. What cannot be a file of a dataset (sockets and
devices, what may not be read, links that lead out, in circles or nowhere, names that are no text) is told, not
passed over. Names that start with a dot are: `.git`, `.DS_Store`, `.ipynb_checkpoints` are no data.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tidemill.errors import UploadRejected


class Found(NamedTuple):
    """A file: `path` relative to the folder, with slashes, which is its name; `place`, where to open it; and what
    tells whether it has changed: size in bytes, times in ns, inode."""

    path: str
    place: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @property
    def facts(self) -> tuple[int, int, int, int]:
        return self.size, self.mtime_ns, self.ctime_ns, self.inode


class LeftOut(NamedTuple):
    """What is in the folder and cannot be taken, and why."""

    path: str
    why: str


def walk(folder: Path) -> tuple[list[Found], list[LeftOut]]:
    """The files in `folder`, ordered by path, and what was left out; of a file, itself. Raises OSError if the
    folder cannot be read."""
    root = os.path.realpath(folder)
    status = os.stat(root)
    if not stat.S_ISDIR(status.st_mode):
        items = [_file(folder.name, root, status)]
    else:
        items = list(_walk(root, "", root, {(status.st_dev, status.st_ino)}))
    files = sorted(item for item in items if isinstance(item, Found))
    return files, sorted(item for item in items if isinstance(item, LeftOut))


def _walk(folder: str, above: str, root: str, inside: set[tuple[int, int]]) -> Iterator[Found | LeftOut]:
    """`inside`: device and inode of the folders that this one is in, to know a circle by."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = above + entry.name
            try:
                if entry.is_symlink():
                    yield from _linked(entry, path, root, inside)
                elif entry.is_dir(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    yield from _walk(entry.path, path + "/", root, inside | {(status.st_dev, status.st_ino)})
                else:
                    yield _file(path, entry.path, entry.stat(follow_symlinks=False))
            except OSError as error:
                yield LeftOut(_shown(path), error.strerror or str(error))


def _linked(
    entry: os.DirEntry[str], path: str, root: str, inside: set[tuple[int, int]]
) -> Iterator[Found | LeftOut]:
    target = os.path.realpath(entry.path)
    if os.path.commonpath([root, target]) != root:
        yield LeftOut(_shown(path), "a link that leads out of the folder")
        return
    status = os.stat(target)
    if not stat.S_ISDIR(status.st_mode):
        yield _file(path, target, status)
    elif (status.st_dev, status.st_ino) in inside:
        yield LeftOut(_shown(path), "a link to a folder that it is in")
    else:
        yield from _walk(target, path + "/", root, inside | {(status.st_dev, status.st_ino)})


def _file(path: str, place: str, status: os.stat_result) -> Found | LeftOut:
    if not stat.S_ISREG(status.st_mode):
        return LeftOut(_shown(path), "not a file (a socket, a device or a pipe)")
    if not path.isprintable() and _shown(path) != path:
        return LeftOut(_shown(path), "its name is no UTF-8")
    return Found(path, place, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _shown(path: str) -> str:
    """The path with bytes that are no text replaced, so that it can be printed."""
    return path.encode(errors="surrogateescape").decode(errors="replace")


def inside(folder: Path, paths: Iterable[str]) -> dict[str, str]:
    """Where files of these paths belong in `folder`, by path. Raises UploadRejected if one does not belong there,
    also by way of links: who wrote a version does not choose where on this machine files are written."""
    root = os.path.realpath(folder)
    places: dict[str, str] = {}
    real: dict[str, str] = {}
    for path in paths:
        above, _, name = path.rpartition("/")
        if above not in real:
            real[above] = os.path.realpath(os.path.join(root, above.replace("\0", "")))
        outside = os.path.commonpath([root, real[above]]) != root
        if outside or "\0" in path or name in ("", ".", ".."):
            raise UploadRejected("path", f"{path!r} leads out of {folder}; do not use this version")
        places[path] = f"{real[above]}/{name}"
    return places
