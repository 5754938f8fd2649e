"""Hold a batch against the rules of its project file.

State `ValidateVersion` of the data machine. Writes the validation report; it decides nothing that lasts:
accepting and quarantining are other states' work.
"""

from dataclasses import asdict
from typing import Any

from tidemill import canonical, names
from tidemill.data import batches, read, rules
from tidemill.data.manifests import File
from tidemill.data.rules import Fault
from tidemill.errors import RecordNotFound
from tidemill.ports import Index, ObjectStore
from tidemill.projects import Project


def validate_version(*, project: Project, batch_id: str, objects: ObjectStore, index: Index) -> dict[str, Any]:
    """Check the uploaded file (not the parent's files, which were checked in their turn) and report every fault.

    The report depends on the content and the rules only, so a second call writes the same. Raises RecordNotFound
    if RegisterVersion has not kept the upload's content.
    """
    batch = batches.read(objects, index, project.name, batch_id)
    if not batch.files:
        raise RecordNotFound(f"{batch_id} has no content that was kept; deliver its event again")
    file = batch.files[0]
    body = objects.get(names.content(file.sha256))
    text = read.read_text(body, project.columns)
    faults = rules.find_faults(text, project)
    report = _report(project, file, body, faults)
    key = names.validation(project.name, batch_id)
    objects.put(key, canonical.dumps(report), content_type="application/json")
    verdict = {name: report[name] for name in ("outcome", "code", "reason", "rows")}
    return {"project": project.name, "batch_id": batch_id, "validation_key": key, **verdict}


def _report(project: Project, file: File, body: bytes, faults: list[Fault]) -> dict[str, Any]:
    present = read.header(body)
    return {
        "project": project.name,
        "file": file.model_dump(),
        "rows": file.rows,
        "outcome": "rejected" if faults else "accepted",
        "code": faults[0].code if faults else None,
        "reason": rules.summary(faults) if faults else None,
        "faults": _with_lines(faults, body),
        "extra_columns": [name for name in present if name not in project.columns],
        "schema": {name: rule.model_dump(mode="json") for name, rule in project.columns.items()},
        "how": {
            "rules": canonical.identity(
                {name: rule.model_dump(mode="json") for name, rule in project.columns.items()}
            )
        },
    }


def _with_lines(faults: list[Fault], body: bytes) -> list[dict[str, Any]]:
    """The faults as JSON objects, data rows turned into lines of the file."""
    rows = sorted({row for fault in faults for row in fault.rows})
    line = dict(zip(rows, read.lines_of(body, rows), strict=True)) if rows else {}
    objects = []
    for fault in faults:
        told = asdict(fault)
        offending = told.pop("rows")
        objects.append({**told, "lines": [line[row] for row in offending]})
    return objects
