"""A whole run over memory adapters: what it leaves behind, when it is refused, that it can be killed anywhere."""

import itertools
import json
from typing import Any

import numpy as np
import pytest

from tidemill import canonical, names
from tidemill.errors import ArtifactCorrupt, ConflictError, OptionRefused, RunFailed
from tidemill.training import facts, gates, run_trial
from tidemill.training.prepare import load

FOLDER = "runs/tides/tides-v00001/"


def test_a_run_leaves_its_evidence_and_a_row(walked: Any) -> None:
    files = {key.removeprefix(FOLDER) for key in walked.objects.keys(FOLDER)}
    assert files == {
        "prepared.json",
        "plan.json",
        "prepared/train.npz",
        "prepared/validation.npz",
        "prepared/holdout.npz",
        "slices/final.begun.json",
        "trials/0000.json",
        "trials/0001.json",
        "best.json",
        "final/model.skops",
        "final/model.onnx",
        "final/profile.json",
        "final/final.json",
        "evaluation.json",
    }
    evaluation, row = walked.file("evaluation.json"), walked.row()
    assert evaluation["passed"], evaluation["reason"]
    assert row["state"] == "passed"
    assert row["release_id"] == walked.RUN
    assert row["reason"] == evaluation["reason"]
    assert row["metrics"] == evaluation["metrics"]
    assert row["trials"] == 2
    assert [gate["gate"] for gate in row["gates"]] == [
        "baseline", "champion", "slices", "parity", "holdout_rows"
    ]  # fmt: skip
    assert walked.audit() == ["training.passed", "training.started"]


def test_the_plan_pins_what_the_run_depends_on(walked: Any) -> None:
    plan = walked.file("plan.json")
    assert plan["project"] == walked.project.model_dump(mode="json")
    assert plan["rows"] == {"train": 180, "validation": 60, "holdout": 60}
    assert {"python", "numpy", "scikit-learn", "optuna"} <= plan["versions"].keys()
    assert len(plan["code"]) == 64
    assert (plan["seed"], plan["metric"], plan["concurrency"], plan["threshold"]) == (7, "log_loss", 2, 0.5)
    for part, digest in plan["sha256"].items():
        assert canonical.sha256(walked.objects.get(f"{FOLDER}prepared/{part}.npz")) == digest


def test_the_best_trial_is_fitted_again_on_all_but_the_holdout(walked: Any) -> None:
    best, final = walked.file("best.json"), walked.file("final/final.json")
    values = {trial: walked.file(f"trials/{trial:04d}.json")["value"] for trial in (0, 1)}
    assert best["value"] == min(values.values()) == values[best["trial"]]
    assert (final["algorithm"], final["parameters"]) == (best["algorithm"], best["parameters"])
    for file, digest in final["sha256"].items():
        assert canonical.sha256(walked.objects.get(f"{FOLDER}final/{file}")) == digest
    profile = walked.file("final/profile.json")["columns"]
    assert profile["harbour"]["count"] == 240
    assert profile["@prediction"]["count"] == 60
    assert final["features"][0] == {"name": "level", "type": "number", "nullable": True}


def test_the_evaluation_compares_on_the_held_out_rows(walked: Any) -> None:
    evaluation = walked.file("evaluation.json")
    parts = {part: load(walked.objects.get(f"{FOLDER}prepared/{part}.npz")) for part in facts.PARTS}
    fitted_on = np.concatenate([parts["train"]["full"], parts["validation"]["full"]])
    assert evaluation["baseline"]["constant"] == pytest.approx(fitted_on.mean())
    assert evaluation["metrics"].keys() == evaluation["baseline"]["metrics"].keys()
    assert evaluation["comparisons"]["baseline"]["rows"] == evaluation["rows"]["holdout"] == 60
    difference = evaluation["metrics"]["log_loss"] - evaluation["baseline"]["metrics"]["log_loss"]
    assert evaluation["comparisons"]["baseline"]["difference"] == pytest.approx(difference)
    assert evaluation["champion"] is None
    assert walked.gate("champion")["verdict"] == "not_applicable"
    assert evaluation["parity"]["rows"] == 60


