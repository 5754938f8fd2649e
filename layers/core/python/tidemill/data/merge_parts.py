"""State `MergeParts`: merges what the parts of a large upload hold, and goes on as RegisterVersion does.

The data machine calls it when all parts were read. Where parts took a column for different kinds, it tells the
kind that fits all of them, and the parts are read again: kinds only widen, so that this ends.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tidemill.data import divisions, scan
from tidemill.data.contents import Source
from tidemill.data.counted import Counted
from tidemill.data.divisions import Dividing, Division
from tidemill.data.formats import guesses
from tidemill.data.part_reading import PartReading, Told, kinds_of_all
from tidemill.data.quality.leakage import Leakage
from tidemill.data.read_part import blocks_of
from tidemill.data.register_version import Answer, register_version
from tidemill.data.take_in import Read, rules_of
from tidemill.errors import ArtifactCorrupt, RecordNotFound, UploadRejected
from tidemill.ports import ObjectStore
from tidemill.projects import Kind, Project


def merge_parts(**upload: Any) -> Answer:
    """What became of the upload, as `register_version` tells it, which takes the same; or `widened`, with the
    parts to read again."""
    return register_version(**upload, read_by=Merging)


class Merging:
    """How MergeParts reads an upload: from what was read in its parts."""

    def __init__(self, project: str, upload_id: str, split_bytes: int) -> None:
        self._upload = project, upload_id
        self._undivided = Dividing(project, upload_id, split_bytes)

    def __call__(self, source: Source, project: Project, objects: ObjectStore) -> Read:
        """Raises Divided when parts are to be read (again), RecordNotFound, UploadRejected."""
        division = divisions.find(objects, *self._upload)
        if division is None:  # it expired
            return self._undivided(source, project, objects)
        known = divisions.known(objects, division)
        whole, told = _merged(division, project, known, objects)
        kinds = {name: guesses.join(known.get(name), kind) or kind for name, kind in kinds_of_all(told).items()}
        if whole is None or any(part.kinds and part.kinds != kinds for part in told):
            wider = {name: kind for name, kind in kinds.items() if name not in project.columns}
            divisions.tell(objects, division, wider)
            raise division.again()
        split = division.split
        reading = scan.reading_of(whole.counted, sha256=split.sha256, size=source.size, form=split.form)
        filled = [number for number, part in enumerate(told, start=1) if part.rows]
        leakage = _leakage(division, filled, kinds, project, objects)
        return Read(source, reading, whole.sketch, leakage, whole.personal, whole.keys)


def _merged(
    division: Division, project: Project, known: dict[str, Kind], objects: ObjectStore
) -> tuple[PartReading | None, list[Told]]:
    """The parts together, None if columns were read as different kinds, and what each tells of the columns."""
    asked = divisions.asked(project, known)
    whole: PartReading | None = None
    told: list[Told] = []
    kinds: Mapping[str, Kind] = {}
    agree = True
    for number in division.numbers:
        part = _part(division, number, asked, project, objects)
        told.append(part.told)
        agree = agree and (not kinds or not part.counted.kinds or kinds == part.counted.kinds)
        kinds = kinds or part.counted.kinds
        if whole is None:
            whole = part
        elif agree:
            whole.merge(part)
    return whole if agree else None, told


def _part(division: Division, number: int, asked: str, project: Project, objects: ObjectStore) -> PartReading:
    key = division.key(number)
    told: dict[str, Any] = json.loads(objects.get(key)) if objects.exists(key) else {}
    if told.get("asked") != asked:
        raise division.again()
    if "rejected" in told:
        raise UploadRejected(*told["rejected"])
    if "gone" in told:
        raise RecordNotFound(f"{division.source.key!r} was gone when part {number} was read")
    reading, there = PartReading.from_json(told["reading"], project), division.part(number).rows
    found = reading.counted.rows + reading.counted.bad
    if there not in (None, found):
        raise ArtifactCorrupt(
            f"part {number} of upload {division.upload_id} was read as {found:,} rows and has {there:,}; "
            "the store gave other bytes than those of the part: deliver the event again once it does not"
        )
    return reading


def _leakage(
    division: Division, numbers: Iterable[int], kinds: dict[str, Kind], project: Project, objects: ObjectStore
) -> Leakage:
    """It looks at the first good rows alone: the first of these parts are read once more."""
    rules = rules_of(project)
    leakage, counted = Leakage(project), Counted(rules, project.time)
    for number in numbers:
        for block in blocks_of(division, number, {**kinds, **rules.kinds}, project, objects):
            leakage.good(counted.see(block), block.kinds)
            if leakage.full:
                return leakage
    return leakage
