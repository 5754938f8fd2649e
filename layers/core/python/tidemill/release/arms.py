"""Both arms in one function version: how entities stay on theirs without anything to ask (docs/decisions/0026).

An alias splits by chance. So each step of a release that assigns entities has its own version of the endpoint's
function, whose layer holds the champion's and the challenger's model, the step's weight and the salt; the alias
points to it alone. PublishVersion makes them all, once the release has the slot, which keeps the champion as it
is: later steps have the code of the first, whatever is deployed meanwhile.
"""

import json

from tidemill import canonical, names, stored
from tidemill.ports import Endpoints, Index, ObjectStore, Row, Update
from tidemill.projects.release import SPLIT
from tidemill.release import bundle, record
from tidemill.serving import layer_files


def publish(project: str, release: Row, *, objects: ObjectStore, index: Index, endpoints: Endpoints) -> Row:
    """The release's row with the function version of each step in `arms`; as it is where nothing is shared by
    entity: by the release's rules, or as there is no champion, or as the release is over.

    Each version is published once, however often this is tried. Raises ArtifactCorrupt if a model is not the
    registered one, ConflictError if the function or the release was changed meanwhile (try again).
    """
    over = release["state"] != "running" or release["champion"] is None
    if over or release.get("arms") is not None:
        return release
    rules = record.rules(record.read(objects, project, release["release_id"], record.PLAN))
    if rules.assignment != "entity":
        return release
    versions = [
        _publish_step(project, release, step, stage.weight, objects=objects, endpoints=endpoints)
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


def _publish_step(
    project: str, release: Row, step: int, weight: float, *, objects: ObjectStore, endpoints: Endpoints
) -> str:
    sides = (release["champion"], {name: release[name] for name in ("model", "function_version")})
    files: dict[str, bytes] = {}
    for number, side in enumerate(sides):
        folder = names.model(project, side["model"])
        document = objects.get(folder + layer_files.DOCUMENT)
        digest = json.loads(document)["sha256"][layer_files.MODEL]
        files[layer_files.of_arm(number, layer_files.DOCUMENT)] = document
        files[layer_files.of_arm(number, layer_files.MODEL)] = stored.verified(
            objects, folder + layer_files.MODEL, digest
        )
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
