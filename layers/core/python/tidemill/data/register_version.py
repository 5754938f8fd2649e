"""Register an upload: read it once, keep its content, and say what dataset version it would make.

State `RegisterVersion` of the data machine, the first to hear of an upload. Writes the content to `objects/`, what
was read in it and the upload's row. It gives no number: that is AcceptVersion's. A file in a folder joins the
batch of that folder, which CloseBatch closes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from tidemill import names
from tidemill.again import until_undisturbed
from tidemill.data import batches, candidates, moves, uploads
from tidemill.data.batches import Batch
from tidemill.data.divisions import SPLIT_BYTES, Divided, Dividing
from tidemill.data.manifests import File
from tidemill.data.quarantine_upload import take_bytes_away
from tidemill.data.take_in import Reader, take_in
from tidemill.data.uploads import Place
from tidemill.errors import ProjectUnknown, UploadGone, UploadRejected
from tidemill.observability import count, logger
from tidemill.ports import Clock, Index, ObjectStore, Put, Row, Stat, Update
from tidemill.projects import Project

ACTOR = "RegisterVersion"
NO_PROJECT = "none"  # the metric's dimension; the name in the key may be anything
Answer = dict[str, Any]
ReadBy = Callable[[str, str, int], Reader]


@dataclass(frozen=True)
class Ports:
    """What a registration reads and writes."""

    objects: ObjectStore
    index: Index
    clock: Clock


def register_version(
    *,
    bucket: str,
    key: str,
    version_id: str,
    sequencer: str,
    requester: str = "",
    load_project: Callable[[str], Project],
    objects: ObjectStore,
    index: Index,
    clock: Clock,
    split_bytes: int = SPLIT_BYTES,
    read_by: ReadBy = Dividing,
) -> Answer:
    """What became of the object version: see the data machine in docs/architecture.md for the outcomes.

    A file above `split_bytes` is read in parts first, if it can be divided. `read_by`: made of project, upload id
    and `split_bytes`, it reads the upload. Raises ConflictError when others kept winning the race for the upload's
    rows.
    """
    place = uploads.place_of(key)
    if place is None or (uploads.is_hidden(place.path) and not place.closes):
        return _ignore(key, place)
    ports = Ports(objects, index, clock)
    identifier = uploads.upload_id(bucket=bucket, key=key, version_id=version_id)
    state = uploads.MARKER if place.closes else uploads.REGISTERED
    told = {"key": key, "version_id": version_id, "sequencer": sequencer, "state": state}
    arrived = {"project": place.project, "upload_id": identifier, **told}
    read = read_by(place.project, identifier, split_bytes)
    reading = _Reading(arrived, place, requester, ports, read)

    def attempt() -> Answer:
        stored = index.get(names.pk(place.project), names.sk_upload(arrived["upload_id"]))
        if stored is not None:
            moves.keep(objects, stored)
            if stored["state"] in uploads.SETTLED:
                return _told_again(stored)
        try:
            return _register(reading, stored, _project(place.project, load_project))
        except Divided as error:
            return {**_ids(arrived), "outcome": error.outcome, "parts": _items(arrived, error.parts)}
        except UploadGone as error:
            logger.warning(str(error))
            return {**_ids(arrived), "outcome": "gone", "reason": str(error)}
        except UploadRejected as error:
            _save(arrived, stored, ports)
            rejection = {"code": error.code, "reason": error.reason, "validation_key": error.report}
            return {**_ids(arrived), "outcome": "rejected", **rejection}

    return until_undisturbed(attempt)


class _Reading:
    """The upload with what is in it, read once, however often the race for its rows is lost."""

    def __init__(self, arrived: Row, place: Place, requester: str, ports: Ports, read: Reader) -> None:
        self.arrived, self.place, self.ports, self._read = arrived, place, ports, read
        self._requester = requester
        self._upload: Row | None = None

    def upload(self, stored: Row | None, project: Project) -> Row:
        """Raises Divided, UploadGone, UploadRejected."""
        if self._upload is None:
            upload = _arrival(self.arrived, self._requester, self.ports.objects)
            if not self.place.closes:
                at, objects = self.ports.clock(), self.ports.objects
                file = _kept(stored) or take_in(upload, self.place.path, project, objects, at=at, read=self._read)
                upload["file"] = file.model_dump(mode="json")
            self._upload = upload
        return self._upload


def _register(reading: _Reading, stored: Row | None, project: Project) -> Answer:
    """Read the upload, and let it be a batch by itself or join the one of its folder."""
    if stored is not None and stored.get("batch_id"):
        _put_original_away(stored, reading.ports)
        return _waiting(stored, project)
    upload = reading.upload(stored, project)
    if reading.place.folder is not None:
        joined = _join(upload, stored, reading.place, reading.ports)
        _put_original_away(joined, reading.ports)
        return _waiting(joined, project)
    return _propose(upload, stored, project, reading.ports)


def _propose(upload: Row, stored: Row | None, project: Project, ports: Ports) -> Answer:
    """Write the row; settle the upload at once if it brings nothing new."""
    row = _save(upload, stored, ports)
    _put_original_away(row, ports)
    batch = Batch(row, (uploads.file_of(row),))
    candidate = candidates.build(batch, project=project, objects=ports.objects, index=ports.index)
    if candidate.outcome == "new":
        return {**_ids(upload), "outcome": "registered"}
    return _told_again(
        candidates.close(batch, candidate, objects=ports.objects, index=ports.index, at=ports.clock(), by=ACTOR)
    )


def _join(upload: Row, stored: Row | None, place: Place, ports: Ports) -> Row:
    """Write the row together with its place in the batch of its folder. Raises ConflictError."""
    seen = batches.gathering(ports.index, upload["project"], str(place.folder))
    joined, joining = batches.join(upload, str(place.folder), marker=place.closes, seen=seen)
    return _save(joined, stored, ports, joining, batches.member(joined))


def _put_original_away(upload: Row, ports: Ports) -> None:
    """What was masked lies in quarantine only, now that its row knows the masked content."""
    if (upload.get("file") or {}).get("masked"):
        take_bytes_away(upload, ports.objects)


def _save(upload: Row, stored: Row | None, ports: Ports, *more: Put | Update) -> Row:
    """The upload's row, written anew, or brought up to date after an earlier try. Raises ConflictError."""
    if stored is None:
        return moves.made(ports.objects, ports.index, moves.first(upload, at=ports.clock(), by=ACTOR), *more)
    changes = {name: value for name, value in upload.items() if stored.get(name) != value}
    if not changes and not more:
        return stored
    changes["state"] = upload["state"]
    return moves.made(ports.objects, ports.index, moves.move(stored, changes, at=ports.clock(), by=ACTOR), *more)