def test_regression_runs_alike(new_mill: Any) -> None:
    mill = new_mill(task="regression", search={"algorithms": ["linear", "random_forest"]})
    evaluation = mill.walk()
    assert evaluation["passed"], evaluation["reason"]
    assert evaluation["metrics"].keys() == {"rmse", "mae", "r2"}
    assert evaluation["threshold"] is None


def test_everything_that_is_stored_is_json_the_table_takes(walked: Any) -> None:
    for row in walked.index.rows.values():
        canonical.dumps(row)


STEPS: list[tuple[str, dict[str, Any]]] = [
    ("prepare_data", {}),
    ("plan_trials", {}),
    ("run_trial", {"slot": 0}),
    ("run_trial", {"slot": 1}),
    ("run_trial", {"slot": 1}),
    ("select_best", {}),
    ("fit_final", {}),
    ("evaluate_candidate", {}),
    ("close_run", {"state": "passed"}),
]


def test_killed_before_any_call_and_run_again_each_step_ends_the_same(mill: Any) -> None:
    for name, request in STEPS:
        before = mill.state()
        answer = mill.step(name, **request)
        after = mill.state()
        for call in itertools.count():
            mill.restore(before)
            left = iter(range(call, -1, -1))

            def announce(left: Any = left, mill: Any = mill) -> None:
                if next(left, None) == 0:
                    raise mill.Killed

            try:
                mill.step(name, announce, **request)
            except mill.Killed:
                if name == "run_trial" and mill.state() == after:
                    continue  # its reply was lost; the slot goes on with the next trial
                assert mill.step(name, **request) == answer
                assert mill.state() == after, f"{name} killed before call {call}"
            else:
                break
        assert call >= 2, name
        if name != "run_trial":  # a slot that comes again goes on
            assert mill.step(name, **request) == answer
            assert mill.state() == after, f"{name} run twice"


def test_a_run_that_has_ended_walks_through_again_unchanged(walked: Any) -> None:
    before = walked.state()
    walked.walk()
    assert walked.state() == before


def test_a_new_deployment_does_not_change_a_run_under_way(mill: Any, new_mill: Any) -> None:
    mill.plan()
    mill.project = new_mill(features=["level"], search={"trials": 5}).project
    assert mill.plan() == {"slots": [0, 1], "wide": False}
    assert len(mill.search()) == 2
    mill.step("select_best")
    mill.step("fit_final")
    assert [feature["name"] for feature in mill.file("final/final.json")["features"]] == [
        "level",
        "gates",
        "wind",
        "harbour",
    ]


def test_parts_of_two_splits_never_come_together(mill: Any, new_mill: Any) -> None:
    def announce() -> None:
        if mill.objects.exists(f"{FOLDER}prepared/train.npz"):
            raise mill.Killed

    with pytest.raises(mill.Killed):
        mill.step("prepare_data", announce)
    mill.project = new_mill(split={"holdout": 0.4}).project
    with pytest.raises(RunFailed, match="new id"):
        mill.plan()
    assert not mill.objects.exists(f"{FOLDER}plan.json")


def test_prepared_rows_that_were_changed_are_refused(mill: Any) -> None:
    mill.plan()
    mill.objects.put(f"{FOLDER}prepared/train.npz", b"other rows")
    with pytest.raises(ArtifactCorrupt, match="prepared/train"):
        mill.step("run_trial", slot=0)
    assert not mill.objects.exists(f"{FOLDER}trials/0000.json")


