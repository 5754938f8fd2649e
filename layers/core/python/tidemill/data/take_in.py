"""Take an upload in: read it once, hold its rows against the rules, and keep what follows them.

Called by RegisterVersion. Writes `reading.json` and `sketch.json` of the upload, the content to
`objects/sha256/…` (see `contents`), and rows that break rules to `quarantine/…/rows.{parquet,html}`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from tidemill import canonical, names
from tidemill.data import contents, profiles
from tidemill.data.contents import Content, Source
from tidemill.data.formats.blocks import Block
from tidemill.data.manifests import File
from tidemill.data.personal import mask_text
from tidemill.data.quality import evidence, faults, keys
from tidemill.data.quality.faults import Fault
from tidemill.data.quality.keys import Keys
from tidemill.data.quality.leakage import Leakage
from tidemill.data.quality.personal_gate import PersonalData
from tidemill.data.quality.row_rules import Rules
from tidemill.data.scan import Reading, scan
from tidemill.data.sketches.dataset import DatasetSketch
from tidemill.errors import RecordNotFound, UploadGone, UploadRejected
from tidemill.ports import ObjectStore, Row
from tidemill.projects import Kind, Project

FORM = 1
_STRUCTURAL = ("missing_column", "personal_data")


def take_in(
    upload: Row,
    path: str,
    project: Project,
    objects: ObjectStore,
    *,
    at: datetime,
    read: "Reader | None" = None,
) -> File:
    """The content of the upload, as a file of a dataset version. `at`: now; `read`: how the upload is read, in one
    pass unless told. Raises UploadRejected, UploadGone."""
    try:
        source = Source(upload["key"], upload["version_id"], upload.get("size", 0))
        return _take_in(upload, path, project, objects, at, (read or in_one_pass)(source, project, objects))
    except RecordNotFound as error:
        told = (
            f"{upload['key']!r} (version {upload['version_id']}) was deleted before it was read; upload it again"
        )
        raise UploadGone(told) from error


def rules_of(project: Project) -> Rules:
    """What the rows of the project's uploads are held to."""
    binary = project.task == "classification" and not project.classes
    return Rules(project.columns, project.target, binary)


def reading_key(project: str, upload_id: str) -> str:
    return names.upload(project, upload_id) + "reading.json"


class Sketching:
    """Sketches the good rows."""

    def __init__(self) -> None:
        self.sketch = DatasetSketch()

    def restart(self) -> None:
        self.sketch = DatasetSketch()

    def every(self, block: Block) -> None:
        """Rows that break rules are not sketched."""

    def good(self, rows: pa.RecordBatch, kinds: Mapping[str, Kind]) -> None:
        self.sketch.update(rows, kinds)


def sketch_again(upload_id: str, source: Source, project: Project, objects: ObjectStore) -> None:
    """Write the sketches of an upload anew, of what is left of it. Raises RecordNotFound, UploadRejected."""
    _write_sketches(upload_id, in_one_pass(source, project, objects), project, objects)


def sketch_keys(project: str, upload_id: str) -> tuple[str, str]:
    """Where the sketches of an upload are: of its rows, and of their keys."""
    return profiles.upload_key(project, upload_id), keys.key_of(project, upload_id)


def _write_sketches(upload_id: str, read: "Read", project: Project, objects: ObjectStore) -> None:
    sketch = canonical.dumps(read.sketch.to_json())
    objects.put(profiles.upload_key(project.name, upload_id), sketch, content_type="application/json")
    if project.key:
        keys.write(objects, project.name, upload_id, read.keys)


@dataclass(frozen=True)
class Read:
    """An object with all that was read in it."""

    source: Source
    reading: Reading
    sketch: DatasetSketch
    leakage: Leakage
    personal: PersonalData
    keys: Keys


Reader = Callable[[Source, Project, ObjectStore], Read]
"""How an upload is read."""


def in_one_pass(source: Source, project: Project, objects: ObjectStore) -> Read:
    """Read the object from its first byte to its last. Raises RecordNotFound, UploadRejected."""
    sketching, leakage, personal = Sketching(), Leakage(project), PersonalData(project)
    named = Keys(project)
    reading = scan(
        objects,
        source.key,
        version_id=source.version_id,
        size=source.size,
        rules=rules_of(project),
        known={},
        time=project.time,
        observers=[sketching, leakage, personal, named],
    )
    return Read(source, reading, sketching.sketch, leakage, personal, named)


