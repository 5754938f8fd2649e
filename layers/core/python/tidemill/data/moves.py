"""Rows that move from state to state, each move an audit row in the same transaction and a fact in S3.

Uploads and batches move so. The fact of a move, `uploads/<project>/<id>/0002.json`, is the whole row as it is
after it, with its audit record: the table can be made again from the facts. It is written after the transaction,
and once more by whoever next takes the row up, should the process have died in between.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidemill import canonical, names
from tidemill.governance import audit
from tidemill.ports import Index, ObjectStore, Put, Row, Update

_TOLD = ("dataset_version", "code", "error")


def subject(row: Row) -> str:
    """The name of the thing in the audit trail: `upload 0f3a…`, `batch batch-77…`."""
    return f"upload {row['upload_id']}" if "upload_id" in row else f"batch {row['batch_id']}"


def sort_key(row: Row) -> str:
    """Where the row stands in the table."""
    return names.sk_upload(row["upload_id"]) if "upload_id" in row else names.sk_batch(row["batch_id"])


def fact_key(row: Row) -> str:
    """Where the fact of the row's last move is written."""
    identifier = row["upload_id"] if "upload_id" in row else row["batch_id"]
    folder = names.upload if "upload_id" in row else names.batch
    return f"{folder(row['project'], identifier)}{row['moves']:04d}.json"


def first(row: Row, *, at: datetime, by: str, **details: Any) -> tuple[Row, list[Put | Update]]:
    """The row of a new thing, and the changes that write it, if it is not there yet."""
    row = {**row, "at": at.isoformat(), "moves": 1}
    entry = _entry(row, at, by, None, details)
    row["audit"] = _record(entry)
    return row, [Put(names.pk(row["project"]), sort_key(row), row, if_absent=True), entry]


def move(
    row: Row, changes: Mapping[str, Any], *, at: datetime, by: str, about: str | None = None
) -> tuple[Row, list[Put | Update]]:
    """The row after the changes, its state among them, and what to transact: conditional on the move before."""
    moved = {**row, **changes, "moves": row["moves"] + 1}
    details = {name: changes[name] for name in _TOLD if name in changes}
    entry = _entry(moved, at, by, about, details)
    moved["audit"] = _record(entry)
    written = {name: moved[name] for name in (*changes, "moves", "audit")}
    before = {"state": row["state"], "moves": row["moves"]}
    return moved, [Update(names.pk(row["project"]), sort_key(row), written, before), entry]


def keep(objects: ObjectStore, row: Row) -> Row:
    """Write the fact of the row's last move, if that has not been done; give the row."""
    fact = {name: value for name, value in row.items() if name not in ("pk", "sk")}
    objects.put_new(fact_key(row), canonical.dumps(fact), content_type="application/json")
    return row


def made(objects: ObjectStore, index: Index, moved: tuple[Row, list[Put | Update]], *more: Put | Update) -> Row:
    """Transact a move (with what belongs to it), then write its fact; give the row. Raises ConflictError."""
    row, changes = moved
    index.transact([*changes, *more])
    return keep(objects, row)


def _entry(row: Row, at: datetime, by: str, about: str | None, details: Mapping[str, Any]) -> Put:
    place = {name: row[name] for name in ("upload_id", "batch_id", "key") if name in row}
    return audit.entry(
        project=row["project"],
        action=f"data.{row['state']}",
        subject=about or subject(row),
        at=at,
        by=by,
        **{name.removesuffix("_id"): value for name, value in place.items()},
        **details,
    )


def _record(entry: Put) -> Row:
    """The audit row as the fact carries it, with its own place in the table."""
    return {"sk": entry.sk, **entry.row}
