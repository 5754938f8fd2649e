"""Where a model version's file goes when it is released: into its layer, or, with a pointer in the layer, nowhere:
it stays in the bucket.

PublishVersion asks. Writes `bundle.zip` of the release if the layer is one with a pointer.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tidemill import canonical, names
from tidemill.errors import ArtifactCorrupt, ModelTooLarge, RecordNotFound
from tidemill.ports import ObjectStore
from tidemill.projects import Project
from tidemill.release import bundle
from tidemill.serving.bucket_model import POINTER, Pointer
from tidemill.serving.forms import ONNX, file_of, form_of
from tidemill.stored import digest

BUCKET = "bucket"


class Placed(NamedTuple):
    """The key of the bundle that becomes the layer, and in what its function version differs from another one of
    the same model: nothing, or its form, or that the file is in the bucket."""

    bundle_key: str
    kind: str


def place(
    problem: Project,
    release_id: str,
    document: Mapping[str, Any],
    *,
    objects: ObjectStore,
    room: Mapping[str, int],
) -> Placed:
    """Decide by `serving.storage`, and prepare the bundle. `document` is the model's `model.json`; `room` the
    bytes that its layer may have.

    Raises ModelTooLarge (with the setting that would help), ArtifactCorrupt, RecordNotFound.
    """
    folder = names.model(problem.name, document["version"])
    form, file = form_of(document), file_of(document)
    # Of ONNX in its layer, which is the rule, there is nothing to say.
    kind = "" if form == ONNX else form
    stat = objects.head(folder + file)
    if stat is None:
        raise RecordNotFound(f"{folder + file} does not exist; restore it, or release another model")
    described = objects.get(folder + "model.json")
    needed, has = bundle.unzipped((stat.size, len(described))), room.get(form, bundle.LIMIT)
    storage = problem.serving.storage
    if storage == "layer" and needed > has:
        raise ModelTooLarge(
            f"{folder + file} makes a layer of {needed:,} bytes, and beside the code of the endpoint there are"
            f" {has:,}; set `serving.storage: auto` in projects/{problem.name}.yaml, deploy, and release it again"
        )
    if storage == "layer" or (storage == "auto" and needed <= has):
        return Placed(folder + "bundle.zip", kind)
    _check_endpoint(problem, folder + file, stat.size)
    pointer = Pointer(folder + file, stat.version_id, document["sha256"][file], stat.size)
    _check(pointer, objects)
    files = {"model.json": described, POINTER: canonical.dumps(pointer.as_json())}
    key = names.release(problem.name, release_id) + "bundle.zip"
    objects.put_new(key, bundle.build(files), content_type="application/zip")
    return Placed(key, f"{kind} {BUCKET}".lstrip())


def _check_endpoint(problem: Project, key: str, size: int) -> None:
    """Raises ModelTooLarge if the endpoint is not given what a file of that size needs at the least."""
    given = {
        "temporary_storage_mb": problem.serving.temporary_storage_mb,
        "memory_mb": problem.serving.memory_mb,
    }
    for setting, megabytes in given.items():
        if size > megabytes << 20:
            raise ModelTooLarge(
                f"{key} has {size:,} bytes, and the endpoint is given {megabytes:,} MB; set `serving.{setting}` to"
                f" more than {size >> 20:,} in projects/{problem.name}.yaml, deploy, and release it again"
            )


def _check(pointer: Pointer, objects: ObjectStore) -> None:
    """Raises ArtifactCorrupt if the object version that is pointed to is not the registered file."""
    found = digest(objects.chunks(pointer.key, version_id=pointer.version_id))
    if found != pointer.sha256:
        raise ArtifactCorrupt(
            f"{pointer.key} has SHA-256 {found}, registered is {pointer.sha256}; restore it, or release another"
            " model"
        )
