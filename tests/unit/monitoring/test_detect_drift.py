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
