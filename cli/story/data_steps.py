"""Steps 1 and 2 of the story: data comes in, becomes a version and a live model; what must not become data does
not."""

from cli.story import flights, observe
from cli.story.damaged import damaged_files
from cli.story.observe import PROJECT
from cli.story.replay import instances
from cli.story.scene import Scene

FIRST_FILE = "2013-01-to-02.csv"
SAMPLE_ROWS = 3000
TRIALS = 8


def first_data(scene: Scene) -> str:
    """January and February are uploaded, and become dataset version 1."""
    scene.say("joining flights with weather")
    rows = flights.months(1, 2)
    sent = observe.upload(scene, PROJECT, FIRST_FILE, flights.to_csv(rows))
    version = observe.accepted_version(scene, sent, number=1, rows=len(rows))
    scene.facts["datasets"] = [_version_facts(version)]
    return f"version 1, {version['rows']:,} rows, identity {version['identity'][:12]}"


def same_file(scene: Scene) -> str:
    """The same file again makes no new version and no new run."""
    before = observe.run_ids(scene, PROJECT)
    sent = observe.upload(scene, PROJECT, FIRST_FILE, flights.to_csv(flights.months(1, 2)))
    row = observe.settled_upload(scene, sent)
    look = f"`tidemill data show {PROJECT} {sent.upload_id}`"
    scene.check(row["state"] == "unchanged", "the upload to be told as unchanged", row, look)
    _nothing_new(scene, before)
    return "unchanged: no new version, no new run"


def damaged(scene: Scene) -> str:
    """Five damaged files are quarantined, each for its own reason, and start nothing."""
    before = observe.run_ids(scene, PROJECT)
    files = damaged_files(flights.months(1).head(SAMPLE_ROWS))
    sent = [(file, observe.upload(scene, PROJECT, file.name, file.body)) for file in files]
    scene.facts["quarantined"] = {}
    for file, upload in sent:
        row = observe.settled_upload(scene, upload)
        found = (row["state"], row.get("code"))
        look = f"`tidemill data show {PROJECT} {upload.upload_id}`"
        scene.check(found == ("quarantined", file.code), f"{file.name} quarantined as {file.code}", found, look)
        observe.quarantine_reason(scene, upload)
        scene.facts["quarantined"][file.name] = {"code": row["code"], "reason": row["reason"]}
    _nothing_new(scene, before)
    return ", ".join(file.code for file in files)


def first_model(scene: Scene) -> str:
    """The search, the final fit and the evaluation have made model 1, and it answers requests."""
    run_id = f"{PROJECT}-v00001"
    view = observe.ended_run(scene, PROJECT, run_id)
    complete = [trial for trial in view.trials if trial["state"] == "complete"]
    look = f"`tidemill runs show {PROJECT} {run_id}`"
    scene.check(len(complete) >= TRIALS, f"at least {TRIALS} complete trials", len(complete), look)
    evaluation = observe.evaluation(scene, PROJECT, run_id)
    release = observe.serving_release(scene, PROJECT, run_id)
    scene.check(
        release["state"] == "promoted",
        "model 1 released to everyone",
        release,
        f"`tidemill release status {PROJECT}`",
    )
    observe.check_alias(scene, PROJECT, str(release["function_version"]), {})
    answers_with(scene, model=1)
    facts = observe.run_facts(view, evaluation)
    scene.facts["models"] = [{"model": 1, **facts}]
    return f"{facts['metric']} {facts['candidate']:.4f} against {facts['baseline']:.4f} of the baseline"


def answers_with(scene: Scene, *, model: int) -> None:
    """Fails the story unless the API answers with that model version."""
    asked = instances(flights.months(5).head(5), scene.project(PROJECT))
    answer = scene.deployment.api.predict(PROJECT, asked)
    look = f"`tidemill models list {PROJECT}`"
    scene.check(answer["model_version"] == model, f"an answer of model {model}", answer["model_version"], look)
    probabilities = [item["probability"] for item in answer["predictions"]]
    scene.check(all(0 <= p <= 1 for p in probabilities), "probabilities", probabilities, look)


def _version_facts(version: dict[str, object]) -> dict[str, object]:
    return {name: version[name] for name in ("version", "parent", "rows", "identity")}


def _nothing_new(scene: Scene, runs_before: list[str]) -> None:
    """Fails the story if there is a version beside the first, or a run that only version 1 does not account
    for."""
    expected = {*runs_before, f"{PROJECT}-v00001"}
    versions, runs = observe.versions(scene, PROJECT), set(observe.run_ids(scene, PROJECT))
    scene.check(versions == [1], "dataset version 1 only", versions, f"`tidemill data log {PROJECT}`")
    scene.check(runs <= expected, f"no run beside {expected}", runs, f"`tidemill runs list {PROJECT}`")
