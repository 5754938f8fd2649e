"""Register an upload: read it once, keep its content, and say what dataset version it would make.

State `RegisterVersion` of the data machine, the first to hear of an upload. Writes the content to `objects/`,
the manifest of the candidate to `manifests/`, and the upload's row. It gives no number: that is AcceptVersion's.
"""

from collections.abc import Callable
from typing import Any

from tidemill import canonical, names
from tidemill.data import candidates, manifests, read, uploads
from tidemill.data.manifests import File
from tidemill.errors import ProjectUnknown, RecordNotFound, UploadGone, UploadRejected
from tidemill.governance import audit
from tidemill.observability import count, logger
from tidemill.ports import Clock, Index, ObjectStore, Put, Row
from tidemill.projects import Project

ACTOR = "RegisterVersion"
NO_PROJECT = "none"  # the metric's dimension; the name in the key may be anything
Answer = dict[str, Any]


def register_version(
    *,
    bucket: str,
    key: str,
    version_id: str,
    sequencer: str,
    size: int,
    load_project: Callable[[str], Project],
    objects: ObjectStore,
    index: Index,
    clock: Clock,
) -> Answer:
    """What became of the object version: see the data machine in docs/architecture.md for the outcomes.

    Raises ConflictError when others kept winning the race for the upload's rows.
    """
    place = uploads.place_of(key)
    if place is None:
        return _ignore_stranger(key)
    arrived = {
        "project": place.project,
        "upload_id": uploads.upload_id(bucket=bucket, key=key, version_id=version_id),
        "key": key,
        "version_id": version_id,
        "sequencer": sequencer,
        "state": uploads.REGISTERED,
    }

    def attempt() -> Answer:
        stored = index.get(names.pk(place.project), names.sk_upload(arrived["upload_id"]))
        if stored is not None and stored["state"] in uploads.SETTLED:
            return _told_again(stored)
        try:
            project = _project(place.project, load_project)
            file = _kept(stored) or _keep(arrived, place.path, size, objects)
        except UploadGone as error:
            logger.warning(str(error))
            return {**_ids(arrived), "identity": None, "outcome": "gone", "reason": str(error)}
        except UploadRejected as error:
            _save(arrived, stored, index=index, clock=clock)
            return {
                **_ids(arrived),
                "identity": None,
                "outcome": "rejected",
                "code": error.code,
                "reason": error.reason,
            }
        return _propose({**arrived, "file": file.model_dump()}, stored, project, objects, index, clock)

    return candidates.until_undisturbed(attempt)


def _propose(
    upload: Row, stored: Row | None, project: Project, objects: ObjectStore, index: Index, clock: Clock
) -> Answer:
    """Write the manifest and the row; settle the upload at once if it brings nothing new."""
    candidate = candidates.build(upload, project=project, objects=objects, index=index)
    if candidate.outcome != "new":
        row = _save(upload, stored, index=index, clock=clock)
        return _told_again(candidates.close(row, candidate, index=index, at=clock(), by=ACTOR))
    identity = manifests.write(objects, candidate.manifest)
    _save({**upload, "identity": identity}, stored, index=index, clock=clock)
    return {**_ids(upload), "identity": identity, "outcome": "registered"}


def _save(upload: Row, stored: Row | None, *, index: Index, clock: Clock) -> Row:
    """The upload's row, written anew, or brought up to date after an earlier try. Raises ConflictError."""
    if stored is not None:
        changes: Row = {name: upload[name] for name in ("state", "file", "identity") if name in upload}
        if any(stored.get(name) != value for name, value in changes.items()):
            index.transact(uploads.move(stored, changes, at=clock(), by=ACTOR))
        return {**stored, **changes}
    at, project = clock(), upload["project"]
    row = {**upload, "at": at.isoformat()}
    subject, key = f"upload {upload['upload_id']}", upload["key"]
    entry = audit.entry(project=project, action="data.registered", subject=subject, at=at, by=ACTOR, key=key)
    index.transact([Put(names.pk(project), names.sk_upload(upload["upload_id"]), row, if_absent=True), entry])
    return row


def _project(name: str, load_project: Callable[[str], Project]) -> Project:
    try:
        return load_project(name)
    except ProjectUnknown as error:
        raise UploadRejected("unknown_project", str(error)) from error


def _kept(stored: Row | None) -> File | None:
    """The content that an earlier try has put away: the upload itself may be gone by now."""
    return uploads.file_of(stored) if stored and stored.get("file") else None


def _keep(upload: Row, path: str, size: int, objects: ObjectStore) -> File:
    """Read the object version, check that it is CSV, and copy it to its content address."""
    if size > read.MAX_BYTES:
        remedy = "split the file by rows, with the header in each part"
        raise UploadRejected("too_large", f"{size} bytes are more than {read.MAX_BYTES}; {remedy}")
    key, version_id = upload["key"], upload["version_id"]
    try:
        body = objects.get(key, version_id=version_id)
        rows, digest = read.count_rows(body), canonical.sha256(body)
        objects.copy_new(key, names.content(digest), version_id=version_id)
    except RecordNotFound as error:
        raise UploadGone(
            f"{key!r} (version {version_id}) was deleted before it was read; upload it again"
        ) from error
    return File(path=path, size=len(body), sha256=digest, rows=rows)


def _told_again(upload: Row) -> Answer:
    """The answer about an upload that is settled. `same_upload`: the version with this content is its own."""
    answer = {**_ids(upload), "identity": upload.get("identity")}
    if upload["state"] == uploads.QUARANTINED:
        return {**answer, "outcome": "rejected", "code": upload["code"], "reason": upload["reason"]}
    if upload["state"] == uploads.SUPERSEDED:
        return {**answer, "outcome": "ignored", "reason": upload["reason"]}
    own, version = upload["state"] == uploads.ACCEPTED, upload["dataset_version"]
    return {**answer, "outcome": "unchanged", "dataset_version": version, "same_upload": own}


def _ignore_stranger(key: str) -> Answer:
    reason = "not incoming/<project>/<file> with a project's name (a-z, 0-9 and -, from a letter); move it there"
    if not key.endswith("/"):  # a folder marker is nobody's upload
        logger.warning("object ignored", extra={"key": key, "reason": reason})
        count(names.METRIC_IGNORED, 1, project=NO_PROJECT)
    return {"project": None, "upload_id": None, "identity": None, "outcome": "ignored", "reason": reason}


def _ids(upload: Row) -> Answer:
    return {"project": upload["project"], "upload_id": upload["upload_id"]}
