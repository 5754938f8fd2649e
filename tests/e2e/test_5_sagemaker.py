"""Runs that compute on SageMaker, on the embedded cloud with IAM enforced: from an upload to a served model."""

import json
from typing import Any

import pytest

from cli import reading
from cli.deployment import Deployment
from cli.story import flights
from tests.e2e.test_4_training import run, wait_for
from tidemill import names

PROJECTS = ("ferries", "barges")
TRIALS = 4


@pytest.fixture(scope="module")
def rows(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The ended run of each project, by its name. Both projects are `flights` under another name."""
    file = tmp_path_factory.mktemp("flights") / "january.csv"
    file.write_bytes(flights.to_csv(flights.months(1).head(8000)))
    for project in PROJECTS:
        run("data", "push", project, str(file))

    return {project: ended(deployment, project) for project in PROJECTS}


def ended(deployment: Deployment, project: str) -> dict[str, Any]:
    """The row of the project's first run, once it has ended."""
    key = names.pk(project), names.sk_run(f"{project}-v00001")
    return wait_for(lambda: deployment.index.get(*key) or {}, lambda row: row.get("state", "running") != "running")


def jobs(deployment: Deployment, project: str) -> dict[str, dict[str, Any]]:
    """What SageMaker says of the jobs of a project's run, by their names."""
    sagemaker, found = deployment.client("sagemaker"), {}
    for page in sagemaker.get_paginator("list_training_jobs").paginate():
        for each in page["TrainingJobSummaries"]:
            described = sagemaker.describe_training_job(TrainingJobName=each["TrainingJobName"])
            if described["HyperParameters"]["project"] == project:
                found[each["TrainingJobName"]] = described
    return found


def test_slots_and_the_final_fit_run_as_training_jobs(deployment: Deployment, rows: dict[str, Any]) -> None:
    assert rows["ferries"]["state"] == "passed", rows["ferries"]
    found = jobs(deployment, "ferries")
    assert sorted(job["HyperParameters"]["task"] for job in found.values()) == ["fit", "slot", "slot"]
    assert {job["TrainingJobStatus"] for job in found.values()} == {"Completed"}
    assert all(job["EnableManagedSpotTraining"] for job in found.values())
    trials = reading.trials(deployment.objects, "ferries", "ferries-v00001")
    assert [trial["trial"] for trial in trials] == list(range(TRIALS))
    assert {trial["state"] for trial in trials} == {"complete"}
    assert [trial["algorithm"] for trial in trials] == ["lightgbm", "own"] * 2
    assert {trial["instance"] for trial in trials} == {"ml.m5.xlarge"}
    assert {trial["log"]["stream"].split("/")[0] for trial in trials} <= set(found)


def test_two_machines_grow_one_model_each_on_its_share_of_the_rows(
    deployment: Deployment, rows: dict[str, Any]
) -> None:
    (fit,) = (job for job in jobs(deployment, "ferries").values() if job["HyperParameters"]["task"] == "fit")
    assert fit["ResourceConfig"]["InstanceCount"] == 2
    final = json.loads(deployment.objects.get("runs/ferries/ferries-v00001/final/final.json"))
    assert (final["algorithm"], final["parted"]) == ("lightgbm", 2)
    assert run("reproduce", "ferries", "--run", "ferries-v00001", "--json")["same"] is True


def test_a_tuning_job_draws_the_trials_of_each_algorithm(deployment: Deployment, rows: dict[str, Any]) -> None:
    assert rows["barges"]["state"] == "passed", rows["barges"]
    trials = reading.trials(deployment.objects, "barges", "barges-v00001")
    assert [trial["trial"] for trial in trials] == list(range(TRIALS))
    assert sorted(trial["algorithm"] for trial in trials) == ["extra_trees"] * 2 + ["random_forest"] * 2
    found = jobs(deployment, "barges")
    tuned = {name: job for name, job in found.items() if job["HyperParameters"]["task"] == "trial"}
    assert {trial["job"] for trial in trials} == set(tuned)
    values = {trial["job"]: trial["value"] for trial in trials}
    for name, job in tuned.items():
        metric = next(each for each in job["FinalMetricDataList"] if each["MetricName"] == "objective")
        assert metric["Value"] == pytest.approx(values[name], rel=1e-6)
    (fit,) = (job for name, job in found.items() if name not in tuned)
    assert (fit["HyperParameters"]["task"], fit["ResourceConfig"]["InstanceCount"]) == ("fit", 2)
    shards = list(deployment.objects.keys("runs/barges/barges-v00001/slices/shards/"))
    assert [key.rsplit("/", 2)[1:] for key in shards] == [["02", "00.skops"], ["02", "01.skops"]]


@pytest.mark.parametrize("project", PROJECTS)
def test_the_model_is_released_and_answers(deployment: Deployment, rows: dict[str, Any], project: str) -> None:
    live = wait_for(
        lambda: deployment.index.get(names.pk(project), names.POINTER_LIVE) or {}, lambda row: row.get("champion")
    )
    assert live["champion"]["model"] == 1
    february = flights.months(2).dropna()
    early = february[february["departure_delay"] < 0].head(1)
    instance = early.drop(columns=["late", "departed"]).to_dict("records")[0]
    answer = deployment.api.predict(project, [instance])
    assert 0 < answer["predictions"][0]["probability"] < 0.5


def test_people_are_told_where_a_run_computed_and_why(rows: dict[str, Any]) -> None:
    told = run("runs", "show", "barges")
    assert "search on SageMaker: the project file says `compute: sagemaker`" in told
    assert "s on SageMaker" in told
