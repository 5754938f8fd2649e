"""Close a batch: find the files of a folder complete, and say which they are.

State `CloseBatch` of the data machine, after a wait. The execution of each file of a folder comes by; the one of
the last file (or of the folder's `_SUCCESS`) closes the batch, the others end. Writes `members.json` and the
batch's row.
"""

from typing import Any

from tidemill import names
from tidemill.again import until_undisturbed
from tidemill.data import batches, moves, uploads
from tidemill.data.batches import CLOSED, OPEN
from tidemill.ports import Clock, Index, ObjectStore, Row, Update

ACTOR = "CloseBatch"
LOOKS = 30
"""How often a batch waits for files that lie in its folder and whose events have not come yet."""
LOOK_SECONDS = 2
Answer = dict[str, Any]


def close_batch(
    *,
    bucket: str,
    project: str,
    folder: str,
    batch_id: str,
    upload_id: str,
    looks: int,
    objects: ObjectStore,
    index: Index,
    clock: Clock,
) -> Answer:
    """`closed` (by this call or an earlier one of the same upload, which goes on with the batch), `later` (another
    execution goes on with it), `waiting` (look again after `wait_seconds`), `empty` (a `_SUCCESS` and nothing
    else).

    `looks` counts the calls before this one. Raises ConflictError when files keep coming in.
    """
    answer = {
        "project": project, "folder": folder, "batch_id": batch_id, "upload_id": upload_id, "looks": looks + 1
    }  # fmt: skip

    def attempt() -> Answer:
        found = batches.gathering(index, project, folder)
        if found is None or found["batch_id"] != batch_id or found["state"] == CLOSED:
            return {**answer, "outcome": _closed_before(index, project, batch_id, upload_id)}
        if not found["complete"] and found["latest"] != upload_id:
            return {**answer, "outcome": "later"}
        rows = _members(index, project, batch_id)
        if looks < LOOKS and _on_their_way(bucket, project, folder, rows, objects=objects, index=index):
            return {**answer, "outcome": "waiting", "wait_seconds": LOOK_SECONDS}
        members = [row for row in rows if row.get("file")]
        _close(project, found, members, upload_id, objects=objects, index=index, clock=clock)
        return {**answer, "outcome": "closed" if members else "empty"}

    return until_undisturbed(attempt)


def _closed_before(index: Index, project: str, batch_id: str, upload_id: str) -> str:
    """One execution goes on with a batch: the one that closed it, or any if that one failed. Of a thousand files,
    each would validate all of them again."""
    row = index.get(names.pk(project), names.sk_batch(batch_id))
    if row is None or (row["closed_by"] != upload_id and row["state"] != uploads.FAILED):
        return "later"
    return "closed" if row["files"] else "empty"


def _members(index: Index, project: str, batch_id: str) -> list[Row]:
    """The rows of the uploads that belong to the batch."""
    pk = names.pk(project)
    found = index.query(pk, names.sk_member(batch_id))
    rows = [index.get(pk, names.sk_upload(member["upload_id"])) for member in found]
    return [row for row in rows if row is not None]


def _on_their_way(
    bucket: str, project: str, folder: str, rows: list[Row], *, objects: ObjectStore, index: Index
) -> bool:
    """Whether an object lies in the folder of which no event was heard yet, or whose reading is under way: S3
    tells of objects in any order, and lists them at once."""
    known = {row["upload_id"] for row in rows}
    for key, stat in objects.stats(names.incoming(project, f"{folder}/")):
        place = uploads.place_of(key)
        if place is None or place.closes or uploads.is_hidden(place.path):
            continue
        identifier = uploads.upload_id(bucket=bucket, key=key, version_id=stat.version_id)
        if identifier not in known and index.get(names.pk(project), names.sk_upload(identifier)) is None:
            return True
    return False


def _close(
    project: str,
    found: Row,
    members: list[Row],
    closer: str,
    *,
    objects: ObjectStore,
    index: Index,
    clock: Clock,
) -> None:
    """Write the members, then make them the batch's. Whoever registers a file meanwhile changes `latest`."""
    batch_id, at = found["batch_id"], clock()
    batches.write_members(objects, project, batch_id, [uploads.file_of(row) for row in members])
    told = {name: _common(members, name) for name in ("author", "reason_given")}
    row = {
        "project": project,
        "batch_id": batch_id,
        "folder": found["folder"],
        "generation": found["epoch"],
        "state": uploads.REGISTERED if members else uploads.UNCHANGED,
        "files": len(members),
        "closed_by": closer,
        **{name: value for name, value in told.items() if value},
    }
    closing = Update(
        names.pk(project),
        names.sk_gathering(found["folder"]),
        {"state": CLOSED},
        {"state": OPEN, "epoch": found["epoch"], "latest": found["latest"]},
    )
    moves.made(objects, index, moves.first(row, at=at, by=ACTOR), closing)


def _common(members: list[Row], name: str) -> str:
    """What the uploads say of themselves, each thing once."""
    return ", ".join(sorted({str(row[name]) for row in members if row.get(name)}))
