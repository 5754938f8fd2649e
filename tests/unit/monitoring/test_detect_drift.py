"""A window against its champion's profile: the verdict, the report, the row."""

import json
from typing import Any

import pytest

from tidemill import names
from tidemill.errors import RecordNotFound

REPORT = names.window("tides", "00001")


def closed(world: Any, *, shift: float = 0.0, model: int = 1) -> Any:
    world.capture(500, shift=shift, model=model)
    world.build()
    return world


def report(world: Any) -> dict[str, Any]:
    return world.window("00001", "report.json")


def test_a_steady_window_has_not_drifted(world: Any) -> None:
    assert closed(world).detect("00001") == {
        "drifted": False,
        "features": [],
        "rows": 500,
        "report_key": f"{REPORT}report.html",
    }
    row = world.row("WINDOW#00001")
    assert (row["state"], row["drifted"], row["features"]) == ("checked", False, [])


def test_a_shifted_window_has_drifted_in_what_was_shifted(world: Any) -> None:
    found = closed(world, shift=1.0).detect("00001")
    assert found["drifted"] and set(found["features"]) == {"wind", "harbour"}
    row = world.row("WINDOW#00001")
    assert (row["state"], row["drifted"], row["features"]) == ("checked", True, found["features"])
    assert row["report"] == found["report_key"] and world.objects.exists(row["report"])
    columns = report(world)["columns"]
    assert [column["feature"] for column in columns] == [*found["features"], "moon"]
    assert columns[0]["psi"] >= columns[1]["psi"] > 0.2 > columns[2]["psi"]


def test_fewer_features_than_the_policy_asks_for_are_no_drift(make_world: Any) -> None:
    world = make_world(drift={"min_rows": 300, "features": 3})
    found = closed(world, shift=1.0).detect("00001")
    assert (found["drifted"], len(found["features"])) == (False, 2)


def test_predictions_are_compared_but_do_not_count(make_world: Any) -> None:
    world = make_world(drift={"min_rows": 300, "features": 3})
    closed(world, shift=1.0).detect("00001")
    prediction = report(world)["prediction"]
    assert prediction["drifted"] and prediction["mean_current"] > prediction["mean_reference"]


def test_another_models_predictions_are_not_the_champions(world: Any) -> None:
    closed(world, model=2).detect("00001")
    assert report(world)["prediction"] is None
    assert len(report(world)["columns"]) == 3
    assert "No prediction of model 1" in world.objects.get(f"{REPORT}report.html").decode()


def test_a_masked_feature_is_not_compared_and_the_report_says_so(world: Any) -> None:
    world.capture(500, shift=1.0, masked=["wind"])
    world.build()
    assert world.detect("00001")["features"] == ["harbour"]
    assert report(world)["masked"] == ["wind"]
    assert [column["feature"] for column in report(world)["columns"]] == ["harbour", "moon"]
    assert "not compared: wind." in world.objects.get(f"{REPORT}report.html").decode()


def test_a_window_of_which_all_features_are_masked_has_not_drifted(world: Any) -> None:
    world.capture(500, shift=1.0, masked=["wind", "moon", "harbour"])
    world.build()
    found = world.detect("00001")
    assert (found["drifted"], found["features"], report(world)["columns"]) == (False, [], [])


def test_a_window_closed_before_masks_were_noted_is_read(world: Any) -> None:
    closed(world)
    window = {name: value for name, value in world.window("00001").items() if name != "masked"}
    world.objects.put(f"{REPORT}window.json", json.dumps(window).encode())
    world.detect("00001")
    assert report(world)["masked"] == []


def test_the_reference_is_the_champion_of_the_closing(world: Any) -> None:
    closed(world)
    world.release(model=2)
    world.detect("00001")
    assert report(world)["model"] == 1


def test_the_histograms_are_shares_of_all_rows(world: Any) -> None:
    closed(world).detect("00001")
    for column in [*report(world)["columns"], report(world)["prediction"]]:
        for side in ("reference", "current"):
            assert sum(column["plot"][side]) == pytest.approx(1 - column[f"missing_{side}"])


def test_without_the_window_or_the_profile_it_says_so(world: Any) -> None:
    with pytest.raises(RecordNotFound, match="window"):
        world.detect("00009")
    closed(world)
    del world.objects.versions[names.model("tides", 1) + "profile.json"]
    with pytest.raises(RecordNotFound, match=r"profile\.json"):
        world.detect("00001")


def test_killed_at_any_step_a_rerun_ends_in_the_same_state(
    make_world: Any, disturb: Any, kill_at: Any, killed: Any
) -> None:
    expected, counting = closed(make_world(), shift=1.0), disturb(-1, lambda: None)
    result = expected.detect("00001", disturbed=counting)
    for step in range(1, counting.steps + 1):
        world = closed(make_world(), shift=1.0)
        with pytest.raises(killed):
            world.detect("00001", disturbed=kill_at(step))
        assert world.detect("00001") == result, step
        assert world.state() == expected.state(), step


def test_two_checks_of_one_window_leave_one_audit_row(make_world: Any, disturb: Any) -> None:
    counting = disturb(-1, lambda: None)
    closed(make_world()).detect("00001", disturbed=counting)
    for step in range(1, counting.steps + 1):
        world = closed(make_world())
        world.detect("00001", disturbed=disturb(step, lambda world=world: world.detect("00001")))
        actions = [row["action"] for row in world.rows(names.AUDIT)]
        assert sorted(actions) == ["monitoring.window_checked", "monitoring.window_closed"], step


def test_the_report_is_json_without_nan(world: Any) -> None:
    closed(world, shift=1.0).detect("00001")
    text = world.objects.get(f"{REPORT}report.json").decode()
    json.dumps(json.loads(text), allow_nan=False)


NAMED = {
    "task": "classification",
    "columns": {
        "height": {"type": "category", "allowed": ["neap", "mean", "spring"]},
        "wind": {"type": "number", "nullable": True},
        "moon": {"type": "integer"},
        "harbour": {"type": "category"},
    },
}


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_named_answers_are_compared_as_a_category(make_world: Any, shift: float) -> None:
    world = make_world(**NAMED)
    closed(world, shift=shift).detect("00001")
    prediction = report(world)["prediction"]
    assert (prediction["kind"], prediction["statistic_name"]) == ("category", "chi2")
    assert prediction["drifted"] is bool(shift)
    assert set(prediction["plot"]["labels"]) == {"neap", "mean", "spring"}
    assert "Predicted class" in world.objects.get(f"{REPORT}report.html").decode()


@pytest.mark.parametrize("deployed", ["before", "after"])
def test_while_a_target_is_changed_answers_of_the_other_kind_are_not_compared(
    make_world: Any, deployed: str
) -> None:
    """The champion answers with numbers, those captured have names, and the other way round."""
    world, other = make_world(), make_world(**NAMED)
    if deployed == "after":
        world, other = other, world
    world.by_name = not world.by_name  # what is captured is of the model before, or after
    world.capture(500)
    world.build()
    assert world.detect("00001")["rows"] == 500
    prediction = report(world)["prediction"]
    assert prediction is None or prediction["missing_current"] == 1.0
    world.project = other.project
    assert world.detect("00001")["rows"] == 500


def test_a_window_of_a_project_that_now_names_classes_is_not_held_to_a_profile_of_numbers(make_world: Any) -> None:
    world = make_world()
    world.project = make_world(**NAMED).project
    world.capture(500)
    world.build()
    assert world.detect("00001")["rows"] == 500
    assert report(world)["prediction"] is None
    assert "No prediction of model 1" in world.objects.get(f"{REPORT}report.html").decode()
