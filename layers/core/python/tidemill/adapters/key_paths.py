"""Which file of a directory holds which key, and back.

A key is any text. Its parts between slashes become folders and a file of the same names, if they are ordinary:
`incoming/tides/2026/a.csv` is just that. For the rest `%` speaks:

| in a key | on disk |
| --- | --- |
| a character that some file system refuses, `%`, a leading dot | `%3A`, as in URLs |
| an empty part (`a//b`) | `%_` |
| a file that looks like a folder (`README`), and the reverse (`a.csv/b`) | `README%`, `a.csv%/b%` |
| a part of more than 200 bytes | pieces, all but the last ending in `%+` |

The third line lets `a` and `a/b` both be keys. What looks like a file has a dot in it or is a SHA-256. No two keys
share a file, and the parts of a long name keep the order of the keys.
"""

import os
import re
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from tidemill.errors import TidemillError

LONG = 200
EMPTY, ODD, MORE = "%_", "%", "%+"
_UNSAFE = re.compile('[%\x00-\x1f\x7f\\\\:*?"<>|\ud800-\udfff]')
_ORDINARY = re.compile(r"(?:[0-9A-Za-z_=-]{1,50}/)*(?:[0-9A-Za-z_=-]{1,50}\.[0-9A-Za-z]{1,9}|[0-9a-f]{64})")
_LIKE_A_FILE = re.compile(r".*\..*|[0-9a-f]{64}", re.DOTALL)


class DirectoryUnsuitable(TidemillError):
    """The directory is on a file system that cannot hold a store."""


class Part(NamedTuple):
    """What the name of a file or folder adds to a key, a folder's slash included."""

    text: str
    is_folder: bool


def path_of(key: str) -> str:
    """The path of the file of `key`, relative, with slashes."""
    if _ORDINARY.fullmatch(key):
        return key
    *folders, last = key.split("/")
    parts = [name for folder in folders for name in _names(folder, is_folder=True)]
    return "/".join([*parts, *_names(last, is_folder=False)])


def walk(root: Path, prefix: str, after: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The keys that start with `prefix` and sort after `after`, in order, with their files below `root`. In memory
    are the names of one folder at a time, and of those above it."""
    start = prefix[: prefix.rfind("/") + 1]
    folder = "/".join(name for part in start.split("/")[:-1] for name in _names(part, is_folder=True))
    return _walk(root / folder, start, prefix, after)


def _walk(folder: Path | str, above: str, prefix: str, after: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Below `folder`, which has the keys that start with `above`. A folder sorts, with its slash, where its keys
    do."""
    for part, entry in _parts(folder):
        key = above + part.text
        if not part.is_folder:
            if key.startswith(prefix) and key > after:
                yield key, entry
        elif (key.startswith(prefix) or prefix.startswith(key)) and (key > after or after.startswith(key)):
            yield from _walk(entry.path, key, prefix, after)


def _parts(folder: Path | str) -> list[tuple[Part, os.DirEntry[str]]]:
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                part = _part(entry.name, is_folder=entry.is_dir(follow_symlinks=False))
                if part:
                    found.append((part, entry))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found, key=lambda pair: pair[0])


def _part(name: str, *, is_folder: bool) -> Part | None:
    """What a name on disk stands for; None if no key has it (the store's own, or put there by somebody else)."""
    try:
        if is_folder and name.endswith(MORE):
            return Part(_unescaped(name.removesuffix(MORE)), True) if len(name.encode()) > LONG else None
        text = _unescaped(name.removesuffix(ODD))
    except ValueError:  # bytes that are no text
        return None
    if [name] != _names(text, is_folder=is_folder):
        return None
    return Part(text + "/" if is_folder else text, is_folder)


def _names(text: str, *, is_folder: bool) -> list[str]:
    names = []
    escaped = _escaped(text)
    while len(escaped.encode()) > LONG:
        cut = _cut(text)
        names.append(_escaped(text[:cut]) + MORE)
        text = text[cut:]
        escaped = _escaped(text)
    odd = (_LIKE_A_FILE.fullmatch(text) is not None) == is_folder
    return [*names, (escaped or EMPTY) + (ODD if odd else "")]


def _cut(text: str) -> int:
    """How many characters go into a piece: the first that make it longer than LONG. So no whole part is as long
    as a piece, and comparing names that start alike never meets the end of one of them in the middle."""
    length = 0
    for place, character in enumerate(text, start=1):
        length += len(_escaped(character).encode())
        if length > LONG:
            return place
    return len(text)


def _escaped(text: str) -> str:
    escaped = _UNSAFE.sub(_hexadecimal, text)
    return "%2E" + escaped[1:] if escaped.startswith(".") else escaped


def _hexadecimal(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


def _unescaped(name: str) -> str:
    if name == EMPTY:
        return ""
    return unquote_to_bytes(name).decode("utf-8", "surrogatepass") if "%" in name else name


def require_distinct(root: Path) -> None:
    """Make the folder `root`. Raises DirectoryUnsuitable if two different names are one file there."""
    root.mkdir(parents=True, exist_ok=True)
    probe = root / f".probe-\u00c9-{os.getpid()}-{time.time_ns()}"
    probe.touch()
    try:
        for other in (probe.name.lower(), unicodedata.normalize("NFD", probe.name)):
            if (root / other).exists():
                raise DirectoryUnsuitable(
                    f"{root} takes {probe.name!r} and {other!r} for one file; choose a file system that does not"
                )
    finally:
        probe.unlink()
