"""Hold a batch against the rules of its project file.

State `ValidateVersion` of the data machine. RegisterVersion held each file's rows against them as it read them;
this adds what only the batch as a whole shows. Writes the validation report; it decides nothing that lasts:
accepting and quarantining are other states' work.
"""

import json
from collections.abc import Iterable
from typing import Any

from tidemill import canonical, names
from tidemill.data import batches, profiles, versions
from tidemill.data.batches import Batch
from tidemill.data.quality import batch_rules, contract, faults, keys
from tidemill.data.quality.batch_rules import Verdict
from tidemill.data.quality.faults import Fault
from tidemill.data.sketches.dataset import DatasetSketch
from tidemill.data.take_in import reading_key
from tidemill.errors import RecordNotFound
from tidemill.ports import Index, ObjectStore
from tidemill.projects import Project


def validate_version(*, project: Project, batch_id: str, objects: ObjectStore, index: Index) -> dict[str, Any]:
    """Check the batch (not the parent's files, which were checked in their turn) and report every fault.

    The report depends on the content, the parent and the rules only, so a second call writes the same. Raises
    RecordNotFound if RegisterVersion has not kept the batch's content.
    """
    batch = batches.read(objects, index, project.name, batch_id)
    if not batch.files:
        raise RecordNotFound(f"{batch_id} has no content that was kept; deliver its event again")
    readings = [_reading(objects, project.name, file.upload_id) for file in batch.files]
    sketch = profiles.merged(profiles.of_upload(objects, project.name, file.upload_id) for file in batch.files)
    head = versions.document_of(
        versions.head(index, project.name), project=project.name, objects=objects, index=index
    )
    verdict = _judged(project, batch, sketch, readings, head, objects)
    known = contract.read(objects, head["how"].get("contract")) if head else {}
    for deviation in contract.deviations(known, sketch, project):
        verdict.add(deviation, project.quality.contract)
    kept = contract.write(objects, project.name, contract.merge(known, sketch, project))
    report = _report(project, batch, readings, verdict.sorted(), kept)
    key = names.validation(project.name, batch_id)
    objects.put(key, canonical.dumps(report), content_type="application/json")
    told = {name: report[name] for name in ("outcome", "code", "reason", "rows")}
    return {"project": project.name, "batch_id": batch_id, "validation_key": key, **told}


def _judged(
    project: Project,
    batch: Batch,
    sketch: DatasetSketch,
    readings: Iterable[dict[str, Any]],
    head: versions.Document | None,
    objects: ObjectStore,
) -> Verdict:
    """What the batch shows by itself, and beside the version that it would follow."""
    verdict = batch_rules.judge(
        project, sketch, profiles.of_version(objects, project.name, head) if head else None
    )
    for leak in [leak for reading in readings for leak in reading["leaks"]]:
        verdict.add(_fault(leak), project.quality.leakage)
    if project.key:
        mine = keys.read(objects, project.name, [file.upload_id for file in batch.files])
        others = keys.read(objects, project.name, _kept(project, batch, head))
        for fault in keys.faults(mine, others):
            verdict.add(fault, project.quality.keys)
    return verdict


def _kept(project: Project, batch: Batch, head: versions.Document | None) -> list[str]:
    """The uploads of the files that the new version keeps of the one before."""
    if head is None or project.mode == "replace":
        return []
    replaced = {file.path for file in batch.files}
    return [file.upload_id for file in versions.files_of(head) if file.path not in replaced]


def _reading(objects: ObjectStore, project: str, upload_id: str) -> dict[str, Any]:
    reading: dict[str, Any] = json.loads(objects.get(reading_key(project, upload_id)))
    return reading


def _fault(told: dict[str, Any]) -> Fault:
    return Fault(told["code"], told["column"], told["message"], told["count"])


def _report(
    project: Project, batch: Batch, readings: list[dict[str, Any]], verdict: Verdict, kept: str
) -> dict[str, Any]:
    rules = {name: rule.model_dump(mode="json") for name, rule in project.columns.items()}
    first = verdict.faults[0] if verdict.faults else None
    return {
        "project": project.name,
        "batch_id": batch.id,
        "rows": sum(file.rows for file in batch.files),
        "bad_rows": sum(file.rows_left_out for file in batch.files),
        "outcome": "rejected" if first else "accepted",
        "code": first.code if first else None,
        "reason": faults.summary(verdict.faults) if first else None,
        "faults": [faults.as_json(fault) for fault in verdict.faults],
        "warnings": [faults.as_json(fault) for fault in verdict.warnings],
        "files": [
            {"path": file.path, **{name: reading[name] for name in ("rows", "bad_rows", "faults", "format")}}
            for file, reading in zip(batch.files, readings, strict=True)
        ],
        "extra_columns": sorted({name for reading in readings for name in reading["extra_columns"]}),
        "schema": _schema(project, readings),
        "how": {"rules": canonical.identity(rules), "contract": kept},
    }


def _schema(project: Project, readings: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The columns of the batch: with their rules, or as they were found."""
    found = {name: {"type": kind} for reading in readings for name, kind in reading["kinds"].items()}
    ruled = {name: rule.model_dump(mode="json", exclude_none=True) for name, rule in project.columns.items()}
    return {name: {**ruled.get(name, rule), "ruled": name in ruled} for name, rule in sorted(found.items())}
