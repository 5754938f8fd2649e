"""Releases that assign entities: for each step a function version with both arms, made once, pointed to alone."""

import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest

from tidemill import names
from tidemill.errors import ArmsUnfit, ArtifactCorrupt, ConflictError
from tidemill.projects import ProjectInvalid, parse
from tidemill.release import arms, bundle
from tidemill.serving import layer_files

ONE, TWO, THREE = "tides-v00001", "tides-v00002", "tides-v00003"
SKILL = {"2": 0.2, "3": 1.5}


def alias(world: Any) -> tuple[str, dict[str, float]]:
    live = world.endpoints.alias("tides")
    return live.version, dict(live.weights)


def by_entity(make_world: Any, **rollout: Any) -> Any:
    world = make_world(assignment="entity", unit="entity", **rollout)
    world.released(ONE)
    return world


def packed(world: Any, step: int) -> dict[str, bytes]:
    """The files of the step's layer."""
    body = world.objects.get(arms.bundle_key("tides", TWO, step))
    with zipfile.ZipFile(io.BytesIO(body)) as zipped:
        return {name.removeprefix("python/tidemill_model/"): zipped.read(name) for name in zipped.namelist()}


def whole(world: Any) -> None:
    """A release through both steps to its promotion."""
    world.experiment(TWO)
    for step, look in ((0, 1), (1, 2)):
        world.now += timedelta(minutes=1)
        world.shift(TWO, step)
        world.traffic(("2", "3"), SKILL.__getitem__, name=f"look{look}", weight=world.pointer["weight"], seed=look)
        found = world.judge(TWO, look)
    world.settle(TWO, found["verdict"], found["reason"])


def test_each_step_has_a_version_with_both_arms_and_the_alias_points_to_it_alone(make_world: Any) -> None:
    world = by_entity(make_world)
    world.experiment(TWO)
    row = world.row(names.sk_release(TWO))
    assert (row["function_version"], row["arms"]) == ("3", ["4", "5"])
    assert alias(world) == ("2", {})
    assert world.shift(TWO, 0)["weight"] == 0.1
    assert alias(world) == ("4", {})
    world.shift(TWO, 1)
    assert (alias(world), world.pointer["weight"]) == (("5", {}), 0.5)


def test_a_step_holds_both_models_the_weight_and_the_salt(make_world: Any) -> None:
    world = by_entity(make_world)
    world.experiment(TWO)
    for step, weight in enumerate([0.1, 0.5]):
        files = packed(world, step)
        told = json.loads(files[layer_files.ARMS])
        assert told == {"project": "tides", "salt": TWO, "weights": [weight], "variants": ["2", "3"]}
        for arm, model in enumerate((1, 2)):
            for file in (layer_files.DOCUMENT, layer_files.MODEL):
                assert files[layer_files.of_arm(arm, file)] == world.objects.get(
                    names.model("tides", model) + file
                )


@pytest.mark.parametrize(("verdict", "version"), [("promote", "3"), ("roll_back", "2")])
def test_after_the_decision_one_model_answers_alone(make_world: Any, verdict: str, version: str) -> None:
    world = by_entity(make_world)
    world.experiment(TWO)
    world.shift(TWO, 0)
    world.settle(TWO, verdict)
    assert (alias(world), world.pointer["experiment"]) == ((version, {}), None)
    if verdict == "promote":
        world.settle(None, "roll_back", "complaints", by="arn:ada")
        assert (alias(world), world.pointer["experiment"]) == (("2", {}), None)


def test_a_newer_release_ends_the_older_ones_experiment(make_world: Any) -> None:
    world = by_entity(make_world)
    world.experiment(TWO)
    world.shift(TWO, 0)
    world.experiment(THREE)
    assert (alias(world), world.pointer["experiment"]) == (("4", {}), None)
    assert world.row(names.sk_release(THREE))["arms"] == ["7", "8"]
    world.shift(THREE, 0)
    assert alias(world) == ("7", {})


def test_however_often_states_are_tried_each_step_is_published_once(make_world: Any) -> None:
    world = by_entity(make_world)
    world.experiment(TWO)
    for _ in range(3):
        world.publish(2, TWO)
        world.shift(TWO, 0)
        world.shift(TWO, 1)
    assert len(world.endpoints.published["tides"]) == 4  # the two models, and two steps


def test_a_whole_release_survives_a_kill_at_any_call(make_world: Any, survive: Any) -> None:
    assert survive(lambda: by_entity(make_world), whole) > 60


def test_a_good_challenger_is_promoted(make_world: Any) -> None:
    world = by_entity(make_world)
    whole(world)
    assert (alias(world), world.row(names.sk_release(TWO))["state"]) == (("3", {}), "promoted")


