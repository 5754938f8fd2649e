"""Remove an erased subject's rows for good, with every copy that could repeat them.

The last step of `erase`, safe to be done again: contents that nothing else reaches, uploads as they came, what is
in quarantine of them, what was noted when they were read, profiles, and the prepared rows of runs that have ended.
What the store does not let go is told, with its end if it has one.
"""

import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow.parquet as pq

from tidemill import canonical, names
from tidemill.data import reach, take_in, versions
from tidemill.data.contents import Source
from tidemill.data.erasures import Record
from tidemill.data.subjects import Subject
from tidemill.errors import ObjectKept, RecordNotFound
from tidemill.ports import Index, ObjectStore, Row
from tidemill.projects import Project

EVIDENCE = "rows.parquet"
ERASED = "told of rows that were erased"
_PROMISES = ("allowed", "minimum", "maximum")
_FAULTS = ("faults", "warnings", "leaks")
Kept = dict[str, str]


def mentioned(project: str, rows: Iterable[Row], value: str, objects: ObjectStore) -> set[str]:
    """The uploads among whose refused rows the value occurs: anywhere in such a row, as it broke rules."""
    return {
        row["upload_id"]
        for row in rows
        if _is_in_evidence(names.quarantine(project, row["upload_id"]) + EVIDENCE, value, objects)
    }


def _is_in_evidence(key: str, value: str, objects: ObjectStore) -> bool:
    try:
        table = pq.read_table(io.BytesIO(objects.get(key)), columns=["value", "row"])
    except RecordNotFound:
        return False
    return any(value in (cell or "") for column in table.columns for cell in column.to_pylist())


def resketch(plan: Record, project: Project, *, objects: ObjectStore, index: Index) -> Kept:
    """Make the sketches of the uploads that held the subject again, of what is left of them. It is done before the
    new versions are made: a profile is made of these sketches at any time. What could not be removed, as `scrub`
    tells it."""
    kept: Kept = {}
    for identifier in plan["uploads"]:
        row = index.get(names.pk(project.name), names.sk_upload(identifier)) or {}
        if not row.get("file") or row["file"]["sha256"] not in plan["contents"]:
            continue  # the subject was among its refused rows alone
        left, sketched = (
            plan["contents"][row["file"]["sha256"]]["left"],
            take_in.sketch_keys(project.name, identifier),
        )
        if left is not None:
            source = Source(names.content(left["sha256"]), None, left["size"])
            take_in.sketch_again(identifier, source, project, objects)
        for key in sketched:
            (_remove if left is None else _prune)(key, objects, kept)
    return kept


def scrub(fact: Record, project: Project, subject: Subject, *, objects: ObjectStore, index: Index) -> Kept:
    """What could not be removed: keys, each with until when, or with what keeps it."""
    kept: Kept = {}
    numbers = {version["version"] for version in fact["versions"]}
    for key in _contents(fact, numbers, objects, index, kept):
        _remove(key, objects, kept)
    for identifier in fact["uploads"]:
        _upload(identifier, fact, project, objects=objects, index=index, kept=kept)
    held = {made["content"] for made in fact["made"]}
    for number in numbers:
        document = versions.read_fact(objects, project.name, number)
        if document["content"] not in held:
            _remove(document["profile"], objects, kept)
        _remove(names.comparison(project.name, number), objects, kept)
        _quieten(names.validation(project.name, document["source"]), objects, kept)
    for key in list(objects.keys(names.contract(project.name, "").removesuffix(".json"))):
        _loosen(key, subject, objects, kept)
    for run in fact["runs"]:
        _prepared(project.name, run, objects, index, kept)
    return kept


def _contents(fact: Record, numbers: set[int], objects: ObjectStore, index: Index, kept: Kept) -> Iterator[str]:
    """The contents that held the subject and that nothing else reaches."""
    project = fact["project"]
    reached = reach.contents(objects, index, project, besides=numbers)
    for other in reach.projects(objects):
        if other != project:
            reached |= reach.contents(objects, index, other)
    for digest in fact["contents"]:
        key = names.content(digest)
        if key in reached:
            kept[key] = reached[key]
        else:
            yield key


def _remove(key: str, objects: ObjectStore, kept: Kept, version_id: str | None = None) -> None:
    try:
        objects.delete(key, version_id=version_id)
    except ObjectKept as error:
        kept[key] = f"until {error.until.isoformat()}" if error.until else str(error)


def _prune(key: str, objects: ObjectStore, kept: Kept) -> None:
    """Remove what was at the key before."""
    try:
        objects.prune(key)
    except ObjectKept as error:
        kept[key] = f"until {error.until.isoformat()}" if error.until else str(error)


def _upload(
    identifier: str, fact: Record, project: Project, *, objects: ObjectStore, index: Index, kept: Kept
) -> None:
    """Remove the upload as it came and what was refused of it; take the rows out of what was told of it."""
    row = index.get(names.pk(project.name), names.sk_upload(identifier)) or {}
    if "key" in row:
        _remove(row["key"], objects, kept, row["version_id"])
    folder = names.quarantine(project.name, identifier)
    for key in [key for key in objects.keys(folder) if not key.endswith("/reason.json")]:
        _remove(key, objects, kept)
    _quieten(take_in.reading_key(project.name, identifier), objects, kept)
    if "batch_id" not in row:
        _quieten(names.validation(project.name, identifier), objects, kept)


def _quieten(key: str, objects: ObjectStore, kept: Kept) -> None:
    """Take out of a report what it tells of single rows; how many broke which rule stays."""
    try:
        document = json.loads(objects.get(key))
    except RecordNotFound:
        return
    quiet = _quiet(document)
    if quiet != document:
        objects.put(key, canonical.dumps(quiet), content_type="application/json")
    _prune(key, objects, kept)


def _loosen(key: str, subject: Subject, objects: ObjectStore, kept: Kept) -> None:
    """Take the subject out of a contract: nothing is promised any more of what its column was seen to hold. It
    stays where it is, as versions name it, and uploads in flight may still."""
    contract = json.loads(objects.get(key))
    column = contract["columns"].get(subject.column)
    if column is not None and _promises(column, subject.value):
        for name in _PROMISES:
            column.pop(name, None)
        objects.put(key, canonical.dumps(contract), content_type="application/json")
    if column is not None:
        _prune(key, objects, kept)


def _promises(column: dict[str, Any], value: str) -> bool:
    """Whether what is promised of a column repeats the value."""
    bounds = [str(column[name]) for name in ("minimum", "maximum") if name in column]
    number = float(value) if _is_number(value) else None
    return value in column.get("allowed", ()) or number in {float(bound) for bound in bounds}


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _quiet(document: dict[str, Any]) -> dict[str, Any]:
    told = dict(document)
    for name in _FAULTS:
        if name in told:
            told[name] = [_quiet_fault(fault) for fault in told[name]]
    if "files" in told:
        told["files"] = [_quiet(file) for file in told["files"]]
    return told


def _quiet_fault(fault: dict[str, Any]) -> dict[str, Any]:
    return {**fault, "message": ERASED, "lines": [], "examples": []}


def _prepared(project: str, run_id: str, objects: ObjectStore, index: Index, kept: Kept) -> None:
    """Remove the rows that a run was fitted on, once it has ended."""
    row = index.get(names.pk(project), names.sk_run(run_id)) or {}
    for key in list(objects.keys(f"{names.run(project, run_id)}prepared/")):
        if row.get("state") == "running":
            kept[key] = f"run {run_id} is under way"
        else:
            _remove(key, objects, kept)