def _take_in(upload: Row, path: str, project: Project, objects: ObjectStore, at: datetime, read: Read) -> File:
    found = read.personal.faults()
    mask = bool(found) and project.quality.personal_data == "mask"
    _hold(upload, path, read, [] if mask else found, project, objects)
    kept = contents.store
    content = _masked(read, project, objects, at) if mask else kept(read.source, read.reading, objects, at=at)
    after = in_one_pass(content.source, project, objects) if mask else read
    _write_sketches(upload["upload_id"], after, project, objects)
    return File(
        path=path,
        size=content.size,
        sha256=content.sha256,
        rows=after.reading.rows,
        form=content.form.as_json(),
        upload_id=upload["upload_id"],
        sequencer=upload["sequencer"],
        rows_left_out=read.reading.rows + read.reading.bad - after.reading.rows,
        masked=mask,
    )


def _masked(read: Read, project: Project, objects: ObjectStore, at: datetime) -> Content:
    """The masked rows at their address; without those that follow the rules no more, now that a value of theirs is
    missing."""
    content = contents.store_masked(read.source, read.reading, read.personal.scanner, objects, at=at)
    again = in_one_pass(content.source, project, objects).reading
    return contents.store(content.source, again, objects, at=at) if again.bad else content


def _hold(
    upload: Row, path: str, read: Read, personal: list[Fault], project: Project, objects: ObjectStore
) -> None:
    """Write what was read and what is wrong with it. Raises UploadRejected if it is too much."""
    reading = read.reading
    missing = [name for name in project.columns if name not in reading.kinds]
    absent = [Fault("missing_column", name, f"column {name!r} is missing") for name in missing]
    found = sorted([*absent, *personal, *map(_discreet, reading.faults)], key=faults.sort_key)
    if reading.bad:
        _write_evidence(upload, path, reading, project, objects)
    key = reading_key(project.name, upload["upload_id"])
    document = _document(read, found, project)
    objects.put(key, canonical.dumps(document), content_type="application/json")
    _require_good(reading, found, project, key)


def _discreet(fault: Fault) -> Fault:
    """A fault that repeats nobody's data: its examples are cells of the upload."""
    examples = tuple(map(mask_text, fault.examples))
    return replace(fault, message=mask_text(fault.message), examples=examples)


def _require_good(reading: Reading, found: list[Fault], project: Project, report: str) -> None:
    """Raises UploadRejected: something is wrong with the file as a whole, or more rows are bad than the project
    tolerates."""
    share = reading.bad / (reading.rows + reading.bad)
    structural = bool(found) and found[0].code in _STRUCTURAL
    if not found or (share <= project.quality.tolerated and not structural):
        return
    reason = faults.summary(found)
    if reading.bad and not structural:
        much = f"{reading.bad} of {reading.rows + reading.bad} rows break rules ({share:.2%})"
        reason = f"{much}, more than the tolerated {project.quality.tolerated:.2%}: {reason}"
    raise UploadRejected(found[0].code, reason, report)


def _document(read: Read, found: list[Fault], project: Project) -> dict[str, Any]:
    reading = read.reading
    return {
        "form": FORM,
        "sha256": reading.sha256,
        "size": reading.size,
        "format": reading.form.as_json(),
        "rows": reading.rows,
        "bad_rows": reading.bad,
        "kinds": {mask_text(name): kind.value for name, kind in reading.kinds.items()},
        "extra_columns": [mask_text(name) for name in reading.columns if name not in project.columns],
        "faults": [faults.as_json(fault) for fault in found],
        "leaks": [faults.as_json(leak) for leak in read.leakage.faults()],
        "speak_of_persons": read.personal.suspected(),
        "time_sorted": reading.time_sorted,
    }


def _write_evidence(upload: Row, path: str, reading: Reading, project: Project, objects: ObjectStore) -> None:
    folder, kept = names.quarantine(project.name, upload["upload_id"]), reading.evidence.rows
    objects.put(f"{folder}rows.parquet", evidence.parquet(kept), content_type="application/vnd.apache.parquet")
    told = evidence.page(
        project=project.name,
        file=path,
        rows=reading.rows + reading.bad,
        bad=reading.bad,
        faults=reading.faults,
        kept=kept,
    )
    objects.put(f"{folder}rows.html", told.encode(), content_type="text/html; charset=utf-8")
