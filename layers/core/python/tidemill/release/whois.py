"""What answered: from a prediction id to the model, its data, its run, who approved it, and what else answered at
that moment. Reads what was captured, and the table; writes nothing.

A prediction id is `<request id>.<number of the row>` and holds no time. So days are searched, the latest first.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from tidemill import names
from tidemill.errors import RecordNotFound, RequestInvalid
from tidemill.ports import Index, ObjectStore, Row
from tidemill.release import history
from tidemill.serving.day_lines import BROKEN

SCORED = "score-"


def captured(
    objects: ObjectStore, project: str, prediction_id: str, *, last: date, days: int
) -> tuple[str, dict[str, Any]] | None:
    """The object and the capture line with that prediction, of the `days` days up to `last`; None if no line has
    it. Objects and lines that cannot be read are passed over. Raises RequestInvalid for what is no id."""
    request_id, dot, number = prediction_id.rpartition(".")
    if not (request_id and dot and number.isdigit()):
        raise RequestInvalid("prediction id", f"{prediction_id!r} is none; it is '<request id>.<number>'")
    if request_id.startswith(SCORED):
        raise RequestInvalid(
            "prediction id",
            f"{prediction_id!r} is of a batch; its scores have model and row beside it (docs/batch.md)",
        )
    for back in range(days):
        day = (last - timedelta(days=back)).isoformat()
        for key in objects.keys(names.captured(project, day)):
            for line in _lines(objects, key, request_id):
                if any(item.get("prediction_id") == prediction_id for item in line["instances"]):
                    return key, line
    return None


def origin(index: Index, project: str, line: dict[str, Any]) -> dict[str, Any]:
    """Where an answer came from: `model` {`version`, `identity`, `run_id`, `dataset_version`}, `release` {its id,
    state, `approved_by`}, and `then`, the pointer's move that held at that moment (None where it is older than the
    moves that are known), with the `role` of who answered. Raises RecordNotFound for a model that is not there."""
    model = index.get(names.pk(project), names.sk_model(int(line["model_version"])))
    if model is None:
        raise RecordNotFound(
            f"model v{int(line['model_version']):05d} of {project!r} is not in the table; run `tidemill rebuild`"
        )
    release_id = model["run_id"]  # a release has the id of its model's run
    then = history.at(history.moves(index, project), line["at"])
    return {
        "model": {
            "version": model["version"],
            **{name: model[name] for name in ("identity", "run_id", "dataset_version")},
        },
        "release": _release(index, project, release_id),
        "role": _role(then, str(line["variant"])),
        "then": then,
    }


def _lines(objects: ObjectStore, key: str, request_id: str) -> Iterator[dict[str, Any]]:
    """The lines of an object that are about that request."""
    try:
        body = objects.get(key)
        text = gzip.decompress(body) if key.endswith(".gz") else body
    except (RecordNotFound, OSError, EOFError, zlib.error):
        return
    for raw in text.splitlines():
        if request_id.encode() not in raw:
            continue
        try:
            line = json.loads(raw)
            about = line["request_id"] == request_id and isinstance(line["instances"], list)
        except BROKEN:
            continue
        if about:
            yield line


def _release(index: Index, project: str, release_id: str) -> dict[str, Any]:
    row: Row = index.get(names.pk(project), names.sk_release(release_id)) or {}
    approval: Row = index.get(names.pk(project), names.sk_approval(release_id)) or {}
    return {
        "release_id": release_id,
        "state": row.get("state"),
        "approved_by": approval.get("by") if approval.get("state") == "approved" else None,
    }


def _role(then: dict[str, Any] | None, variant: str) -> str | None:
    """Champion or challenger at that moment; None where it is not known."""
    for role in ("champion", "challenger"):
        if then and then[role] and str(then[role]["function_version"]) == variant:
            return role
    return None
