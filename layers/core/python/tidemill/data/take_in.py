"""Take an upload in: read it once, hold its rows against the rules, and keep what follows them.

Called by RegisterVersion. Writes `reading.json` and `sketch.json` of the upload, the content to
`objects/sha256/…`, and rows that break rules to `quarantine/…/rows.{parquet,html}`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from tidemill import canonical, names
from tidemill.data import profiles
from tidemill.data.formats.blocks import Block
from tidemill.data.formats.kept_rows import kept_rows
from tidemill.data.manifests import File
from tidemill.data.quality import evidence, faults
from tidemill.data.quality.faults import Fault
from tidemill.data.quality.leakage import Leakage
from tidemill.data.quality.row_rules import Rules
from tidemill.data.scan import Reading, scan
from tidemill.data.sketches.dataset import DatasetSketch
from tidemill.errors import RecordNotFound, UploadGone, UploadRejected
from tidemill.ports import ObjectStore, Row
from tidemill.projects import Kind, Project

FORM = 1


def take_in(upload: Row, path: str, project: Project, objects: ObjectStore) -> File:
    """The content of the upload, as a file of a dataset version. Raises UploadRejected, UploadGone."""
    try:
        return _take_in(upload, path, project, objects)
    except RecordNotFound as error:
        told = (
            f"{upload['key']!r} (version {upload['version_id']}) was deleted before it was read; upload it again"
        )
        raise UploadGone(told) from error


def rules_of(project: Project) -> Rules:
    """What the rows of the project's uploads are held to."""
    return Rules(project.columns, project.target, project.task == "classification")


def reading_key(project: str, upload_id: str) -> str:
    return names.upload(project, upload_id) + "reading.json"


class _Sketching:
    """Sketches the good rows."""

    def __init__(self) -> None:
        self.sketch = DatasetSketch()

    def restart(self) -> None:
        self.sketch = DatasetSketch()

    def every(self, block: Block) -> None:
        """Rows that break rules are not sketched."""

    def good(self, rows: pa.RecordBatch, kinds: Mapping[str, Kind]) -> None:
        self.sketch.update(rows, kinds)


def _take_in(upload: Row, path: str, project: Project, objects: ObjectStore) -> File:
    sketching, leakage = _Sketching(), Leakage(project)
    reading = scan(
        objects,
        upload["key"],
        version_id=upload["version_id"],
        size=upload.get("size", 0),
        rules=rules_of(project),
        known={},
        time=project.time,
        observers=[sketching, leakage],
    )
    found = _faults(reading, project)
    if reading.bad:
        _write_evidence(upload, path, reading, project, objects)
    key = reading_key(project.name, upload["upload_id"])
    document = _document(reading, found, project) | {"leaks": [faults.as_json(leak) for leak in leakage.faults()]}
    objects.put(key, canonical.dumps(document), content_type="application/json")
    _require_good(reading, found, project, key)
    sketch = canonical.dumps(sketching.sketch.to_json())
    objects.put(profiles.upload_key(project.name, upload["upload_id"]), sketch, content_type="application/json")
    return _keep(upload, path, reading, objects)


def _faults(reading: Reading, project: Project) -> list[Fault]:
    """What is wrong with the file, the gravest first."""
    missing = [name for name in project.columns if name not in reading.kinds]
    absent = [Fault("missing_column", name, f"column {name!r} is missing") for name in missing]
    return sorted([*absent, *reading.faults], key=faults.sort_key)


def _require_good(reading: Reading, found: list[Fault], project: Project, report: str) -> None:
    """Raises UploadRejected: a column is missing, or more rows are bad than the project tolerates."""
    share = reading.bad / (reading.rows + reading.bad)
    if not found or (share <= project.quality.tolerated and found[0].code != "missing_column"):
        return
    reason = faults.summary(found)
    if reading.bad and found[0].code != "missing_column":
        much = f"{reading.bad} of {reading.rows + reading.bad} rows break rules ({share:.2%})"
        reason = f"{much}, more than the tolerated {project.quality.tolerated:.2%}: {reason}"
    raise UploadRejected(found[0].code, reason, report)


def _document(reading: Reading, found: list[Fault], project: Project) -> dict[str, Any]:
    return {
        "form": FORM,
        "sha256": reading.sha256,
        "size": reading.size,
        "format": reading.form.as_json(),
        "rows": reading.rows,
        "bad_rows": reading.bad,
        "kinds": {name: kind.value for name, kind in reading.kinds.items()},
        "extra_columns": [name for name in reading.columns if name not in project.columns],
        "faults": [faults.as_json(fault) for fault in found],
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


def _keep(upload: Row, path: str, reading: Reading, objects: ObjectStore) -> File:
    """Put the content to its address: as it came in, or without its bad rows."""
    size, sha256, form = reading.size, reading.sha256, reading.form
    if reading.bad:
        size, sha256 = _write_kept(upload, reading, objects)
        form = replace(form, encoding="utf-8")
    else:
        objects.copy_new(upload["key"], names.content(sha256), version_id=upload["version_id"])
    return File(
        path=path,
        size=size,
        sha256=sha256,
        rows=reading.rows,
        form=form.as_json(),
        upload_id=upload["upload_id"],
        sequencer=upload["sequencer"],
        rows_left_out=reading.bad,
    )


def _write_kept(upload: Row, reading: Reading, objects: ObjectStore) -> tuple[int, str]:
    """The size and the digest of what is left, once it is stored. It is made twice: its address is its digest."""
    place = {"version_id": upload["version_id"], "size": reading.size, "form": reading.form}
    bad = reading.evidence.bad_lines()
    digest, size = hashlib.sha256(), 0
    for chunk in kept_rows(objects, upload["key"], **place, bad_lines=bad):
        digest.update(chunk)
        size += len(chunk)
    key = names.content(digest.hexdigest())
    if not objects.exists(key):
        objects.put_chunks(key, kept_rows(objects, upload["key"], **place, bad_lines=bad))
    return size, digest.hexdigest()
