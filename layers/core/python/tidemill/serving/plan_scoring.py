"""State `PlanScoring`: pins the model and the files, divides these, and gives the parts to be scored next.

The serving machine calls it until no part is left; writes `files/…`, one for each file, and `plan.json`. Killed,
it goes on with the file that it was at.
"""

import json
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from itertools import islice
from typing import Any

from tidemill import canonical, names
from tidemill.data.formats import parquet
from tidemill.data.formats.object_file import ObjectFile
from tidemill.data.formats.open_file import open_file
from tidemill.data.formats.parts import Split, split
from tidemill.errors import RequestInvalid, UploadRejected
from tidemill.ports import Clock, ObjectStore
from tidemill.serving import scoring
from tidemill.serving.scoring import Input, Place

LEAST_LEFT = timedelta(minutes=2)
"""Time that must be left for another file to be begun."""

Left = Callable[[], timedelta]


def plan_scoring(
    *, project: str, scoring_id: str, memory_mb: int, left: Left, objects: ObjectStore, clock: Clock
) -> dict[str, Any]:
    """`outcome`: `planning` (there are files left to look at), `parts` (with the next `parts`), `scored` (none is
    left). Raises RecordNotFound, and RequestInvalid for a file that cannot be scored."""
    place = Place(project, scoring_id)
    ids = {"project": project, "scoring_id": scoring_id}
    plan = scoring.found(objects, place.plan) or _planned(place, memory_mb, left, objects, clock)
    if plan is None:
        return {**ids, "outcome": "planning"}
    done = set(place.reported(objects))
    wanted = islice((part for part in range(1, len(plan["parts"]) + 1) if part not in done), scoring.WAVE)
    parts = [{**ids, "part": part} for part in wanted]
    return {**ids, "outcome": "parts" if parts else "scored", "parts": parts}


def _planned(
    place: Place, memory_mb: int, left: Left, objects: ObjectStore, clock: Clock
) -> dict[str, Any] | None:
    """The plan; None if time is running out."""
    request = scoring.read(objects, place.request)
    folder = names.model(place.project, request["model"])
    body = objects.get(folder + "model.json")
    model = json.loads(body)
    divided: list[dict[str, Any]] = []
    begun_here = 0
    for number, told in enumerate(request["files"], start=1):
        fact = scoring.found(objects, place.file(number))
        if fact is None and begun_here and left() < LEAST_LEFT:
            return None
        if fact is None:
            begun_here, begun = begun_here + 1, clock()
            fact = _divided(Input(**told), model["features"], request, objects)
            took = (clock() - begun).total_seconds()
            fact = scoring.keep(objects, place.file(number), {**fact, **scoring.spent(took, memory_mb)})
        divided.append(fact)
    parts = [[number, *part] for number, fact in enumerate(divided, start=1) for part in fact["parts"]]
    sha256 = {"model.json": canonical.sha256(body), "model.onnx": model["sha256"]["model.onnx"]}
    plan = {
        "model": {"version": request["model"], "identity": model.get("identity"), "sha256": sha256},
        "keep": request["keep"],
        "files": request["files"],
        "parts": parts,
        "seconds": sum(fact["seconds"] for fact in divided),
        "gb_seconds": sum(fact["gb_seconds"] for fact in divided),
    }
    return scoring.keep(objects, place.plan, plan)


def _divided(
    file: Input, features: Collection[Mapping[str, Any]], request: Mapping[str, Any], objects: ObjectStore
) -> dict[str, Any]:
    """The `Split` of a file as JSON. A file without anything in it has no parts. Raises RequestInvalid."""
    try:
        found = split(
            objects, file.key, version_id=file.version_id, size=file.size, part_bytes=request["part_bytes"]
        )
        columns = _columns(file, found, objects) if found.parts else None
    except UploadRejected as error:
        if error.code == "empty_file":
            return {"sha256": file.sha256, "format": None, "header": None, "parts": []}
        raise RequestInvalid(file.path, error.reason) from error
    if file.sha256 is not None and found.sha256 != file.sha256:
        told = f"its SHA-256 is {found.sha256}, it was asked for as {file.sha256}"
        raise RequestInvalid(file.path, f"{told}; score it again as it is now")
    if columns is not None:
        _check(file, columns, features, request["keep"])
    return found.as_json()


def _columns(file: Input, found: Split, objects: ObjectStore) -> list[str] | None:
    """The columns of a file; None if its rows have each their own (JSON Lines)."""
    if found.form.kind == "jsonl":
        return None
    if found.form.kind == "parquet":
        source = ObjectFile(objects, file.key, version_id=file.version_id, size=file.size)
        return list(parquet.footer(source).schema.to_arrow_schema().names)
    if found.header is not None:
        return list(found.header)
    place: dict[str, Any] = {"version_id": file.version_id, "size": file.size, "form": found.form}
    with open_file(objects, file.key, kinds={}, rules=(), **place) as opened:
        return list(next(iter(opened.blocks)).batch.schema.names)


def _check(
    file: Input, columns: Collection[str], features: Collection[Mapping[str, Any]], keep: Collection[str]
) -> None:
    """Raises RequestInvalid if no row of the file could be scored, or a column that is to be kept is not there."""
    needed = [feature["name"] for feature in features if not feature["nullable"]]
    lacking = [name for name in (*needed, *keep) if name not in columns]
    if lacking:
        has = ", ".join(sorted(columns)[:20])
        raise RequestInvalid(file.path, f"lacks the columns {lacking} (it has {has}); add them, or rename its own")
    if not any(feature["name"] in columns for feature in features):
        raise RequestInvalid(file.path, "has none of the model's features; is it the right file, with a header?")
