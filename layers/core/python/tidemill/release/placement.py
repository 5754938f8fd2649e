"""Where a model version's file goes when it is released: into its layer, or, with a pointer in the layer, nowhere:
it stays in the bucket.

PublishVersion asks. Whatever becomes the layer is checked against what was registered, and the file as well to
which it points. Writes `bundle.zip` of the release if the layer is one with a pointer.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from tidemill import canonical, names, stored
from tidemill.errors import ArtifactCorrupt, ModelTooLarge, RecordNotFound
from tidemill.ports import ObjectStore, Stat
from tidemill.projects import Project
from tidemill.release import bundle, soundness
from tidemill.serving import archives, layer_files
from tidemill.serving.bucket_model import Pointer
from tidemill.serving.forms import ONNX, file_of, form_of

BUCKET = "bucket"


class Placed(NamedTuple):
    """The key of the bundle that becomes the layer, and in what its function version differs from another one of
    the same model: nothing, or its form, or that the file is in the bucket."""

    bundle_key: str
    kind: str


def place(
    problem: Project,
    release_id: str,
    version: int,
    *,
    identity: str,
    objects: ObjectStore,
    room: Mapping[str, int],
) -> Placed:
    """Decide by `serving.storage`, and prepare the bundle. `identity` is the registered one of that model version;
    `room` the bytes that its layer may have, by its form.

    Raises ModelTooLarge (with the setting that would help), ArtifactCorrupt, RecordNotFound.
    """
    folder = names.model(problem.name, version)
    described = objects.get(folder + layer_files.DOCUMENT)
    registered: Any = {"project": problem.name, "version": version, "identity_registered": identity}
    document = soundness.verify_document(described, folder + layer_files.DOCUMENT, **registered)
    form, key = form_of(document), folder + file_of(document)
    # Of ONNX in its layer, which is the rule, there is nothing to say.
    kind = "" if form == ONNX else form
    stat = objects.head(key)
    if stat is None:
        raise RecordNotFound(f"{key} does not exist; restore it, or release another model")
    if _in_layer(problem, key, bundle.unzipped((stat.size, len(described))), room.get(form, bundle.LIMIT)):
        packed = folder + "bundle.zip"
        soundness.verify_bundle(objects.get(packed), **registered)
        return Placed(packed, kind)
    _check_endpoint(problem, key, stat.size)
    packed = names.release(problem.name, release_id) + "bundle.zip"
    _point(packed, key, stat, described, document, objects)
    return Placed(packed, f"{kind} {BUCKET}".lstrip())


def _in_layer(problem: Project, key: str, needed: int, has: int) -> bool:
    """Whether the file goes into its layer. Raises ModelTooLarge if it must, and cannot."""
    storage = problem.serving.storage
    if storage == "layer" and needed > has:
        raise ModelTooLarge(
            f"{key} makes a layer of {needed:,} bytes, and beside the code of the endpoint there are {has:,}; set"
            f" `serving.storage: auto` in projects/{problem.name}.yaml, deploy, and release it again"
        )
    return storage == "layer" or (storage == "auto" and needed <= has)


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


def _point(
    packed: str, key: str, stat: Stat, described: bytes, document: Mapping[str, Any], objects: ObjectStore
) -> None:
    """Write the bundle with a pointer to the checked file, unless one stands that is as good."""
    pointer = Pointer(key, stat.version_id, document["sha256"][file_of(document)], stat.size)
    _check(pointer, objects)
    zipped = _with_pointer(described, pointer)
    standing = stored.keep_bytes(objects, packed, zipped, content_type="application/zip")
    if standing == zipped:
        return
    # The file was written again since an earlier attempt, or someone else wrote the bundle.
    told = _pointer_of(packed, standing)
    if standing != _with_pointer(described, told) or told != replace(pointer, version_id=told.version_id):
        raise ArtifactCorrupt(f"{packed} is not as it is packed; find out who wrote it, and start another release")
    _check(told, objects)


def _with_pointer(described: bytes, pointer: Pointer) -> bytes:
    told = canonical.dumps(pointer.as_json())
    return bundle.build({layer_files.DOCUMENT: described, layer_files.POINTER: told})


def _pointer_of(packed: str, zipped: bytes) -> Pointer:
    try:
        files = dict(archives.parts(zipped))
        return Pointer(**json.loads(files[bundle.PACKAGE + layer_files.POINTER]))
    except (*archives.UNREADABLE, KeyError, TypeError) as error:
        raise ArtifactCorrupt(f"{packed} cannot be read ({error!r}); start another release") from error


def _check(pointer: Pointer, objects: ObjectStore) -> None:
    """Raises ArtifactCorrupt if the object version that is pointed to is not the registered file, or a pickle."""
    soundness.verify_stored(objects, pointer.key, pointer.sha256, pointer.key, version_id=pointer.version_id)
