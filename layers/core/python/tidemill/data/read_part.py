"""State `ReadPart`: reads one part of a large upload, beside the others, and writes down what it holds.

The data machine's Map calls it with a number from RegisterVersion's or MergeParts' answer. The same part read
again gives the same file; one that was read under this project file and these kinds is not read again.
"""

import json
from collections.abc import Iterator
from typing import Any

from tidemill import canonical
from tidemill.data import divisions
from tidemill.data.divisions import JSON, Division
from tidemill.data.formats.blocks import Block, Widened
from tidemill.data.formats.parts import part_blocks
from tidemill.data.part_reading import PartReading, read_blocks
from tidemill.data.take_in import rules_of
from tidemill.errors import RecordNotFound, UploadRejected
from tidemill.ports import ObjectStore
from tidemill.projects import Kind, Project


def read_part(*, project: Project, upload_id: str, part: int, objects: ObjectStore) -> dict[str, Any]:
    """Read that part, counted from 1; `{"part": …}`. What refuses the file is written down, not raised. Raises
    RecordNotFound if the upload was not divided."""
    division = divisions.find(objects, project.name, upload_id)
    if division is None:
        told = f"upload {upload_id!r} of project {project.name!r} has no parts; RegisterVersion divides it first"
        raise RecordNotFound(told)
    kinds, key = divisions.known(objects, division), division.key(part)
    asked = divisions.asked(project, kinds)
    if not objects.exists(key) or json.loads(objects.get(key))["asked"] != asked:
        found = {"asked": asked, **_told(division, part, project, kinds, objects)}
        objects.put(key, canonical.dumps(found), content_type=JSON)
    return {"part": part}


def _told(
    division: Division, part: int, project: Project, known: dict[str, Kind], objects: ObjectStore
) -> dict[str, Any]:
    """`reading`; or `rejected`: code and reason; or `gone`."""
    try:
        return {"reading": _read(division, part, project, known, objects).to_json()}
    except UploadRejected as error:
        return {"rejected": [error.code, error.reason]}
    except RecordNotFound:
        return {"gone": True}


def _read(
    division: Division, part: int, project: Project, known: dict[str, Kind], objects: ObjectStore
) -> PartReading:
    rules = rules_of(project)
    kinds = {**known, **rules.kinds}
    while True:
        try:
            return read_blocks(blocks_of(division, part, kinds, project, objects), project)
        except Widened as wider:
            kinds = {**kinds, **wider.kinds}


def blocks_of(
    division: Division, part: int, kinds: dict[str, Kind], project: Project, objects: ObjectStore
) -> Iterator[Block]:
    """The blocks of that part, read with these kinds; see `part_blocks`."""
    source = division.source
    return part_blocks(
        objects,
        source.key,
        version_id=source.version_id,
        size=source.size,
        split=division.split,
        part=division.part(part),
        kinds=kinds,
        rules=frozenset(project.columns),
    )
