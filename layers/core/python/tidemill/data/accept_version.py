"""Accept a validated batch as the next dataset version.

State `AcceptVersion` of the data machine. The number, the version's row, the content's row, the batch's state and
the audit row change in one transaction, or none does; the facts in S3 follow (see `versions`, `moves`). Two
batches in flight were both registered on the same parent: the second one is built anew on the first, so that
neither is lost.
"""

import json
from typing import Any

from tidemill import names
from tidemill.again import until_undisturbed
from tidemill.data import batches, candidates, moves, next_version, openlineage, uploads, versions
from tidemill.data.batches import Batch
from tidemill.errors import UploadRejected
from tidemill.ports import Clock, Index, ObjectStore
from tidemill.projects import Project

ACTOR = "AcceptVersion"
UNKNOWN = "unknown"
Answer = dict[str, Any]


def run_id_of(project: str, version: int) -> str:
    """The id of the run that a new dataset version starts."""
    return f"{project}-v{version:05d}"


def accept_version(
    *,
    project: Project,
    batch_id: str,
    objects: ObjectStore,
    index: Index,
    clock: Clock,
    store: str = openlineage.STORE,
) -> Answer:
    """Give the batch its dataset version, the same one however often this is called. `store` is the name of the
    bucket in the events for catalogues.

    Raises RecordNotFound if there is no validation report, UploadRejected if it or an earlier state refused the
    batch, IndexBehind if the table lacks versions that S3 holds, ConflictError if others kept winning the race.
    """

    def attempt() -> Answer:
        batch = batches.read(objects, index, project.name, batch_id)
        if batch.row["state"] == uploads.QUARANTINED:
            raise UploadRejected(
                batch.row["code"], f"{moves.subject(batch.row)} is in quarantine: {batch.row['reason']}"
            )
        if not batch.settled:
            batch = Batch(_settle(batch, project, objects, index, clock), batch.files)
        return _settled(batch, objects, index, clock, store)

    return until_undisturbed(attempt)


def _settle(batch: Batch, project: Project, objects: ObjectStore, index: Index, clock: Clock) -> dict[str, Any]:
    candidate = candidates.build(batch, project=project, objects=objects, index=index)
    if candidate.outcome != "new":
        return candidates.close(batch, candidate, objects=objects, index=index, at=clock(), by=ACTOR)
    report = _validation(objects, project.name, batch.id)
    at, number = clock(), candidate.head + 1
    document = versions.document(
        candidate.manifest,
        version=number,
        source=batch.id,
        reason=batch.row.get("reason_given") or f"upload of {batch.row.get('key') or batch.row['folder']}",
        author=batch.row.get("author") or UNKNOWN,
        at=at,
        how={"by": ACTOR, "mode": project.mode, "added": [file.path for file in candidate.new], **report["how"]},
        schema=report["schema"],
    )
    changes = next_version.proposed([document], objects=objects, index=index)
    accepted = {"state": uploads.ACCEPTED, "dataset_version": number, "ended_at": at.isoformat()}
    noted = uploads.NOT_NOTED
    if batch.alone:
        noted = uploads.latest(batch.row, candidate.seen.get(batch.files[0].path))
    moved = moves.move(batch.row, {**accepted, **noted.mark}, at=at, by=ACTOR, about=f"dataset v{number:05d}")
    return moves.made(objects, index, moved, *changes, *noted.changes)


def _validation(objects: ObjectStore, project: str, batch_id: str) -> dict[str, Any]:
    """The report that lets the batch in. Raises RecordNotFound, UploadRejected."""
    report: dict[str, Any] = json.loads(objects.get(names.validation(project, batch_id)))
    if report["outcome"] != uploads.ACCEPTED:
        raise UploadRejected(report["code"], report["reason"])
    return report


def _settled(batch: Batch, objects: ObjectStore, index: Index, clock: Clock, store: str) -> Answer:
    """The answer about a batch that is settled, what was left undone after the transaction done."""
    project, state = batch.row["project"], batch.row["state"]
    answer = {"project": project, "batch_id": batch.id, "outcome": state}
    if state == uploads.ACCEPTED:
        number = batch.row["dataset_version"]
        versions.write_fact(number, project=project, objects=objects, index=index)
        document = versions.read_fact(objects, project, number)
        events = openlineage.acceptance(document, arrived=batch.row["at"], store=store)
        openlineage.write(objects, project, events)
        answer |= {"dataset_version": number, "parent": number - 1, "run_id": run_id_of(project, number)}
    batches.settle_members(batch, objects=objects, index=index, at=clock(), by=ACTOR)
    return answer