def test_a_trial_that_cannot_be_fitted_is_recorded_and_the_run_goes_on(
    mill: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mill.plan()
    fit = run_trial.pipeline.fit

    def unfit(algorithm: str, *args: Any, **kwargs: Any) -> Any:
        if algorithm == "linear":
            raise np.linalg.LinAlgError("singular matrix")
        return fit(algorithm, *args, **kwargs)

    monkeypatch.setattr(run_trial.pipeline, "fit", unfit)
    failed, complete = mill.search()
    assert (failed["trial"], failed["state"], failed["value"]) == (0, "failed", None)
    assert mill.file("trials/0000.json")["reason"] == "LinAlgError: singular matrix"
    assert (complete["trial"], complete["state"]) == (1, "complete")
    assert mill.step("select_best")["trial"] == 1
    assert (mill.file("best.json")["completed"], mill.file("best.json")["failed"]) == (1, 1)


def test_a_run_without_a_completed_trial_fails_with_the_reasons(mill: Any) -> None:
    mill.plan()
    for trial, reason in ((0, "Runtime.ExitError: out of memory"), (1, "Sandbox.Timedout: 900 s")):
        with pytest.raises(mill.Killed):
            mill.step("run_trial", mill.killer(mill.claimed(trial)), slot=0)
        for loss in ("a", "b"):
            mill.step("record_loss", slot=0, loss=f"{trial}{loss}", reason=reason)
    words = r"none of 2 trials completed: Runtime\.ExitError: out of memory; Sandbox\.Timedout: 900 s"
    with pytest.raises(RunFailed, match=words):
        mill.step("select_best")


def test_a_run_id_belongs_to_one_dataset_version(walked: Any) -> None:
    with pytest.raises(ConflictError, match="another id"):
        walked.step("prepare_data", dataset_version=2)


def test_another_seed_is_another_run_on_the_same_held_out_rows(walked: Any) -> None:
    walked.plan(run_id="tides-v00001-manual-1", options={"seed": 99})
    one, other = walked.file("plan.json"), walked.file("plan.json", "tides-v00001-manual-1")
    assert (one["seed"], other["seed"]) == (7, 99)
    assert one["sha256"] == other["sha256"]


# --- rehearsals ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("options", [{"shuffle_labels": True}, {"waive_gates": "to show it"}])
def test_options_that_spoil_a_model_are_refused_outside_a_rehearsal(mill: Any, options: dict[str, Any]) -> None:
    with pytest.raises(OptionRefused, match=next(iter(options))):
        mill.step("prepare_data", options=options)
    assert not list(mill.objects.keys(FOLDER)), "nothing was prepared"
    mill.step("close_run", state="failed", error={"Error": "OptionRefused", "Cause": "no rehearsal"})
    assert (mill.row()["state"], mill.row()["error"]) == ("failed", "OptionRefused")


def test_shuffled_labels_make_a_model_that_the_gates_refuse(new_mill: Any) -> None:
    mill = new_mill(new_mill.rows(600))
    evaluation = mill.walk(options={"shuffle_labels": True}, rehearsal=True)
    assert not evaluation["passed"]
    assert evaluation["reason"].startswith("refused: log_loss")
    assert mill.gate("baseline")["verdict"] == "refused"
    plain = new_mill(new_mill.rows(600))
    plain.walk()
    holdouts = [one.objects.get(f"{FOLDER}prepared/holdout.npz") for one in (mill, plain)]
    assert holdouts[0] == holdouts[1], "it is judged on true labels"


def test_waived_gates_let_it_through_and_say_so(new_mill: Any) -> None:
    mill = new_mill(new_mill.rows(600))
    options = {"shuffle_labels": True, "waive_gates": "the story needs a bad challenger"}
    evaluation = mill.walk(options=options, rehearsal=True)
    assert evaluation["passed"]
    gate = mill.gate("baseline")
    assert (gate["verdict"], gate["passed"], gate["waived"]) == ("waived", False, options["waive_gates"])
    assert "baseline waived (the story needs a bad challenger)" in mill.row()["reason"]
    started = next(
        row for row in mill.index.query(names.pk("tides"), names.AUDIT) if row["action"] == "training.started"
    )
    assert started["details"]["waive_gates"] == options["waive_gates"]


# --- the champion ----------------------------------------------------------------------------------------------
SECOND = "tides-v00001-manual-2"


def test_the_same_model_again_does_not_beat_the_champion(walked: Any) -> None:
    walked.crown()
    evaluation = walked.walk(run_id=SECOND)
    gate = walked.gate("champion", SECOND)
    assert (gate["verdict"], gate["value"]) == ("refused", 0.0)
    assert not evaluation["passed"]
    assert walked.row(SECOND)["state"] == "refused"
    assert walked.row(SECOND)["release_id"] is None
    assert evaluation["champion"]["model"] == 1
    assert evaluation["champion"]["metrics"] == evaluation["metrics"]
    assert evaluation["comparisons"]["champion"]["difference"] == 0.0


def test_a_better_model_on_the_same_rows_beats_the_champion(new_mill: Any) -> None:
    mill = new_mill(new_mill.rows(600))
    mill.walk(options={"shuffle_labels": True, "waive_gates": "to have a weak champion"}, rehearsal=True)
    mill.crown()
    evaluation = mill.walk(run_id=SECOND)
    assert mill.gate("champion", SECOND)["verdict"] == "passed"
    comparison = evaluation["comparisons"]["champion"]
    assert comparison["rows"] == evaluation["rows"]["holdout"]
    assert comparison["high"] < 0
    improved = evaluation["champion"]["metrics"]["log_loss"] - evaluation["metrics"]["log_loss"]
    assert -comparison["difference"] == pytest.approx(improved)
    assert "the champion's" in evaluation["reason"]


def test_a_champion_whose_file_was_changed_is_not_loaded(walked: Any) -> None:
    walked.crown()
    walked.objects.put(names.model("tides", 1) + "model.skops", b"tampered")
    with pytest.raises(ArtifactCorrupt, match=r"v00001/model\.skops"):
        walked.walk(run_id=SECOND)


def test_a_champion_that_needs_a_dropped_feature_is_a_refusal_with_the_reason(walked: Any, new_mill: Any) -> None:
    walked.crown()
    walked.project = new_mill(features=["level", "gates", "wind"]).project
    evaluation = walked.walk(run_id=SECOND)
    assert "needs the features ['harbour']" in walked.gate("champion", SECOND)["reason"]
    assert (evaluation["passed"], evaluation["champion"]["metrics"]) == (False, {})


def test_a_candidate_whose_file_was_changed_is_not_loaded(mill: Any) -> None:
    for name, request in STEPS[:7]:
        mill.step(name, **request)
    mill.objects.put(f"{FOLDER}final/model.onnx", b"tampered")
    with pytest.raises(ArtifactCorrupt, match=r"final/model\.onnx"):
        mill.step("evaluate_candidate")


def test_an_onnx_form_that_answers_otherwise_is_refused_by_parity(new_mill: Any) -> None:
    mill, other = new_mill(), new_mill(new_mill.rows(300, seed=5))
    for name, request in STEPS[:7]:
        mill.step(name, **request)
        other.step(name, **request)
    foreign = other.objects.get(f"{FOLDER}final/model.onnx")
    final = mill.file("final/final.json")
    final["sha256"]["model.onnx"] = canonical.sha256(foreign)
    mill.objects.put(f"{FOLDER}final/model.onnx", foreign)
    mill.objects.put(f"{FOLDER}final/final.json", json.dumps(final).encode())
    assert not mill.step("evaluate_candidate")["passed"]
    assert mill.gate("parity")["verdict"] == gates.REFUSED


def test_too_few_held_out_rows_are_refused(new_mill: Any) -> None:
    mill = new_mill(gates={"holdout_rows": 61})
    assert not mill.walk()["passed"]
    assert "60 rows are held out (at least 61)" in mill.row()["reason"]
