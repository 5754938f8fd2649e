"""Steps 3 and 4 of the story: a better model earns its traffic, and a spoiled one loses it."""

import uuid
from typing import Any

from cli import following, reading
from cli.story import flights, observe
from cli.story.data_steps import answers_with
from cli.story.observe import PROJECT
from cli.story.replay import Replay, replay
from cli.story.scene import Scene
from tidemill import names

SECOND_FILE = "2013-03-to-04.csv"
FIRST_WEIGHT = 0.1
EXPERIMENT_ROWS_PER_REQUEST = 40
REHEARSAL_ROWS_PER_REQUEST = 25
DECISION_SECONDS = 300  # an undecided experiment ends at the last look that the project allows
MACHINE = "settle_release"  # who decides when no person does


def second_data(scene: Scene) -> str:
    """March and April become version 2; model 2 beats model 1 on the same held-out rows and becomes challenger."""
    rows = flights.months(3, 4)
    sent = observe.upload(scene, PROJECT, SECOND_FILE, flights.to_csv(rows))
    before = scene.facts["datasets"][0]
    version = observe.accepted_version(scene, sent, number=2, rows=before["rows"] + len(rows))
    scene.facts["datasets"].append({name: version[name] for name in before})
    run_id = f"{PROJECT}-v00002"
    view = observe.ended_run(scene, PROJECT, run_id)
    evaluation, look = observe.evaluation(scene, PROJECT, run_id), f"`tidemill runs show {PROJECT} {run_id}`"
    scene.check(bool(evaluation["champion"]), "a comparison with champion 1", evaluation["champion"], look)
    facts = observe.run_facts(view, evaluation)
    better = facts["candidate"] < facts["champion"]
    scene.check(
        better, f"a {facts['metric']} below champion 1's {facts['champion']:.4f}", facts["candidate"], look
    )
    scene.facts["models"].append({"model": 2, **facts})
    check_challenger(scene, observe.serving_release(scene, PROJECT, run_id), model=2)
    found = f"{facts['metric']} {facts['candidate']:.4f} against {facts['champion']:.4f} of model 1"
    return f"{found}; challenger at 10 %"


def experiment(scene: Scene) -> str:
    """May is replayed through the API, outcomes follow late, and the machine decides by itself."""
    release_id = f"{PROJECT}-v00002"
    sent = _until_decided(scene, release_id, months=(5, 6), per_request=EXPERIMENT_ROWS_PER_REQUEST)
    decided = _decided(scene, release_id)
    models = {1, 2} & set(sent.models)
    scene.check(
        models == {1, 2}, "answers of both models", dict(sent.models), f"`tidemill release status {PROJECT}`"
    )
    champion = reading.live(scene.deployment.index, PROJECT)["champion"]
    winner = 2 if decided["release"]["state"] == "promoted" else 1
    scene.check(
        champion["model"] == winner,
        f"model {winner} as champion",
        champion,
        f"`tidemill release status {PROJECT}`",
    )
    observe.check_alias(scene, PROJECT, str(champion["function_version"]), {})
    answers_with(scene, model=winner)
    scene.facts["experiment"] = _experiment_facts(decided, sent)
    return f"{decided['release']['state'].replace('_', ' ')}: {decided['release']['reason']}"


def spoiled_challenger(scene: Scene) -> str:
    """A challenger trained on shuffled labels, its gates waived, is rolled back without a person."""
    before = reading.live(scene.deployment.index, PROJECT)["champion"]
    run_id = f"{PROJECT}-v00002-manual-{uuid.uuid4().hex[:8]}"
    scene.deployment.workflows.start("training", name=run_id, payload=_spoiled_run(run_id, scene.seed))
    observe.ended_run(scene, PROJECT, run_id)
    release = observe.serving_release(scene, PROJECT, run_id)
    check_challenger(scene, release, model=int(release["model"]))
    sent = _until_decided(scene, run_id, months=(6,), per_request=REHEARSAL_ROWS_PER_REQUEST)
    decided, look = _decided(scene, run_id), f"`tidemill release status {PROJECT} {run_id}`"
    state = decided["release"]["state"]
    scene.check(state == "rolled_back", "the spoiled challenger rolled back", decided["release"], look)
    live = reading.live(scene.deployment.index, PROJECT)
    scene.check(live["challenger"] is None and live["champion"] == before, f"champion {before} alone", live, look)
    observe.check_alias(scene, PROJECT, str(before["function_version"]), {})
    model = reading.model(scene.deployment.index, scene.deployment.objects, PROJECT, int(release["model"]))
    scene.check(model["state"] == "rolled_back", "the model's state rolled_back", model["state"], look)
    scene.facts["spoiled"] = _experiment_facts(decided, sent)
    return str(decided["release"]["reason"])


