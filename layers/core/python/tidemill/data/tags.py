"""Tags: movable names of a project's dataset versions, each move kept.

The row `TAG#<tag>` is the truth: the version it points to (0: removed), and how often it moved (`epoch`). It
changes by compare-and-set together with its audit row; each move is then written down in S3 as
`tags/<project>/<tag>/<epoch>.json`, at the latest before the next one, so that S3 has no gap below the newest. The
commands and the client move tags; training and everybody else may read them.
"""

import json
import re
from datetime import datetime
from types import EllipsisType

from tidemill import canonical, names
from tidemill.data import versions
from tidemill.errors import ConflictError, IndexBehind, RequestInvalid
from tidemill.governance import audit
from tidemill.ports import Clock, Index, ObjectStore, Put, Row

LATEST = "latest"
NAME = re.compile(r"[a-z][a-z0-9._-]{0,62}")
ATTEMPTS = 10
_READ_OTHERWISE = re.compile(r"latest|v\d+|[0-9a-f]{8,}")
_NOTHING: Row = {"version": 0, "previous": 0, "epoch": 0, "at": "", "by": "", "reason": ""}
_FACT = ("tag", "version", "previous", "epoch", "at", "by", "reason")


def require_name(tag: str) -> None:
    """Raises RequestInvalid if a tag cannot be called so."""
    if not NAME.fullmatch(tag):
        raise RequestInvalid(
            "tag", f"{tag!r} is no name for a tag; use a-z, 0-9, '.', '_' and '-', from a letter, at most 63"
        )
    if _READ_OTHERWISE.fullmatch(tag):
        raise RequestInvalid(
            "tag", f"{tag!r} would be read as a number, an identity or `latest`; choose another name"
        )


def read(index: Index, project: str, tag: str) -> Row:
    """The tag as it is: `tag, version, previous, epoch, at, by, reason`; version 0, epoch 0 if there never was
    one."""
    return _plain(index.get(names.pk(project), names.sk_tag(tag)) or {**_NOTHING, "tag": tag})


def listing(index: Index, project: str) -> list[Row]:
    """The tags that point to a version, by name."""
    return [_plain(row) for row in index.query(names.pk(project), names.TAGS) if row["version"]]


def move_tag(
    *,
    project: str,
    tag: str,
    version: int,
    expected: int | EllipsisType | None = ...,
    reason: str = "",
    by: str,
    objects: ObjectStore,
    index: Index,
    clock: Clock,
) -> Row:
    """Point the tag to `version` (0 removes it), and give its row; if it points there already nothing changes.

    `expected` is the version the caller saw it at; None or 0: that it does not exist; left out: wherever it is.
    Called again after having been killed it gives the same row. Raises ConflictError, which tells where the tag
    points, if that is not `expected`; RecordNotFound if there is no such version; RequestInvalid for a name that
    no tag can have; IndexBehind if S3 holds moves that the table lost.
    """
    require_name(tag)
    if version:
        versions.row(index, project, version)
    for _ in range(ATTEMPTS):
        stored = read(index, project, tag)
        _write_fact(stored, project, objects)
        if stored["version"] == version and _is_done(stored, expected):
            return stored
        _require_expected(stored, expected, project)
        _require_free(stored, project, objects, index)
        moved = {**stored, "version": version, "previous": stored["version"], "epoch": stored["epoch"] + 1}
        moved |= {"at": clock().isoformat(), "by": by, "reason": reason}
        try:
            row = Put(names.pk(project), names.sk_tag(tag), moved, if_epoch=stored["epoch"])
            index.transact([row, _entry(moved, project)])
        except ConflictError:
            continue  # somebody else moved it since; where it is now decides whether this move still holds
        _write_fact(moved, project, objects)
        return moved
    raise ConflictError(f"tag {tag!r} of {project!r} is being moved by others all the time; try again")


def history(project: str, tag: str, *, objects: ObjectStore, index: Index) -> list[Row]:
    """Every move of a tag, the first one first; a newest one that was left unwritten in S3 is written. None if
    there never was such a tag."""
    stored = read(index, project, tag)
    _write_fact(stored, project, objects)
    keys = objects.keys(names.tag_moves(project, tag))
    moves = [_plain(json.loads(objects.get(key))) for key in keys]
    return [move for move in moves if move["epoch"] <= stored["epoch"]]


def rows_of(objects: ObjectStore, project: str) -> dict[str, Row]:
    """The tags' rows and their audit rows, by sort key, as the facts in S3 have them: of these a lost table is
    made again."""
    rows: dict[str, Row] = {}
    for key in objects.keys(names.tag_moves(project)):
        fact = json.loads(objects.get(key))
        entry = fact["audit"]
        rows[entry.pop("sk")] = entry
        rows[names.sk_tag(fact["tag"])] = _plain(fact)  # keys come in the order of the moves
    return rows


def _is_done(stored: Row, expected: int | EllipsisType | None) -> bool:
    """Whether a tag that points where it should need not move: nobody asked whence, it was seen there, or its
    last move is this very one, made by a caller that was killed before it heard so."""
    return expected is ... or (expected or 0) in (stored["version"], stored["previous"])


def _require_expected(stored: Row, expected: int | EllipsisType | None, project: str) -> None:
    if expected is ... or (expected or 0) == stored["version"]:
        return
    seen = f"version {expected}" if expected else "nothing"
    if stored["version"]:
        present = f"it points to version {stored['version']} (moved at {stored['at']} by {stored['by']})"
    else:
        present = (
            "it does not exist" if not stored["epoch"] else f"it was removed at {stored['at']} by {stored['by']}"
        )
    raise ConflictError(
        f"tag {stored['tag']!r} of {project!r} was expected to point to {seen}, but {present}; look at "
        f"`tidemill data tags {project}`, then decide again"
    )


def _require_free(stored: Row, project: str, objects: ObjectStore, index: Index) -> None:
    """Raises IndexBehind if S3 holds a move that the table does not know: it was lost or set back, and the next
    move would overwrite history."""
    tag, number = stored["tag"], stored["epoch"] + 1
    key = names.tag(project, tag, number)
    if objects.exists(key) and read(index, project, tag)["epoch"] < number:
        raise IndexBehind(
            f"{key} is not in the table (it ends at move {number - 1}); run `tidemill rebuild-index` first"
        )


def _entry(moved: Row, project: str) -> Put:
    """The audit row of a move, as it follows from the move."""
    return audit.entry(
        project=project,
        action="data.tagged" if moved["version"] else "data.untagged",
        subject=f"tag {moved['tag']}",
        at=datetime.fromisoformat(moved["at"]),
        by=moved["by"],
        **{name: moved[name] for name in ("version", "previous", "epoch", "reason")},
    )


def _write_fact(row: Row, project: str, objects: ObjectStore) -> None:
    """Write the tag's last move to S3 with its audit record, from which the table can be made again, if that has
    not been done; who may only read can read on if it has."""
    key = names.tag(project, row["tag"], row["epoch"])
    if row["epoch"] and not objects.exists(key):
        entry = _entry(row, project)
        fact = {"project": project, **row, "audit": {"sk": entry.sk, **entry.row}}
        objects.put_new(key, canonical.dumps(fact), content_type="application/json")


def _plain(row: Row) -> Row:
    return {name: row[name] for name in _FACT}
