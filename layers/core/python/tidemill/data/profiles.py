"""Sketches of uploads and of dataset versions: where they are kept, and how a version's is made of its files'.

RegisterVersion writes an upload's (`uploads/<project>/<upload id>/sketch.json`), CompareVersion a version's
(`profiles/<project>/<content>.json`, a view that can be made again).
"""

import json
from collections.abc import Iterable

from tidemill import canonical, names
from tidemill.data import versions
from tidemill.data.sketches.dataset import DatasetSketch
from tidemill.ports import ObjectStore
from tidemill.projects import Kind


def upload_key(project: str, upload_id: str) -> str:
    return names.upload(project, upload_id) + "sketch.json"


def of_upload(objects: ObjectStore, project: str, upload_id: str) -> DatasetSketch:
    """The sketch of an upload's good rows. Raises RecordNotFound."""
    return DatasetSketch.from_json(json.loads(objects.get(upload_key(project, upload_id))))


def of_version(objects: ObjectStore, project: str, fact: versions.Document) -> DatasetSketch:
    """The sketch of the rows of the version with that manifest: as it was kept, or made now of its files'. Raises
    RecordNotFound."""
    if objects.exists(fact["profile"]):
        return DatasetSketch.from_json(json.loads(objects.get(fact["profile"])))
    return merged(of_upload(objects, project, file.upload_id) for file in versions.files_of(fact))


def keep(objects: ObjectStore, project: str, version: int) -> str:
    """Write the sketch of a version, unless it is there; give its key. Raises RecordNotFound."""
    fact = versions.read_fact(objects, project, version)
    key: str = fact["profile"]
    if not objects.exists(key):
        sketch = canonical.dumps(of_version(objects, project, fact).to_json())
        objects.put(key, sketch, content_type="application/json")
    return key


def merged(sketches: Iterable[DatasetSketch]) -> DatasetSketch:
    """The sketch of all rows together. A column without a rule that is of another kind in another file cannot be
    told of the whole, and is left out."""
    every = list(sketches)
    kinds: dict[str, set[Kind]] = {}
    for sketch in every:
        for name, column in sketch.columns.items():
            kinds.setdefault(name, set()).add(column.kind)
    whole = DatasetSketch()
    for sketch in every:
        for name in [name for name in sketch.columns if len(kinds[name]) > 1]:
            del sketch.columns[name]
        whole.merge(sketch)
    return whole