def _project(name: str, load_project: Callable[[str], Project]) -> Project:
    try:
        return load_project(name)
    except ProjectUnknown as error:
        raise UploadRejected("unknown_project", str(error)) from error


def _kept(stored: Row | None) -> File | None:
    """The content that an earlier try has put away: the upload itself may be gone by now."""
    return uploads.file_of(stored) if stored and stored.get("file") else None


def _arrival(arrived: Row, requester: str, objects: ObjectStore) -> Row:
    """The upload with who made it and why, as far as its writer noted that. Raises UploadGone."""
    stat: Stat | None = objects.head(arrived["key"], version_id=arrived["version_id"])
    if stat is None:
        return arrived
    author = unquote(stat.metadata.get(names.META_AUTHOR, "")) or requester
    reason = unquote(stat.metadata.get(names.META_REASON, ""))
    told = {"author": author, "reason_given": reason}
    return {**arrived, "size": stat.size, **{name: value for name, value in told.items() if value}}


def _waiting(upload: Row, project: Project) -> Answer:
    """The answer about an upload that is in a batch: how long to wait for the next file."""
    marker = not upload.get("file")
    place = {name: upload[name] for name in ("batch_id", "folder")}
    wait = 0 if marker else project.batch.quiet_seconds
    return {**_ids(upload), **place, "outcome": "waiting", "looks": 0, "wait_seconds": wait}


def _told_again(upload: Row) -> Answer:
    """The answer about an upload that is settled. `same_upload`: the version with this content is its own."""
    answer = _ids(upload)
    if upload["state"] == uploads.QUARANTINED:
        refusal = {name: upload.get(name) for name in ("code", "reason", "validation_key")}
        return {**answer, "outcome": "rejected", **refusal}
    if upload["state"] == uploads.SUPERSEDED:
        return {**answer, "outcome": "ignored", "reason": upload["reason"]}
    own, version = upload["state"] == uploads.ACCEPTED, upload["dataset_version"]
    return {**answer, "outcome": "unchanged", "dataset_version": version, "same_upload": own}


def _ignore(key: str, place: Place | None) -> Answer:
    reason = "not incoming/<project>/<file> with a project's name (a-z, 0-9 and -, from a letter); move it there"
    if place is not None:
        reason = "a name that begins with _ or . is a writer's own note, not data"
    elif not key.endswith("/"):  # a folder marker is nobody's upload
        logger.warning("object ignored", extra={"key": key, "reason": reason})
        count(names.METRIC_IGNORED, 1, project=NO_PROJECT)
    return {"project": None, "upload_id": None, "batch_id": None, "outcome": "ignored", "reason": reason}


def _items(upload: Row, parts: Iterable[int]) -> list[Answer]:
    """What each call of ReadPart is given."""
    return [{"project": upload["project"], "upload_id": upload["upload_id"], "part": part} for part in parts]


def _ids(upload: Row) -> Answer:
    """An upload by itself is a batch under its own id."""
    identifier = upload["upload_id"]
    return {"project": upload["project"], "upload_id": identifier, "batch_id": upload.get("batch_id", identifier)}