def check_challenger(scene: Scene, release: dict[str, Any], *, model: int) -> None:
    """Fails the story unless the release's model is challenger at the first weight, also by the alias."""
    live, look = reading.live(scene.deployment.index, PROJECT), f"`tidemill release status {PROJECT}`"
    found = (release["state"], (live["challenger"] or {}).get("model"), live["weight"])
    wanted = ("running", model, FIRST_WEIGHT)
    scene.check(found == wanted, f"release running with challenger {model} at 10 %", found, look)
    champion, challenger = str(live["champion"]["function_version"]), str(live["challenger"]["function_version"])
    observe.check_alias(scene, PROJECT, champion, {challenger: FIRST_WEIGHT})


def _until_decided(scene: Scene, release_id: str, *, months: tuple[int, ...], per_request: int) -> Replay:
    """Replay month after month until the release is decided."""
    total = Replay()

    def decided(sent: Replay) -> bool:
        row = _row(scene, release_id)
        done = f"{total.requests + sent.requests:,} requests, step {row['step'] + 1}, look {row['looks']}"
        scene.say(f"{done}: {row.get('reason', '')}")
        return bool(row["state"] != following.RUNNING)

    for month in months:
        total += replay(
            scene.deployment.api, scene.project(PROJECT), flights.months(month),
            per_request=per_request, seed=scene.seed + month, enough=decided,
        )  # fmt: skip
        if _row(scene, release_id)["state"] != following.RUNNING:
            break
    return total


def _decided(scene: Scene, release_id: str) -> dict[str, Any]:
    """The release with its looks once it is decided. Fails the story unless the machine decided it, by an
    experiment."""
    deployment, look = scene.deployment, f"`tidemill release status {PROJECT} {release_id}`"
    following.last(following.decision(deployment, PROJECT, release_id, scene.pace(DECISION_SECONDS)))
    facts = reading.release(deployment.index, deployment.objects, PROJECT, release_id)
    scene.check(
        facts["release"].get("by") == MACHINE, "a decision of the machine", facts["release"].get("by"), look
    )
    scene.check(bool(facts["looks"]), "at least one look", facts["looks"], look)
    return facts


def _row(scene: Scene, release_id: str) -> dict[str, Any]:
    what = f"release {release_id!r}"
    return reading.one(
        scene.deployment.index, PROJECT, names.sk_release(release_id), what, "`tidemill release status`"
    )


def _spoiled_run(run_id: str, seed: int) -> dict[str, Any]:
    """The input of the training machine. Only stages that permit rehearsals take these options."""
    return {
        "project": PROJECT,
        "dataset_version": 2,
        "run_id": run_id,
        "reason": "rehearsal of a bad release",
        "trigger": "manual",
        "options": {"shuffle_labels": True, "waive_gates": "rehearsal: the release has to notice", "seed": seed},
    }


def _experiment_facts(decided: dict[str, Any], sent: Replay) -> dict[str, Any]:
    """What the summary tells of an experiment."""
    look = decided["looks"][-1]
    return {
        "release_id": decided["release"]["release_id"],
        "model": decided["release"]["model"],
        "decision": decided["release"]["state"],
        "reason": decided["release"]["reason"],
        "looks": len(decided["looks"]),
        "weight": look["weight"],
        "difference": look["difference"],
        "arms": look["arms"],
        "requests": sent.requests,
        "rows": sent.rows,
        "outcomes": sent.outcomes,
        "requests_by_model": dict(sent.models),
    }
