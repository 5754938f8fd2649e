"""Both arms in one function version: how entities stay on theirs without anything to ask (docs/decisions/0026).

An alias splits by chance. So each step of a release that assigns entities has its own version of the endpoint's
function, whose layer holds the champion's and the challenger's model, the step's weight and the salt; the alias
points to it alone. PublishVersion makes them all, once the release has the slot, which keeps the champion as it
is: later steps have the code of the first, whatever is deployed meanwhile.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill import canonical, names, stored
from tidemill.errors import ArmsUnfit, RecordNotFound
from tidemill.ports import Endpoints, Index, ObjectStore, Row, Update
from tidemill.projects.release import SPLIT
from tidemill.release import bundle, record, soundness
from tidemill.serving import layer_files
from tidemill.serving.forms import ONNX, form_of

TOLD = 4096
"""Bytes that `experiment.json` has at most."""
REMEDY = "set `rollout.assignment: request`, and start another release"


def check(
    project: str, models: Sequence[int], *, objects: ObjectStore, index: Index, room: Mapping[str, int]
) -> None:
    """Raises ArmsUnfit unless the models of both arms go into one layer, as ONNX; ArtifactCorrupt. `room`: the
    bytes that it may have, by the form."""
    sizes = [TOLD]
    for model in models:
        described, document = _document(project, model, objects=objects, index=index)
        if form_of(document) != ONNX:
            raise ArmsUnfit(
                f"v{model:05d} of {project!r} is served in its training form, and a version that has both arms has"
                f" the layers for ONNX; {REMEDY}"
            )
        if (document.get("capture") or {}).get("entity") == "drop":
            raise ArmsUnfit(
                f"v{model:05d} of {project!r} captures no entities (serving.capture.entity: drop), so that its"
                f" share could not be told in entities; {REMEDY}"
            )
        stat = objects.head(names.model(project, model) + layer_files.MODEL)
        sizes += [len(described), stat.size if stat else 0]
    needed, has = bundle.unzipped(sizes), room.get(ONNX, bundle.LIMIT)
    if needed > has:
        told = " and ".join(f"v{model:05d}" for model in models)
        raise ArmsUnfit(
            f"{told} of {project!r} make a layer of {needed:,} bytes, as entities are assigned, and beside the"
            f" code of the endpoint there are {has:,}; {REMEDY}"
        )


def publish(
    project: str,
    release: Row,
    *,
    objects: ObjectStore,
    index: Index,
    endpoints: Endpoints,
    room: Mapping[str, int],
) -> Row:
    """The release's row with the function version of each step in `arms`; as it is where nothing is shared by
    entity: by the release's rules, or as there is no champion, or as the release is over.

    Each version is published once, however often this is tried. Raises what `check` does (the champion may be
    another than at the check before), ArtifactCorrupt if a model is not the registered one, ConflictError if the
    function or the release was changed meanwhile (try again).
    """
    over = release["state"] != "running" or release["champion"] is None
    if over or release.get("arms") is not None:
        return release
    rules = record.rules(record.read(objects, project, release["release_id"], record.PLAN))
    if rules.assignment != "entity":
        return release
    models = (release["champion"]["model"], release["model"])
    check(project, models, objects=objects, index=index, room=room)
    files = _files(project, models, objects=objects, index=index)
    versions = [
        _publish_step(project, release, step, stage.weight, files, objects=objects, endpoints=endpoints)
        if stage.plan in SPLIT
        else None
        for step, stage in enumerate(rules.stages())
    ]
    row = {"arms": versions}
    index.transact(
        [Update(names.pk(project), names.sk_release(release["release_id"]), row, if_equal={"state": "running"})]
    )
    return {**release, **row}


def bundle_key(project: str, release_id: str, step: int) -> str:
    """The layer of a step (from 0): what its function version was published with."""
    return f"{names.release(project, release_id)}arms-{step + 1:02d}.zip"


def version(release: Row, step: int) -> str | None:
    """The function version that has both arms of that step; None where the alias splits."""
    versions = release.get("arms")
    return versions[step] if versions else None


def _document(project: str, model: int, *, objects: ObjectStore, index: Index) -> tuple[bytes, Mapping[str, Any]]:
    """`model.json` as it is stored, and what it says. Raises RecordNotFound, ArtifactCorrupt."""
    row = index.get(names.pk(project), names.sk_model(model))
    if row is None:
        raise RecordNotFound(f"model v{model:05d} of {project!r} is not registered; list the models")
    key = names.model(project, model) + layer_files.DOCUMENT
    body = objects.get(key)
    told = soundness.verify_document(
        body, key, project=project, version=model, identity_registered=row["identity"]
    )
    return body, told


def _files(project: str, models: Sequence[int], *, objects: ObjectStore, index: Index) -> dict[str, bytes]:
    """The files of both arms, as every step's layer has them."""
    files: dict[str, bytes] = {}
    for number, model in enumerate(models):
        described, document = _document(project, model, objects=objects, index=index)
        files[layer_files.of_arm(number, layer_files.DOCUMENT)] = described
        files[layer_files.of_arm(number, layer_files.MODEL)] = stored.verified(
            objects, names.model(project, model) + layer_files.MODEL, document["sha256"][layer_files.MODEL]
        )
    return files


def _publish_step(
    project: str,
    release: Row,
    step: int,
    weight: float,
    files: Mapping[str, bytes],
    *,
    objects: ObjectStore,
    endpoints: Endpoints,
) -> str:
    sides = (release["champion"], release)
    told = {
        "project": project,
        "salt": release["release_id"],
        "weights": [weight],
        "variants": [side["function_version"] for side in sides],
    }
    key = bundle_key(project, release["release_id"], step)
    zipped = bundle.build({layer_files.ARMS: canonical.dumps(told), **files})
    standing = stored.keep_bytes(objects, key, zipped, content_type="application/zip")
    return endpoints.publish(
        project, bundle_key=key, model_version=release["model"], identity=canonical.sha256(standing)
    )