def test_arms_killed_before_they_are_noted_are_not_published_again(make_world: Any, killed: Any) -> None:
    world = by_entity(make_world)
    model = world.register(world.run(TWO))
    for calls in range(40):
        world.life.calls = calls
        try:
            world.publish(model, TWO)
            break
        except killed:
            assert world.endpoints.alias("tides").version == "2"
    world.life.calls = None
    assert len(world.endpoints.published["tides"]) == 4


def test_a_first_model_and_a_superseded_one_have_no_arms(make_world: Any) -> None:
    world = by_entity(make_world)
    late = world.register(world.run(TWO))
    world.experiment(THREE)
    published = len(world.endpoints.published["tides"])
    world.publish(late, TWO)
    for release in (ONE, TWO):
        assert "arms" not in world.row(names.sk_release(release))
    assert len(world.endpoints.published["tides"]) == published + 1


def test_a_release_by_request_has_no_arms(make_world: Any) -> None:
    world = make_world()
    world.released(ONE)
    world.experiment(TWO)
    assert "arms" not in world.row(names.sk_release(TWO))
    world.shift(TWO, 0)
    assert (alias(world), world.pointer["experiment"]) == (("2", {"3": 0.1}), None)


@pytest.mark.parametrize("model", [1, 2])
def test_a_model_that_is_not_the_registered_one_is_not_packed(make_world: Any, model: int) -> None:
    world = by_entity(make_world)
    two = world.register(world.run(TWO))
    world.objects.put(names.model("tides", model) + "model.onnx", b"another")
    with pytest.raises(ArtifactCorrupt, match="recorded is"):
        world.publish(two, TWO)
    assert alias(world) == ("2", {})
    world.settle(TWO, "roll_back", "the release failed")
    assert (alias(world), world.row(names.sk_release(TWO))["state"]) == (("2", {}), "rolled_back")


def unfit(world: Any, model: int, match: str) -> None:
    """The release is refused before it begins: nothing is published, no other release gives way."""
    published = list(world.endpoints.published["tides"])
    with pytest.raises(ArmsUnfit, match=match):
        world.publish(model, TWO)
    assert (alias(world), world.endpoints.published["tides"]) == (("2", {}), published)
    assert world.index.get(names.pk("tides"), names.sk_release(TWO)) is None
    assert not world.objects.exists(names.release("tides", TWO) + "plan.json")


def test_a_challenger_in_its_training_form_is_refused_before_anything_is_published(make_world: Any) -> None:
    world = by_entity(make_world)
    unfit(world, world.register(world.run(TWO, form="skops")), r"v00002 .* training form.*assignment: request")


def test_a_champion_that_captures_no_entities_is_refused_before_anything_is_published(make_world: Any) -> None:
    world = by_entity(make_world)
    key = names.model("tides", 1) + "model.json"
    world.objects.put(key, json.dumps({**world.fact(key), "capture": {"entity": "drop"}}).encode())
    unfit(world, world.register(world.run(TWO)), r"v00001 .* captures no entities.*assignment: request")


def test_a_champion_in_its_training_form_is_refused_before_anything_is_published(make_world: Any) -> None:
    world = make_world(assignment="entity", unit="entity")
    world.run(ONE, form="skops")
    world.released(ONE)
    unfit(world, world.register(world.run(TWO)), r"v00001 .* training form.*assignment: request")


def test_models_that_do_not_go_into_one_layer_are_refused_before_anything_is_published(make_world: Any) -> None:
    world = by_entity(make_world)
    two = world.register(world.run(TWO))
    sizes = [
        len(world.objects.get(names.model("tides", model) + file))
        for model in (1, 2)
        for file in (layer_files.DOCUMENT, layer_files.MODEL)
    ]
    needed = bundle.unzipped([arms.TOLD, *sizes])
    world.room = {"onnx": needed - 1}
    unfit(world, two, rf"v00001 and v00002 .* {needed:,} bytes.*assignment: request")
    world.room = {"onnx": needed}
    world.publish(two, TWO)
    assert world.row(names.sk_release(TWO))["arms"] == ["4", "5"]
    assert all(sum(map(len, packed(world, step).values())) <= needed for step in (0, 1))


def test_models_in_the_bucket_are_arms_if_both_go_into_one_layer(make_world: Any) -> None:
    world = make_world(assignment="entity", unit="entity")
    serving = world.problem.serving.model_copy(update={"storage": "bucket"})
    world.problem = world.problem.model_copy(update={"serving": serving})
    world.released(ONE)
    world.experiment(TWO)
    assert world.endpoints.kinds == ["bucket", "bucket", "", ""]
    assert layer_files.of_arm(1, layer_files.MODEL) in packed(world, 0)


