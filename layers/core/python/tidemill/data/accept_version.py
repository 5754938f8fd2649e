"""Accept a validated upload as the next dataset version.

State `AcceptVersion` of the data machine. The number, the version's row, the content's row, the upload's state
and the audit row change in one transaction, or none does; the fact in S3 follows (see `versions`). Two uploads
in flight were both registered on the same parent: the second one is built anew on the first, so that neither is
lost.
"""

import json
from datetime import datetime
from typing import Any

from tidemill import names
from tidemill.data import candidates, manifests, uploads, versions
from tidemill.data.candidates import Candidate
from tidemill.errors import UploadRejected
from tidemill.ports import Clock, Index, ObjectStore, Put, Row, Update
from tidemill.projects import Project

ACTOR = "AcceptVersion"
Answer = dict[str, Any]


def run_id_of(project: str, version: int) -> str:
    """The id of the run that a new dataset version starts."""
    return f"{project}-v{version:05d}"


def accept_version(
    *, project: Project, upload_id: str, identity: str, objects: ObjectStore, index: Index, clock: Clock
) -> Answer:
    """Give the upload its dataset version, the same one however often this is called.

    Raises RecordNotFound if there is no validation report for `identity`, UploadRejected if it or an earlier
    state refused the upload, IndexBehind if the table lacks versions that S3 holds, ConflictError if others kept
    winning the race.
    """

    def attempt() -> Answer:
        upload = uploads.read(index, project.name, upload_id)
        if upload["state"] == uploads.QUARANTINED:
            raise UploadRejected(upload["code"], f"upload {upload_id} is in quarantine: {upload['reason']}")
        if upload["state"] in uploads.SETTLED:
            return _settled(upload, objects, index)
        candidate = candidates.build(upload, project=project, objects=objects, index=index)
        if candidate.outcome != "new":
            return _settled(candidates.close(upload, candidate, index=index, at=clock(), by=ACTOR), objects, index)
        _prepare(candidate, identity, objects=objects, index=index)
        at = clock()
        accepted = {
            "state": uploads.ACCEPTED,
            "identity": candidate.manifest.identity,
            "dataset_version": candidate.head + 1,
            "ended_at": at.isoformat(),
        }
        index.transact(_changes(upload, candidate, accepted, at))
        return _settled({**upload, **accepted}, objects, index)

    return candidates.until_undisturbed(attempt)


def _prepare(candidate: Candidate, identity: str, *, objects: ObjectStore, index: Index) -> None:
    """Everything that must be in S3 before the number is given: the manifest and the validation report under
    the candidate's present identity, and the parent's fact, should its own process have died before writing it."""
    project, head = candidate.manifest.project, candidate.head
    report = objects.get(names.validation(project, identity))
    verdict = json.loads(report)
    if verdict["outcome"] != "accepted":
        raise UploadRejected(verdict["code"], verdict["reason"])
    present = manifests.write(objects, candidate.manifest)
    if present != identity:
        objects.put(names.validation(project, present), report, content_type="application/json")
    if head:
        versions.write_fact(head, project=project, objects=objects, index=index)
    versions.require_free(head + 1, project=project, objects=objects, index=index)


def _changes(upload: Row, candidate: Candidate, accepted: dict[str, Any], at: datetime) -> list[Put | Update]:
    manifest, head, number = candidate.manifest, candidate.head, candidate.head + 1
    pk = names.pk(manifest.project)
    row = {
        "version": number,
        "identity": manifest.identity,
        "parent": head,
        "rows": manifest.rows,
        "files": len(manifest.files),
        "bytes": manifest.size,
        "source": upload["upload_id"],
        "at": at.isoformat(),
    }
    return [
        Put(pk, names.COUNTER_DATASETS, {"value": number, "epoch": number}, if_epoch=head),
        Put(pk, names.sk_dataset(number), row, if_absent=True),
        Put(pk, names.sk_content(manifest.identity), {"dataset_version": number}, if_absent=True),
        uploads.latest(upload, candidate.seen),
        *uploads.move(upload, accepted, at=at, by=ACTOR, subject=f"dataset v{number:05d}"),
    ]


def _settled(upload: Row, objects: ObjectStore, index: Index) -> Answer:
    """The answer about an upload that is settled, the fact of its version written if that was left undone."""
    project = upload["project"]
    answer = {"project": project, "upload_id": upload["upload_id"], "outcome": upload["state"]}
    if upload["state"] != uploads.ACCEPTED:
        return answer
    number = upload["dataset_version"]
    versions.write_fact(number, project=project, objects=objects, index=index)
    return {**answer, "dataset_version": number, "parent": number - 1, "run_id": run_id_of(project, number)}
