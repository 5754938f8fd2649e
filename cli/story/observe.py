"""What the steps look at to see whether something really happened: table rows, alias, alarm, audit trail."""

from collections.abc import Sequence
from typing import Any

from cli import following, reading
from cli.deployment import Deployment
from cli.following import RunView
from cli.story.scene import Scene
from cli.uploading import Upload, push
from tidemill import names

PROJECT = "flights"
UPLOAD_SECONDS = 90
RUN_SECONDS = 240
RELEASE_SECONDS = 120


def upload(scene: Scene, project: str, name: str, body: bytes) -> Upload:
    """Put a file into `incoming/`, as any client of S3 would."""
    deployment = scene.deployment
    (sent,) = push(deployment.client("s3"), deployment.bucket, project, scene.file(name, body))
    return sent


def settled_upload(scene: Scene, sent: Upload) -> dict[str, Any]:
    """The upload's row once it is accepted, unchanged, superseded, quarantined or failed."""
    views = following.upload(scene.deployment, sent.project, sent.upload_id, scene.pace(UPLOAD_SECONDS))
    row: dict[str, Any] = following.last(views, lambda _: scene.say(f"{sent.key} is being looked at"))
    return row


def quarantine_reason(scene: Scene, sent: Upload) -> dict[str, Any]:
    """The document in `quarantine/` that says why. It is written after the upload's row."""
    objects, index = scene.deployment.objects, scene.deployment.index
    views = following.until(
        lambda: reading.upload(index, objects, sent.project, sent.upload_id)["quarantine"],
        bool,
        f"the reason of upload {sent.upload_id} in quarantine/",
        scene.pace(UPLOAD_SECONDS),
    )
    reason: dict[str, Any] = following.last(views)
    return reason


def accepted_version(scene: Scene, sent: Upload, *, number: int, rows: int) -> dict[str, Any]:
    """The dataset version that the upload became. Fails the story if it is not version `number` with `rows`
    rows."""
    row, look = settled_upload(scene, sent), f"`tidemill data show {sent.project} {sent.upload_id}`"
    scene.check(row["state"] == "accepted", "the upload to be accepted", row, look)
    scene.check(
        row.get("dataset_version") == number, f"dataset version {number}", row.get("dataset_version"), look
    )
    version = reading.version(scene.deployment.index, scene.deployment.objects, sent.project, number)
    look = f"`tidemill data show {sent.project} {number}`"
    scene.check(version["rows"] == rows, f"{rows} rows", version["rows"], look)
    scene.check(version["parent"] == number - 1, f"parent {number - 1}", version["parent"], look)
    return version


def ended_run(scene: Scene, project: str, run_id: str, *, ends: Sequence[str] = ("passed",)) -> RunView:
    """The run once it has ended. Fails the story unless it ended in one of these ways."""

    def tell(view: RunView) -> None:
        best = f", best so far {view.best['value']:.4f}" if view.best else ""
        scene.say(f"{run_id}: {len(view.trials)} trials{best}")

    views = following.run(scene.deployment, project, run_id, scene.pace(RUN_SECONDS))
    view: RunView = following.last(views, tell)
    ended = view.row is not None and view.row["state"] in ends
    scene.check(ended, f"the run {' or '.join(ends)}", view.row, f"`tidemill runs show {project} {run_id}`")
    return view


def serving_release(scene: Scene, project: str, release_id: str) -> dict[str, Any]:
    """The release's row once it is settled or its challenger serves."""
    scene.say(f"{release_id}: the model is published")
    views = following.release(scene.deployment, project, release_id, scene.pace(RELEASE_SECONDS))
    row: dict[str, Any] = following.last(views)
    return row


def versions(scene: Scene, project: str) -> list[int]:
    """The numbers of the dataset versions."""
    return [int(row["version"]) for row in reading.rows(scene.deployment.index, project, names.DATASETS)]


def run_ids(scene: Scene, project: str) -> list[str]:
    """The ids of the runs."""
    return [str(row["run_id"]) for row in reading.rows(scene.deployment.index, project, names.RUNS)]


def alias(deployment: Deployment, project: str) -> tuple[str, dict[str, float]]:
    """Where `live` points: the function version, and the weights of additional ones."""
    function = deployment.parameter(f"endpoint/{project}")
    answer = deployment.client("lambda").get_alias(FunctionName=function, Name=names.LIVE_ALIAS)
    weights = (answer.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    return str(answer["FunctionVersion"]), {str(version): float(share) for version, share in weights.items()}


def check_alias(scene: Scene, project: str, version: str, weights: dict[str, float]) -> None:
    """Fails the story unless `live` points there."""
    found, wanted = alias(scene.deployment, project), (version, weights)
    scene.check(found == wanted, f"alias live at {wanted}", found, f"`tidemill release status {project}`")


def run_facts(view: RunView, evaluation: dict[str, Any]) -> dict[str, Any]:
    """What the summary tells of a run."""
    metric, best = evaluation["metric"], view.best or {}
    champion = evaluation.get("champion")
    return {
        "run_id": view.run_id,
        "trials": len(view.trials),
        "algorithm": best.get("algorithm"),
        "metric": metric,
        "candidate": evaluation["metrics"][metric],
        "baseline": evaluation["baseline"]["metrics"][metric],
        "champion": champion["metrics"][metric] if champion else None,
        "holdout_rows": evaluation["rows"],
    }


def evaluation(scene: Scene, project: str, run_id: str) -> dict[str, Any]:
    """The run's evaluation on the held-out rows. Fails the story if it beats the trivial baseline not."""
    key = names.run(project, run_id) + "evaluation.json"
    found = reading.document(scene.deployment.objects, key)
    look = f"`tidemill runs show {project} {run_id}`"
    scene.check(found is not None, f"an evaluation at {key}", None, look)
    metric = found["metric"]
    ours, trivial = found["metrics"][metric], found["baseline"]["metrics"][metric]
    scene.check(ours < trivial, f"a {metric} below the baseline's {trivial:.4f}", ours, look)
    return dict(found)
