"""The keys of rows (`key` in the project file): each shall name one row, and no row shall be there twice.

An observer sketches the keys of an upload; ValidateVersion holds a batch's keys against those of the files that
the new version keeps. A row under an old key counts twice in training, and may be on both sides of a split.
"""

import json
from collections.abc import Iterable, Mapping

import pyarrow as pa

from tidemill import canonical, names
from tidemill.data.formats.blocks import Block
from tidemill.data.quality.faults import Fault
from tidemill.data.sketches.dataset import row_hashes
from tidemill.data.sketches.distinct import DistinctSketch
from tidemill.ports import ObjectStore
from tidemill.projects import Kind, Project


class Keys:
    """Sketches the keys of the good rows, if the project says what names a row."""

    def __init__(self, project: Project) -> None:
        self._key = list(project.key)
        self.sketch = DistinctSketch()

    def restart(self) -> None:
        self.sketch = DistinctSketch()

    def every(self, block: Block) -> None:
        """Rows that break rules are not counted."""

    def good(self, rows: pa.RecordBatch, kinds: Mapping[str, Kind]) -> None:  # noqa: ARG002  (hashes know their kinds)
        if self._key and set(self._key) <= set(rows.schema.names):
            self.sketch.update(row_hashes(rows, self._key))


def key_of(project: str, upload_id: str) -> str:
    return names.upload(project, upload_id) + "keys.json"


def write(objects: ObjectStore, project: str, upload_id: str, keys: Keys) -> None:
    """Keep the sketch of an upload's keys."""
    body = canonical.dumps(keys.sketch.to_json())
    objects.put(key_of(project, upload_id), body, content_type="application/json")


def read(objects: ObjectStore, project: str, upload_ids: Iterable[str]) -> DistinctSketch:
    """The keys of all these uploads together; of those that were taken in before there were any, nothing."""
    whole = DistinctSketch()
    for upload_id in upload_ids:
        place = key_of(project, upload_id)
        if objects.exists(place):
            whole.merge(DistinctSketch.from_json(json.loads(objects.get(place))))
    return whole


def faults(batch: DistinctSketch, kept: DistinctSketch) -> list[Fault]:
    """Keys that are in the batch more than once, and keys of the batch that the kept files hold already."""
    found = []
    if batch.duplicates:
        about = "" if batch.exact else "about "
        message = f"{about}{batch.duplicates} of {batch.rows} rows have a key that another row of the batch has"
        found.append(Fault("duplicate_keys_in_batch", None, message, batch.duplicates))
    shared = _shared(batch, kept)
    if shared:
        message = f"about {shared} keys of the batch are in earlier files too; upload corrections as the same file"
        found.append(Fault("keys_overlap", None, message, shared))
    return found


def _shared(batch: DistinctSketch, kept: DistinctSketch) -> int:
    """|A| + |B| - |A and B together|; the estimates' error is about 1 % of the larger one, and below that nothing
    is claimed."""
    both = DistinctSketch()
    both.merge(batch)
    both.merge(kept)
    shared = batch.distinct + kept.distinct - both.distinct
    certain = both.exact or shared > 0.02 * both.distinct
    return max(shared, 0) if certain else 0
