"""A run about named classes: its evidence, its gates, and the champion that it is compared with."""

from typing import Any

import numpy as np
import pytest

from tidemill.data.profile import PREDICTION
from tidemill.training.evidence.fairness import fairness
from tidemill.training.reproduce import find, reproduce

SECOND = "tides-v00001-manual-2"
CLASSES = ["neap", "mean", "spring"]
ONE = {"trials": 1, "algorithms": ["linear"]}


@pytest.fixture
def named(new_mill: Any) -> Any:
    """A mill whose run has ended."""
    gates = {"calibration": 0.2, "selection_ratio": 0.9, "robustness": 5.0}
    mill = new_mill.named(sensitive=["harbour"], slices={"rows": 10}, gates=gates)
    mill.walk(options={"waive_gates": "to see all"}, rehearsal=True)
    return mill


def test_the_evaluation_tells_of_each_class(named: Any) -> None:
    evaluation, holdout = named.file("evaluation.json"), 60
    confusion = evaluation["confusion"]
    assert confusion["classes"] == CLASSES
    assert np.sum(confusion["rows"]) == evaluation["rows"]["holdout"] == holdout
    assert np.trace(confusion["rows"]) / holdout == pytest.approx(evaluation["metrics"]["accuracy"])
    assert sum(evaluation["baseline"]["constant"]) == pytest.approx(1)
    assert evaluation["metrics"]["log_loss"] < evaluation["baseline"]["metrics"]["log_loss"]
    assert set(evaluation["intervals"]) == set(evaluation["metrics"])
    assert evaluation["parity"]["disagreeing"] == 0
    assert evaluation["comparisons"]["baseline"]["decisions"]["only_candidate_right"] > 0
    assert evaluation["slices"]["slices"]
    assert {each["feature"] for each in evaluation["importance"]["features"]} == set(named.project.features)


def test_gates_are_about_all_classes(named: Any) -> None:
    for gate in ("baseline", "parity", "calibration", "robustness"):
        assert named.gate(gate)["verdict"] == "passed", gate
    (column,) = named.file("evaluation.json")["fairness"]
    assert named.gate("selection_ratio")["verdict"] == "waived"
    assert named.gate("selection_ratio")["value"] == min(column["selection_ratios"])
    assert column["classes"] == CLASSES
    assert all(sum(group["selection_rates"]) == pytest.approx(1) for group in column["groups"])


def test_the_profile_has_the_answers_as_a_category(named: Any) -> None:
    said = named.file("final/profile.json")["columns"][PREDICTION]
    columns = np.sum(named.file("evaluation.json")["confusion"]["rows"], axis=0)
    assert said["kind"] == "category"
    assert said["values"] == {name: count for name, count in zip(CLASSES, columns, strict=True) if count}
    assert named.file("final/final.json")["classes"] == CLASSES


def test_of_0_and_1_nothing_of_this_is_written(walked: Any) -> None:
    assert "confusion" not in walked.file("evaluation.json")
    assert "classes" not in walked.file("final/final.json")
    assert walked.file("final/profile.json")["columns"][PREDICTION]["kind"] == "number"


def test_a_watched_search_over_all_families_ends_like_any(new_mill: Any) -> None:
    algorithms = ["linear", "elastic_net", "gradient_boosting", "random_forest", "extra_trees"]
    search = {"trials": 10, "algorithms": algorithms, "sampler": "tpe", "pruner": "median"}
    measures = {"constraints": {"size_bytes": 1e9, "latency_ms": 1e9}}
    mill = new_mill.named(search={**search, **measures})
    mill.walk()
    assert mill.row()["state"] == "passed"
    done = [mill.file(f"trials/{number:04d}.json") for number in range(10)]
    assert {trial["state"] for trial in done} <= {"complete", "pruned"}
    assert {trial["algorithm"] for trial in done} == set(algorithms)


def test_shuffled_classes_make_a_model_that_the_gates_refuse(new_mill: Any) -> None:
    mill = new_mill.named()
    assert not mill.walk(options={"shuffle_labels": True}, rehearsal=True)["passed"]


def test_a_model_that_differs_is_told_by_its_answers(new_mill: Any) -> None:
    mill = new_mill.named(search=ONE)
    mill.walk()
    record = find(project="tides", run_id=mill.RUN, objects=mill.objects, index=mill.index)
    other = {**record.best, "parameters": {"C": 0.001}}
    found = reproduce(type(record)(record.plan, other, record.final, record.sha256, None), objects=mill.objects)
    assert found["answers"]["rows"] == found["answers"]["different"] == 60
    assert 0.1 < found["answers"]["largest_difference"] < 1


