"""Runs that compute on SageMaker: what is chosen, what is asked for, what jobs do, and what is lost with them."""

import json
from typing import Any

import pytest

from local.extensions.sagemaker import shapes
from tests.unit.training.machine import Machine
from tidemill.errors import ComputeUnavailable, RunFailed

FAILED = ("States.TaskFailed", json.dumps({"FailureReason": "CapacityError: no capacity"}))
LOST_REPLY = ("SageMaker.AmazonSageMakerException", "connection reset")
SAGEMAKER = {"kind": "sagemaker", "instance_count": 2}


def sagemaker(new_mill: Any, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Machine:
    changes.setdefault("compute", SAGEMAKER)
    return Machine(new_mill(**changes), monkeypatch)


def trials(machine: Machine) -> list[dict[str, Any]]:
    keys = sorted(machine.mill.objects.keys("runs/tides/tides-v00001/trials/"))
    return [json.loads(machine.mill.objects.get(key)) for key in keys]


def test_slots_and_the_final_fit_are_jobs(new_mill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = sagemaker(new_mill, monkeypatch, search={"trials": 4})
    ended = machine.run()
    assert ended["status"] == "SUCCEEDED", ended
    assert sorted(name.split("-", 3)[3] for name in machine.jobs.begun[:2]) == ["slot-00-0-0", "slot-01-0-0"]
    assert [name.split("-", 3)[3] for name in machine.jobs.begun[2:]] == ["fit-0"]
    assert {trial["instance"] for trial in trials(machine)} == {"ml.m5.xlarge"}
    assert len(trials(machine)) == 4
    assert machine.mill.file("final/final.json")["instance"] == "ml.m5.xlarge"
    chosen = {step: machine.mill.file(f"compute/{step}.json") for step in ("search", "fit")}
    assert {made["kind"] for made in chosen.values()} == {"sagemaker"}
    assert chosen["search"]["why"] == "the project file says `compute: sagemaker`"
    assert "RunTrial" not in machine.called
    assert "FitFinal" not in machine.called


def test_a_lambda_run_asks_for_no_choice_and_no_job(new_mill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = sagemaker(new_mill, monkeypatch, compute="lambda")
    assert machine.run()["status"] == "SUCCEEDED"
    assert machine.jobs.begun == []
    assert "ChooseCompute" not in machine.called


def test_a_job_that_dies_is_followed_by_another_that_goes_on(
    new_mill: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = sagemaker(new_mill, monkeypatch, search={"trials": 6}, compute={**SAGEMAKER, "instance_count": 1})
    machine.jobs.cuts = [2, 0, 3]
    assert machine.run()["status"] == "SUCCEEDED"
    slots = [name for name in machine.jobs.begun if "slot" in name]
    assert [name.rsplit("slot-", 1)[1] for name in slots] == ["00-0-0", "00-1-0", "00-2-0", "00-3-0"]
    assert [trial["trial"] for trial in trials(machine)] == list(range(6))
    assert {trial["state"] for trial in trials(machine)} == {"complete"}


def test_a_slot_whose_jobs_die_again_and_again_is_given_up_with_the_reason(
    new_mill: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = sagemaker(new_mill, monkeypatch, compute={**SAGEMAKER, "instance_count": 1})
    machine.jobs.cuts = [0] * 20
    ended = machine.run()
    assert (ended["status"], ended["error"]) == ("FAILED", "RunFailed")
    assert len(machine.jobs.begun) == 5
    assert "InternalServerError: capacity" in machine.mill.row()["reason"] + ended["cause"]


def test_a_request_whose_answer_was_lost_is_sent_again_under_another_name(
    new_mill: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = sagemaker(new_mill, monkeypatch, compute={**SAGEMAKER, "instance_count": 1})
    machine.jobs.faults = [LOST_REPLY, LOST_REPLY]
    assert machine.run()["status"] == "SUCCEEDED"
    slots = [name.rsplit("slot-", 1)[1] for name in machine.jobs.begun if "slot" in name]
    assert slots == ["00-0-0", "00-0-1", "00-0-2"]


def test_the_final_fit_is_tried_twice_and_then_fails_the_run(
    new_mill: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = sagemaker(new_mill, monkeypatch, compute={**SAGEMAKER, "instance_count": 1})
    run = machine.jobs.run

    def failing(call: str, request: dict[str, Any]) -> dict[str, Any]:
        if request["HyperParameters"]["task"] == "fit":
            machine.jobs.faults = [FAILED]
        return run(call, request)

    monkeypatch.setattr(machine.jobs, "run", failing)
    ended = machine.run()
    assert (ended["status"], ended["error"]) == ("FAILED", "States.TaskFailed")
    assert [name.rsplit("-", 2)[1:] for name in machine.jobs.begun[1:]] == [["fit", "0"], ["fit", "1"]]
    monkeypatch.setattr(machine.jobs, "run", run)
    machine.jobs.begun.clear()  # another execution: its names are others
    before = trials(machine)
    assert machine.run()["status"] == "SUCCEEDED"
    assert trials(machine) == before


def test_a_tuning_job_for_each_algorithm_draws_the_points(new_mill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = sagemaker(new_mill, monkeypatch, search={"sampler": "sagemaker", "trials": 5})
    ended = machine.run()
    assert ended["status"] == "SUCCEEDED", ended
    tunings = [each for each in machine.jobs.requests if "HyperParameterTuningJobConfig" in each]
    shares = [
        (
            each["TrainingJobDefinition"]["StaticHyperParameters"]["algorithm"],
            each["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"],
        )
        for each in tunings
    ]
    assert sorted(shares) == [("gradient_boosting", 2), ("linear", 3)]
    done = trials(machine)
    assert [trial["trial"] for trial in done] == list(range(5))
    assert all(trial["state"] == "complete" and trial["job"] for trial in done)
    assert {tuple(trial["parameters"]) for trial in done if trial["algorithm"] == "linear"} == {("C",)}
    assert {trial["parameters"]["C"] for trial in done if trial["algorithm"] == "linear"} == {0.001}


def test_a_tuning_job_that_was_not_to_be_had_says_so(new_mill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = sagemaker(
        new_mill, monkeypatch, search={"sampler": "sagemaker", "trials": 1, "algorithms": ["linear"]}
    )
    machine.jobs.faults = [("SageMaker.ResourceInUseException", "a job of that name exists")]
    ended = machine.run()
    assert ended["status"] == "FAILED"
    assert "a job of that name exists" in ended["cause"]


def test_a_resumed_tuning_asks_for_what_is_missing_alone(new_mill: Any) -> None:
    mill = new_mill(search={"sampler": "sagemaker", "trials": 4}, compute=SAGEMAKER)
    mill.plan()
    for number, (algorithm, given) in enumerate([("linear", {"C": "0.5"}), ("linear", {"C": "0.7"})]):
        mill.step("run_tuned_trial", job=f"j{number}", algorithm=algorithm, hyperparameters=given)
    again = mill.step("choose_compute", execution="tides-v00001-r1")["tunings"]
    assert [each["request"]["TrainingJobDefinition"]["StaticHyperParameters"]["algorithm"] for each in again] == [
        "gradient_boosting"
    ]
    first = mill.step("choose_compute", execution="tides-v00001")["tunings"]
    named = [each["request"]["HyperParameterTuningJobName"] for each in (*again, *first)]
    assert len(set(named)) == 2
    assert all(len(name) + len("-0") <= 32 for name in named)


def test_a_tuned_trial_is_one_however_often_its_job_starts(new_mill: Any) -> None:
    mill = new_mill(search={"sampler": "sagemaker"}, compute={**SAGEMAKER, "strategy": "hyperband"})
    mill.plan()
    lines: list[str] = []
    point = {"algorithm": "gradient_boosting", "hyperparameters": {
        "learning_rate": "0.1", "max_iter": "40", "max_leaf_nodes": "7", "min_samples_leaf": "20",
        "l2_regularization": "0.001",
    }}  # fmt: skip
    with pytest.raises(mill.Killed):
        mill.step("run_tuned_trial", mill.killer(mill.claimed(0)), job="a", **point)
    fact = mill.step("run_tuned_trial", job="a", say=lines.append, **point)
    assert mill.step("run_tuned_trial", job="a", **point) == fact
    assert (fact["trial"], fact["state"], fact["job"]) == (0, "complete", "a")
    assert len(mill.study().get_trials()) == 1
    assert len(lines) == 10  # after each tenth of the fit
    assert lines[-1] == f"objective={fact['value']};"


def test_a_stopped_run_begins_no_tuned_trial(new_mill: Any) -> None:
    mill = new_mill(search={"sampler": "sagemaker"}, compute=SAGEMAKER)
    mill.plan()
    mill.stop()
    with pytest.raises(RunFailed, match="was stopped by"):
        mill.step("run_tuned_trial", job="a", algorithm="linear", hyperparameters={"C": "1"})
    assert mill.step("choose_compute", step="searched") == {"stopped": True}
    assert mill.study().get_trials() == []


def test_a_stage_without_an_image_refuses_with_the_remedy(new_mill: Any) -> None:
    mill = new_mill(compute=SAGEMAKER)
    mill.plan()
    with pytest.raises(ComputeUnavailable, match="-c training_image="):
        mill.step("choose_compute", place=None)


class TestAuto:
    """`compute: auto`."""

    def test_a_first_trial_is_tried_and_small_ones_stay_on_lambda(
        self, new_mill: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        machine = sagemaker(new_mill, monkeypatch, compute="auto", search={"trials": 4})
        assert machine.run()["status"] == "SUCCEEDED"
        assert machine.jobs.begun == []
        assert [trial["trial"] for trial in trials(machine)] == list(range(4))
        why = machine.mill.file("compute/search.json")
        assert why["kind"] == "lambda"
        assert why["why"].startswith("trial 0 (linear): 0.0 s")
        assert machine.mill.file("compute/fit.json")["kind"] == "lambda"

    def test_a_first_trial_that_kills_its_function_is_continued_by_a_job(
        self, new_mill: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        machine = sagemaker(new_mill, monkeypatch, compute="auto", search={"trials": 3})
        machine.kills = {0: 1}
        assert machine.run()["status"] == "SUCCEEDED"
        assert [trial["trial"] for trial in trials(machine)] == [0, 1, 2]
        assert {trial["instance"] for trial in trials(machine)} == {"ml.m5.xlarge"}
        assert machine.mill.file("compute/search.json")["why"] == (
            "a function did not come to the end of the first trial"
        )
        assert machine.mill.file("compute/fit.json")["why"].endswith("was fitted there (ml.m5.xlarge)")

    def test_rows_that_do_not_fit_into_a_function_are_not_tried_there(
        self, new_mill: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tidemill.training.choose_compute.COPIES", 1 << 20)
        mill = new_mill(compute="auto")
        mill.plan()
        chosen = mill.step("choose_compute")
        assert chosen["kind"] == "jobs"
        assert "240 rows of 5 columns" in chosen["why"]

    def test_a_slow_trial_moves_the_rest(self, new_mill: Any) -> None:
        mill = new_mill(compute="auto")
        mill.plan()
        slow = {"trial": 0, "algorithm": "linear", "state": "complete", "seconds": 541.0}
        mill.objects.put_new("runs/tides/tides-v00001/trials/0000.json", json.dumps(slow).encode())
        chosen = mill.step("choose_compute", tried=True)
        assert (chosen["kind"], chosen["why"]) == (
            "jobs", "trial 0 (linear): 541 s; a function should take 540 at most",
        )  # fmt: skip

    def test_a_first_trial_that_was_given_up_has_no_time_and_moves_the_rest(self, new_mill: Any) -> None:
        mill = new_mill(compute="auto")
        mill.plan()
        with pytest.raises(mill.Killed):
            mill.step("run_trial", mill.killer(mill.claimed(0)), slot=0)
        for loss in ("a", "b"):
            mill.step("record_loss", slot=0, loss=loss, reason="Sandbox.Timedout: ")
        assert "seconds" not in mill.file("trials/0000.json")
        assert mill.step("choose_compute")["kind"] == "jobs"

    def test_a_forest_that_stays_on_lambda_is_grown_in_shards(
        self, new_mill: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        search = {"trials": 2, "algorithms": ["random_forest"]}
        machine = sagemaker(new_mill, monkeypatch, compute={"kind": "auto", "shards": 3}, search=search)
        assert machine.run()["status"] == "SUCCEEDED"
        assert machine.called.count("FitFinal") == 4

    def test_the_choice_stands_for_a_resumed_run(self, new_mill: Any) -> None:
        mill = new_mill(compute="auto")
        mill.plan()
        mill.step("run_trial", slot=0)
        assert mill.step("choose_compute")["kind"] == "lambda"
        mill.objects.put_new("runs/tides/tides-v00001/compute/fit.json", b'{"kind":"sagemaker","why":"before"}')
        mill.search(slots=(0, 1))
        mill.step("select_best")
        assert mill.step("choose_compute", step="fit")["why"] == "before"


@pytest.mark.parametrize("strategy", ["bayesian", "random", "grid", "hyperband"])
@pytest.mark.parametrize("spot", [False, True])
def test_requests_keep_the_services_model(new_mill: Any, strategy: str, spot: bool) -> None:
    compute = {**SAGEMAKER, "strategy": strategy, "spot": spot}
    mill = new_mill(search={"sampler": "sagemaker", "algorithms": ["linear", "random_forest"]}, compute=compute)
    mill.plan()
    for each in mill.step("choose_compute")["tunings"]:
        shapes.check("CreateHyperParameterTuningJob", each["request"])
    own = new_mill(compute=compute)
    own.plan()
    for each in own.step("choose_compute")["jobs"]:
        shapes.check("CreateTrainingJob", each["request"])
        assert each["request"]["EnableManagedSpotTraining"] == spot
