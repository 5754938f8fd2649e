"""Which files differ between two dataset versions, and which of their contents have to be read to tell the rows.

Called by `versions_diff`; reads nothing but the manifests it is given.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from tidemill.data import versions
from tidemill.data.compare_version import changed_files
from tidemill.data.manifests import File


def compare_files(before: versions.Document, after: versions.Document) -> dict[str, list[Any]]:
    """`added` and `removed` (path, rows, size), `replaced` (path, and rows and size of both), `moved` (the same
    content under another path: `from`, `path`, rows, size), `unchanged` (paths), each ordered by path."""
    old, new = ({file.path: file for file in versions.files_of(fact)} for fact in (before, after))
    found = changed_files(before, after)
    left = defaultdict(list)
    for path in found["removed"]:
        left[old[path].sha256].append(path)
    moved = {}
    for path in found["added"]:
        if left[new[path].sha256]:
            moved[path] = left[new[path].sha256].pop(0)
    gone = set(found["removed"]) - set(moved.values())
    return {
        "added": [_told(new[path]) for path in sorted(found["added"]) if path not in moved],
        "removed": [_told(old[path]) for path in sorted(gone)],
        "replaced": [_replaced(old[path], new[path]) for path in sorted(found["replaced"])],
        "moved": [{"from": moved[path], **_told(new[path])} for path in sorted(moved)],
        "unchanged": sorted(path for path, file in new.items() if path in old and old[path].sha256 == file.sha256),
    }


def any_file(files: Mapping[str, Any]) -> bool:
    """Whether `compare_files` found one that changed."""
    return any(found for what, found in files.items() if what != "unchanged")


def to_read(before: versions.Document, after: versions.Document) -> tuple[tuple[File, ...], tuple[File, ...]]:
    """The files of each side whose contents the other one does not have, or not as often. The rows of a content
    that both have are on both sides: leaving them out takes the same rows from both, whatever their keys."""
    sides = versions.files_of(before), versions.files_of(after)
    contents = [Counter(file.sha256 for file in side) for side in sides]
    shared = contents[0] & contents[1]
    return _beyond(sides[0], shared), _beyond(sides[1], shared)


def _beyond(files: Iterable[File], shared: Counter[str]) -> tuple[File, ...]:
    left, kept = Counter(shared), []
    for file in files:
        if left[file.sha256]:
            left[file.sha256] -= 1
        else:
            kept.append(file)
    return tuple(kept)


def _told(file: File) -> dict[str, Any]:
    return {"path": file.path, "rows": file.rows, "size": file.size}


def _replaced(old: File, new: File) -> dict[str, Any]:
    return {
        "path": new.path,
        "rows_before": old.rows,
        "rows_after": new.rows,
        "size_before": old.size,
        "size_after": new.size,
    }
