"""State `ScorePart`: scores one part of a file, beside the others; writes its rows, and then its report.

The serving machine's Map calls it. A part has an output row for each row that it holds, whatever happens to the
worker: the output is written at once and once, and a part that has it is not scored again.
"""

import io
import json
import platform
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill import canonical, names
from tidemill.data.formats.parts import Part, Split, part_blocks
from tidemill.errors import RequestInvalid, UploadRejected
from tidemill.ports import Clock, ObjectStore
from tidemill.serving import model as models
from tidemill.serving import scored_rows, scoring
from tidemill.serving.model import Model
from tidemill.serving.scoring import Input, Place

Loading = Callable[[str, int, Mapping[str, str], ObjectStore], Model]


def registered(project: str, version: int, sha256: Mapping[str, str], objects: ObjectStore) -> Model:
    """A model version by its number and the digests of its files. Raises RecordNotFound, ArtifactCorrupt."""
    folder = names.model(project, version)
    found = {file: scoring.verified(objects, folder + file, digest) for file, digest in sha256.items()}
    return models.opened(json.loads(found["model.json"]), found["model.onnx"])


def score_part(
    *,
    project: str,
    scoring_id: str,
    part: int,
    memory_mb: int,
    objects: ObjectStore,
    clock: Clock,
    load: Loading = registered,
) -> dict[str, Any]:
    """`{"part": …}`. Raises RecordNotFound (a file or the model is gone), ArtifactCorrupt, RequestInvalid (the
    file cannot be read to its end)."""
    place, begun = Place(project, scoring_id), clock()
    if objects.exists(place.report(part)):
        return {"part": part}
    plan = scoring.read(objects, place.plan)
    body = _standing(place, part, objects) or _written(place, part, plan, load, objects)
    output = pq.ParquetFile(pa.BufferReader(body))
    errors = output.read(columns=["error"])["error"]
    report = {
        "part": part,
        "file": part_of(plan, part)[0],
        "read": int(output.metadata.metadata[b"rows_read"]),
        "rows": output.metadata.num_rows,
        "errors": len(errors) - errors.null_count,
        "bytes": len(body),
        "sha256": canonical.sha256(body),
        "processor": platform.machine(),
        **scoring.spent((clock() - begun).total_seconds(), memory_mb),
    }
    scoring.keep(objects, place.report(part), report)
    return {"part": part}


def part_of(plan: Mapping[str, Any], number: int) -> tuple[int, Part]:
    """The number of its file, and the part of that number, both counted from 1."""
    file, *part = plan["parts"][number - 1]
    return file, Part(*part)


def _standing(place: Place, part: int, objects: ObjectStore) -> bytes | None:
    """The output that a worker wrote that was killed before its report."""
    return objects.get(place.output(part)) if objects.exists(place.output(part)) else None


def _written(place: Place, part: int, plan: Mapping[str, Any], load: Loading, objects: ObjectStore) -> bytes:
    version = plan["model"]["version"]
    model = load(place.project, version, plan["model"]["sha256"], objects)
    number, _ = part_of(plan, part)
    file = Input(**plan["files"][number - 1])
    try:
        body = _scored(place, part, plan, model, objects)
    except UploadRejected as error:
        raise RequestInvalid(file.path, error.reason) from error
    if objects.put_new(place.output(part), body, content_type="application/vnd.apache.parquet"):
        return body
    return objects.get(place.output(part))


def _scored(place: Place, part: int, plan: Mapping[str, Any], model: Model, objects: ObjectStore) -> bytes:
    """The output file of a part. How many rows were read is noted in it."""
    number, wanted = part_of(plan, part)
    file, keep = Input(**plan["files"][number - 1]), plan["keep"]
    divided = Split.from_json(scoring.read(objects, place.file(number)))
    kinds = scored_rows.kinds(model, keep)
    blocks = part_blocks(
        objects,
        file.key,
        version_id=file.version_id,
        size=file.size,
        split=divided,
        part=wanted,
        kinds=kinds,
        rules=frozenset(kinds),
        only=frozenset(kinds),
    )
    columns, sink, seen, count = scored_rows.schema(model.document, keep), io.BytesIO(), 0, 0
    told = {"file": file.path, "version": plan["model"]["version"]}
    with pq.ParquetWriter(sink, columns, compression="zstd") as writer:
        for block in blocks:
            seen += block.batch.num_rows + len(block.faults)
            rows = list(scored_rows.scored(block, model, keep))
            ids = [f"{place.scoring_id}.{part}.{count + place_in + 1}" for place_in in range(len(rows))]
            count += len(rows)
            writer.write_batch(scored_rows.batch(rows, columns, keep, ids=ids, **told))
        writer.add_key_value_metadata({"rows_read": str(seen)})
    return sink.getvalue()
