"""Large uploads in parts: which are divided, and the facts that the states in between hand on.

RegisterVersion divides (`split.json`), ReadPart reads one part (`0001.json`, …), MergeParts merges them, or tells
the kinds (`kinds.json`) that a column has in the whole file, so that the parts are read again with these. All lie
in `quarantine/<project>/<upload id>/parts/`: they hold cells and rows as they came, and expire there.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from tidemill import canonical, names
from tidemill.data.contents import Source
from tidemill.data.formats.parts import Part, Split, is_divisible, split
from tidemill.data.take_in import Read, in_one_pass
from tidemill.ports import ObjectStore
from tidemill.projects import Kind, Project

SPLIT_BYTES = 2 << 30
"""Bytes above which a file is read in parts: one call reads some 20 MB of it in a second, and has 15 minutes."""

PARTS = 8
"""Parts that a file of SPLIT_BYTES would have; larger ones have more, of the same size, up to MOST_PARTS."""

MOST_PARTS = 1000
JSON = "application/json"


class Divided(Exception):
    """The upload is to be read in `parts` first (their numbers, from 1). `outcome`: `divided`, or `widened` when
    they are to be read again."""

    def __init__(self, outcome: str, parts: Collection[int]) -> None:
        super().__init__(f"{outcome}: {len(parts)} parts")
        self.outcome, self.parts = outcome, parts


@dataclass(frozen=True)
class Division:
    """An upload and its parts."""

    project: str
    upload_id: str
    source: Source
    split: Split

    def key(self, part: int) -> str:
        """Where the reading of a part lies, by its number from 1."""
        return f"{names.parts(self.project, self.upload_id)}{part:04}.json"

    @property
    def numbers(self) -> range:
        """Of the parts, from 1."""
        return range(1, len(self.split.parts) + 1)

    def again(self) -> Divided:
        """What to raise when the parts are to be read again."""
        return Divided("widened", self.numbers)

    def part(self, number: int) -> Part:
        return self.split.parts[number - 1]


@dataclass(frozen=True)
class Dividing:
    """How RegisterVersion reads an upload: in one pass, unless it is to be read in parts."""

    project: str
    upload_id: str
    split_bytes: int

    def __call__(self, source: Source, project: Project, objects: ObjectStore) -> Read:
        """Raises Divided, RecordNotFound, UploadRejected."""
        place = {"version_id": source.version_id, "size": source.size}
        if source.size <= self.split_bytes or not is_divisible(objects, source.key, **place):  # type: ignore[arg-type]
            return in_one_pass(source, project, objects)
        division = find(objects, self.project, self.upload_id) or self._divide(source, objects)
        if len(division.numbers) < 2:
            return in_one_pass(source, project, objects)
        raise Divided("divided", division.numbers)

    def _divide(self, source: Source, objects: ObjectStore) -> Division:
        most = max(self.split_bytes // PARTS, -(-source.size // MOST_PARTS))
        found = split(objects, source.key, version_id=source.version_id, size=source.size, part_bytes=most)
        told = {"key": source.key, "version_id": source.version_id, "size": source.size, **found.as_json()}
        objects.put_new(_split_key(self.project, self.upload_id), canonical.dumps(told), content_type=JSON)
        return Division(self.project, self.upload_id, source, found)


def find(objects: ObjectStore, project: str, upload_id: str) -> Division | None:
    """The upload's parts; None if it is not divided."""
    key = _split_key(project, upload_id)
    if not objects.exists(key):
        return None
    told = json.loads(objects.get(key))
    source = Source(told["key"], told["version_id"], told["size"])
    return Division(project, upload_id, source, Split.from_json(told))


def known(objects: ObjectStore, division: Division) -> dict[str, Kind]:
    """The kinds of columns without a rule that parts are to be read with, as far as earlier readings told."""
    key = _kinds_key(division)
    told = json.loads(objects.get(key)) if objects.exists(key) else {}
    return {name: Kind(kind) for name, kind in told.items()}


def tell(objects: ObjectStore, division: Division, kinds: Mapping[str, Kind]) -> None:
    """Have the parts read with these kinds from now on."""
    told = {name: kind.value for name, kind in kinds.items()}
    objects.put(_kinds_key(division), canonical.dumps(told), content_type=JSON)


def asked(project: Project, kinds: Mapping[str, Kind]) -> str:
    """What a part was read under: the project file and the known kinds, as one digest. A reading under others is
    no answer."""
    told: dict[str, Any] = {name: kind.value for name, kind in kinds.items()}
    return canonical.identity([project.model_dump(mode="json"), told])


def _split_key(project: str, upload_id: str) -> str:
    return f"{names.parts(project, upload_id)}split.json"


def _kinds_key(division: Division) -> str:
    return f"{names.parts(division.project, division.upload_id)}kinds.json"