def test_a_champion_that_came_since_the_check_is_judged_as_well(
    make_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(assignment="entity", unit="entity")
    world.run(ONE, form="skops")
    world.released(ONE)
    two = world.register(world.run(TWO))
    judged, calls = arms.check, []

    def late(*told: Any, **ports: Any) -> None:
        calls.append(told)
        if len(calls) > 1:
            judged(*told, **ports)

    monkeypatch.setattr(arms, "check", late)
    with pytest.raises(ArmsUnfit):
        world.publish(two, TWO)
    assert alias(world) == ("2", {})
    world.settle(TWO, "roll_back", "the release failed")
    assert (alias(world), world.row(names.sk_release(TWO))["state"]) == (("2", {}), "rolled_back")


@pytest.mark.parametrize("model", [1, 2])
def test_a_document_that_is_not_the_registered_one_is_not_packed(make_world: Any, model: int) -> None:
    world = by_entity(make_world)
    two = world.register(world.run(TWO))
    key = names.model("tides", model) + layer_files.DOCUMENT
    world.objects.put(key, json.dumps({**world.fact(key), "threshold": 0.9}).encode())
    with pytest.raises(ArtifactCorrupt, match="not the registered"):
        world.publish(two, TWO)
    assert alias(world) == ("2", {})


def told(world: Any, requests: dict[tuple[str, str], int]) -> dict[str, Any]:
    """A look at so many requests of each entity on each arm, without outcomes."""
    lines = [
        {"request_id": f"{entity}-{number}", "at": world.now.isoformat(), "variant": variant, "entity_id": entity}
        | {"instances": [{"prediction_id": f"{entity}-{number}.0", "prediction": 1, "features": {}}]}
        for (entity, variant), count in requests.items()
        for number in range(count)
    ]
    outcomes = [
        {"prediction_id": item["prediction_id"], "outcome": 1, "at": world.now.isoformat()}
        for line in lines
        for item in line["instances"]
    ]
    world.store(lines, outcomes, "requests")
    return world.judge(TWO)


def test_an_entity_with_many_requests_is_no_sample_ratio_mismatch(make_world: Any) -> None:
    requests = {(f"c{number}", "3"): 200 for number in range(5)} | {(f"d{n}", "2"): 1 for n in range(45)}
    ratios = {}
    for assignment in ("entity", "request"):
        world = make_world(assignment=assignment, unit="entity", metric="accuracy", steps=[0.1])
        world.released(ONE)
        world.experiment(TWO)
        world.shift(TWO, 0)
        ratios[assignment] = told(world, requests)
        look = world.fact(names.release("tides", TWO) + "look-0001.json")
        if assignment == "entity":
            assert [look["arms"][arm]["requests"] for arm in ("challenger", "champion")] == [5, 45]
            assert [look["arms"][arm]["answered"] for arm in ("challenger", "champion")] == [5, 45]
    assert ratios["entity"]["verdict"] == "continue"
    assert "sample ratio mismatch" in ratios["request"]["reason"]


def test_entities_that_are_not_split_as_told_are_a_mismatch_of_entities(make_world: Any) -> None:
    world = by_entity(make_world, steps=[0.1])
    world.experiment(TWO)
    world.shift(TWO, 0)
    requests = {(f"c{number}", "3"): 1 for number in range(40)} | {(f"d{n}", "2"): 1 for n in range(60)}
    assert "the challenger got 40 of 100 entities at weight 0.1" in told(world, requests)["reason"]


def test_entities_are_the_units_where_they_are_assigned(make_world: Any) -> None:
    problem = make_world().problem.model_dump(mode="json", exclude_unset=True)
    with pytest.raises(ProjectInvalid, match="set `unit: entity`"):
        parse({**problem, "rollout": {"assignment": "entity"}})


@pytest.mark.parametrize(
    ("settings", "noted"), [({"assignment": "entity", "unit": "entity"}, "entity"), ({}, None)]
)
def test_a_model_tells_its_endpoint_that_entities_are_assigned(
    make_world: Any, settings: dict[str, str], noted: str | None
) -> None:
    world = make_world(**settings)
    world.released(ONE)
    assert world.fact(names.model("tides", 1) + "model.json").get("assignment") == noted


def test_arms_of_a_release_that_ended_meanwhile_are_not_noted(make_world: Any) -> None:
    world = by_entity(make_world)
    world.experiment(TWO)
    stale = {name: value for name, value in world.row(names.sk_release(TWO)).items() if name != "arms"}
    world.settle(TWO, "roll_back", "never mind", by="arn:ada")
    ports = {"objects": world.objects, "index": world.index, "endpoints": world.endpoints, "room": {}}
    with pytest.raises(ConflictError):
        arms.publish("tides", stale, **ports)