# --- the champion ----------------------------------------------------------------------------------------------


def test_the_same_model_again_does_not_beat_the_champion(new_mill: Any) -> None:
    mill = new_mill.named(search=ONE)
    mill.walk()
    mill.crown()
    evaluation = mill.walk(run_id=SECOND)
    assert (mill.gate("champion", SECOND)["verdict"], mill.gate("champion", SECOND)["value"]) == ("refused", 0.0)
    assert evaluation["champion"]["metrics"] == evaluation["metrics"]


def test_the_order_of_the_classes_changes_nothing_between_models(new_mill: Any) -> None:
    mill = new_mill.named(search=ONE)
    mill.walk()
    mill.crown()
    order = {"full": {"type": "category", "allowed": ["spring", "neap", "mean"]}}
    mill.project = new_mill.named(search=ONE, columns=order).project
    evaluation = mill.walk(run_id=SECOND)
    assert evaluation["champion"]["metrics"]["log_loss"] == pytest.approx(
        evaluation["metrics"]["log_loss"], rel=1e-3
    )
    assert evaluation["comparisons"]["champion"]["decisions"]["mid_p"] == 1.0


def test_a_champion_gives_no_probability_to_a_class_that_is_new(new_mill: Any) -> None:
    mill = new_mill.named(search=ONE)
    mill.walk()
    mill.crown()
    rows = mill.rows(300, task="named")
    rows.loc[::7, "full"] = "king"
    mill.add_version(2, rows)
    wider = {"full": {"type": "category", "allowed": [*CLASSES, "king"]}}
    mill.project = new_mill.named(search=ONE, columns=wider).project
    evaluation = mill.walk(run_id=SECOND, dataset_version=2)
    assert mill.gate("champion", SECOND)["verdict"] == "passed"
    assert evaluation["champion"]["metrics"]["log_loss"] > 36 / 8, "a seventh of the rows costs 36 nats each"


@pytest.mark.parametrize("kinds", [("0 and 1", "named classes"), ("named classes", "0 and 1")])
def test_a_champion_about_another_kind_of_target_cannot_be_asked(new_mill: Any, kinds: tuple[str, str]) -> None:
    before, after = (new_mill.named if kind == "named classes" else new_mill for kind in kinds)
    mill, later = before(search=ONE), after(search=ONE)
    mill.walk()
    mill.crown()
    mill.project = later.project
    mill.add_version(2, later.rows(300, task="named" if kinds[1] == "named classes" else "classification"))
    evaluation = mill.walk(run_id=SECOND, dataset_version=2)
    reason = mill.gate("champion", SECOND)["reason"]
    assert reason == f"the champion v00001 is about {kinds[0]}, the candidate about {kinds[1]}"
    assert not evaluation["passed"]


def test_balanced_classes_weigh_the_same(new_mill: Any) -> None:
    """A class with a tenth of the rows gets more probability than its share."""
    rows = new_mill.rows(600, task="named")
    rare = rows["full"] == "spring"
    rows = rows.drop(index=rows.index[rare][::2]).reset_index(drop=True)
    said = []
    for weight in ("none", "balanced"):
        mill = new_mill.named(search=ONE, recipe={"class_weight": weight})
        mill.add_version(2, rows)
        evaluation = mill.walk(dataset_version=2)
        assert evaluation["parity"]["disagreeing"] == 0
        said.append(np.sum(evaluation["confusion"]["rows"], axis=0)[CLASSES.index("spring")])
    assert said[1] > said[0]


# --- fairness --------------------------------------------------------------------------------------------------


def test_the_selection_ratio_is_that_of_the_class_that_is_said_most_unevenly(new_mill: Any) -> None:
    project = new_mill.named(sensitive=["wind"], slices={"rows": 10}).project
    wind = np.repeat(["N", "S", "W"], [20, 20, 5])
    said = np.concatenate([np.repeat([0, 1], 10), np.repeat([0, 1], [5, 15]), np.repeat(2, 5)])
    rows = {"wind": wind, "full": np.zeros(45)}
    (found,) = fairness(project, rows, np.eye(3)[said], None)
    assert found["classes"] == CLASSES
    assert found["selection_ratios"] == [0.5, pytest.approx(2 / 3), None]
    assert found["selection_ratio"] == 0.5
    assert [group["accuracy"] for group in found["groups"]] == [0.5, 0.25, 0.0]
    assert [group["counts"] for group in found["groups"]] == [True, True, False]
    (alone,) = fairness(project, {**rows, "wind": np.repeat("N", 45)}, np.eye(3)[said], None)
    assert alone["selection_ratio"] is None
