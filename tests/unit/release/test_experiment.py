"""Joining captured predictions with outcomes."""

import math
from collections import Counter
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import log_loss as reference

from tidemill import names
from tidemill.projects import Rollout
from tidemill.projects.recipe import Costs
from tidemill.release import experiment
from tidemill.release.losses import Answer, Loss, Measure, Outcome, log_loss, loss, squared_error
from tidemill.serving import capture

T1 = timedelta(seconds=1)


def line(request: str, at: Any, variant: str, *answers: float) -> dict[str, Any]:
    items = [
        {"prediction_id": f"{request}.{n}", "prediction": round(p), "probability": p, "features": {}}
        for n, p in enumerate(answers)
    ]
    return {"request_id": request, "at": at.isoformat(), "variant": variant, "instances": items}


def outcome(prediction_id: str, value: float | str, at: Any) -> dict[str, Any]:
    return {"prediction_id": prediction_id, "outcome": value, "at": at.isoformat()}


def arms(world: Any, task: str = "classification", *variants: str) -> list[experiment.Arm]:
    span = {"since": world.now, "until": world.now}
    requests = experiment.read_requests(world.objects, "tides", **span)
    outcomes = experiment.read_outcomes(world.objects, "tides", **span)
    measure = Measure(Rollout().measured(task))
    return experiment.arms(requests, outcomes, variants=variants or ("2",), measure=measure)


def test_log_loss_is_scikit_learns() -> None:
    rng = np.random.default_rng(5)
    p, y = rng.random(200), rng.integers(0, 2, 200)
    assert np.mean([log_loss(*pair) for pair in zip(p, y, strict=True)]) == pytest.approx(reference(y, p))


def test_a_wrong_certainty_costs_much_but_not_everything() -> None:
    assert log_loss(0.0, 1) == pytest.approx(-math.log(1e-6))
    assert log_loss(1.0, 0) == pytest.approx(-math.log(1e-6))
    assert squared_error(2.0, 5.0) == 9


def test_a_unit_is_the_mean_loss_of_a_request_over_the_instances_with_outcomes(world: Any) -> None:
    now = world.now
    captured = [line("r", now, "2", 0.9, 0.6, 0.5), line("s", now, "2", 0.3), line("t", now, "2", 0.4)]
    world.store(captured, [outcome("r.0", 1, now), outcome("r.1", 0, now), outcome("s.0", 0, now)], "a")
    (arm,) = arms(world)
    units = [(-math.log(0.9) - math.log(0.4)) / 2, -math.log(0.7)]
    assert (arm.requests, arm.sample.units) == (3, 2)
    assert arm.sample.mean == pytest.approx(np.mean(units))
    assert arm.sample.variance == pytest.approx(np.var(units, ddof=1))


def test_a_request_in_several_lines_is_one_unit(world: Any) -> None:
    second = line("r", world.now, "2", 0.8)
    second["instances"][0]["prediction_id"] = "r.1"
    world.store([line("r", world.now, "2", 0.5), second], [outcome(f"r.{n}", 1, world.now) for n in (0, 1)], "a")
    (arm,) = arms(world)
    assert (arm.requests, arm.sample.units) == (1, 1)
    assert arm.sample.mean == pytest.approx((-math.log(0.5) - math.log(0.8)) / 2)


def test_what_is_captured_twice_counts_once(world: Any) -> None:
    captured = [line("r", world.now, "2", 0.5), line("s", world.now, "2", 0.6)]
    outcomes = [outcome("r.0", 1, world.now), outcome("s.0", 1, world.now)]
    world.store(captured, outcomes, "a")
    once = arms(world)
    world.store([*captured, captured[0]], outcomes, "b")
    assert arms(world) == once


def test_the_outcome_received_last_counts_in_whichever_object_it_lies(world: Any) -> None:
    world.store([line("r", world.now, "2", 0.9)], [outcome("r.0", 1, world.now + T1)], "a")
    world.store([], [outcome("r.0", 0, world.now)], "b")
    assert arms(world)[0].sample.mean == pytest.approx(-math.log(0.9))
    world.store([], [outcome("r.0", 0, world.now + 2 * T1)], "c")
    assert arms(world)[0].sample.mean == pytest.approx(-math.log(0.1))


def test_requests_from_before_the_traffic_changed_and_other_versions_do_not_count(world: Any) -> None:
    captured = [
        line("old", world.now - T1, "2", 0.5),
        line("r", world.now, "2", 0.5),
        line("x", world.now, "9", 0.5),
    ]
    world.store(captured, [], "a")
    champion, challenger = arms(world, "classification", "2", "3")
    assert (champion.requests, challenger.requests) == (1, 0)


def test_a_regression_is_measured_by_squared_error(world: Any) -> None:
    item = {"prediction_id": "r.0", "prediction": 7.5, "features": {}}
    captured = [{"request_id": "r", "at": world.now.isoformat(), "variant": "2", "instances": [item]}]
    world.store(captured, [outcome("r.0", 5.0, world.now)], "a")
    assert arms(world, "regression")[0].sample.mean == 6.25


def classes(request: str, at: Any, *answers: dict[str, float]) -> dict[str, Any]:
    items = [
        {"prediction_id": f"{request}.{n}", "prediction": max(p, key=p.get), "probabilities": p, "features": {}}
        for n, p in enumerate(answers)
    ]
    return {"request_id": request, "at": at.isoformat(), "variant": "2", "instances": items}


def test_named_classes_are_measured_by_the_probability_of_the_one_that_it_was(world: Any) -> None:
    now, said = world.now, {"ebb": 0.7, "flood": 0.2, "slack": 0.1}
    captured = [classes("r", now, said, said), classes("s", now, said), classes("t", now, said)]
    happened = [outcome("r.0", "ebb", now), outcome("r.1", "slack", now), outcome("s.0", "flood", now)]
    world.store(captured, happened, "a")
    (arm,) = arms(world)
    units = [(-math.log(0.7) - math.log(0.1)) / 2, -math.log(0.2)]
    assert (arm.requests, arm.sample.units) == (3, 2)
    assert arm.sample.mean == pytest.approx(np.mean(units))
    world.store([], [outcome("s.0", "ebb", now + T1)], "b")
    assert arms(world)[0].sample.mean == pytest.approx((units[0] - math.log(0.7)) / 2)


def test_a_class_that_the_model_does_not_know_costs_much_but_not_everything(world: Any) -> None:
    world.store([classes("r", world.now, {"ebb": 1.0, "flood": 0.0})], [outcome("r.0", "king", world.now)], "a")
    assert arms(world)[0].sample.mean == pytest.approx(-math.log(1e-6))


def test_answers_and_outcomes_about_different_targets_are_no_units(world: Any) -> None:
    captured = [classes("r", world.now, {"ebb": 0.6, "flood": 0.4}), line("s", world.now, "2", 0.9)]
    world.store(captured, [outcome("r.0", 1, world.now), outcome("s.0", "ebb", world.now)], "a")
    (arm,) = arms(world)
    assert (arm.requests, arm.sample.units) == (2, 0)


def test_days_between_are_read_too(world: Any) -> None:
    since = world.now
    for _ in range(3):
        world.store([line(f"r{world.now.day}", world.now, "2", 0.5)], [], "a")
        world.now += timedelta(days=1)
    requests = experiment.read_requests(world.objects, "tides", since=since, until=world.now)
    assert len(requests) == 3
    assert len(list(world.objects.keys(names.captured("tides")))) == 3


@pytest.mark.parametrize(
    ("metric", "said", "was", "expected"),
    [
        ("accuracy", Answer(1, 0.9), Outcome(0.0), Loss(1)),
        ("accuracy", Answer("ebb", {"ebb": 0.4, "flood": 0.3}), Outcome("ebb"), Loss(0)),
        ("accuracy", Answer("ebb", {"ebb": 0.4}), Outcome("flood"), Loss(1)),
        ("accuracy", Answer("ebb", {"ebb": 0.4}), Outcome(1.0), None),
        ("absolute_error", Answer(7.5), Outcome(9.0), Loss(1.5)),
        ("squared_error", Answer(7.5), Outcome("ebb"), None),
        ("cost", Answer(1, 0.9), Outcome(0.0), Loss(2)),
        ("cost", Answer(0, 0.2), Outcome(1.0), Loss(5)),
        ("cost", Answer(0, 0.2), Outcome(0.0), Loss(0)),
        ("precision", Answer(1, 0.9), Outcome(0.0), Loss(1, 1)),
        ("precision", Answer(0, 0.2), Outcome(1.0), Loss(0, 0)),
        ("recall", Answer(0, 0.2), Outcome(1.0), Loss(1, 1)),
        ("recall", Answer(1, 0.8), Outcome(0.0), Loss(0, 0)),
        ("reward", Answer(1, 0.8), Outcome(0.0, 12.5), Loss(-12.5)),
        ("reward", Answer("ebb", {"ebb": 1.0}), Outcome("ebb", -3.0), Loss(3.0)),
        ("reward", Answer(1, 0.8), Outcome(0.0), None),
        ("log_loss", Answer(1), Outcome(1.0), None),
    ],
)
def test_the_loss_of_each_metric(metric: Any, said: Answer, was: Outcome, expected: Loss | None) -> None:
    assert loss(metric, said, was, Costs(false_positive=2, false_negative=5)) == expected


def measured(world: Any, measure: Measure, *variants: str) -> list[experiment.Arm]:
    span = {"since": world.now, "until": world.now}
    requests = experiment.read_requests(world.objects, "tides", **span, covariate=measure.covariate)
    outcomes = experiment.read_outcomes(world.objects, "tides", **span)
    return experiment.arms(requests, outcomes, variants=variants or ("2",), measure=measure)


def test_a_reward_comes_with_the_outcome_and_requests_without_one_do_not_count(world: Any) -> None:
    now = world.now
    sent = [{**outcome("r.0", 1, now), "reward": 3.0}, {**outcome("s.0", 0, now), "reward": 5.0}]
    sent.append(outcome("t.0", 1, now))
    world.store([line(name, now, "2", 0.5) for name in "rst"], sent, "a")
    (arm,) = measured(world, Measure("reward"))
    assert (arm.requests, arm.answered, arm.sample.units, arm.sample.mean) == (3, 2, 2, -4.0)


def test_a_unit_may_be_an_entity(world: Any) -> None:
    now = world.now
    captured = [{**line(name, now, "2", 0.9), "entity_id": who} for name, who in zip("rstu", "AAB", strict=False)]
    captured.append(line("v", now, "2", 0.9))  # of nobody: a unit of its own
    happened = [outcome(f"{name}.0", value, now) for name, value in zip("rstv", (1, 0, 1, 0), strict=True)]
    world.store(captured, happened, "a")
    (arm,) = measured(world, Measure("accuracy", unit="entity"))
    assert (arm.requests, arm.answered, arm.sample.units) == (4, 4, 3)
    assert arm.sample.mean == pytest.approx((0.5 + 0 + 1) / 3)
    (arm,) = measured(world, Measure("accuracy"))
    assert (arm.sample.units, arm.sample.mean) == (4, 0.5)


def test_recall_is_the_ratio_of_sums_with_the_error_of_the_delta_method(world: Any) -> None:
    rng, now = np.random.default_rng(3), world.now
    captured, happened, lost, counted = [], [], [], []
    for number in range(400):
        chances, truth = rng.random(4), rng.integers(0, 2, 4)
        captured.append(line(f"r{number}", now, "2", *chances))
        happened += [outcome(f"r{number}.{place}", int(was), now) for place, was in enumerate(truth)]
        lost.append(int(sum((np.round(chances) == 0) & (truth == 1))))
        counted.append(int(truth.sum()))
    world.store(captured, happened, "a")
    (arm,) = measured(world, Measure("recall"))
    ratio = sum(lost) / sum(counted)
    assert arm.sample.units == sum(count > 0 for count in counted)
    assert arm.sample.mean == pytest.approx(ratio)
    pairs = np.array([lost, counted]).T
    drawn = pairs[rng.integers(0, 400, (4000, 400))].sum(axis=1)
    bootstrapped = (drawn[:, 0] / drawn[:, 1]).std()
    assert math.sqrt(arm.sample.variance / arm.sample.units) == pytest.approx(bootstrapped, rel=0.06)


def test_a_covariate_is_averaged_over_the_unit_and_a_missing_one_is_taken_for_the_usual(world: Any) -> None:
    now = world.now
    captured = [line("r", now, "2", 0.9, 0.9), line("s", now, "2", 0.4), line("t", now, "3", 0.7)]
    for request, values in zip(captured, ((1.0, 3.0), (None,), (6.0,)), strict=True):
        for item, value in zip(request["instances"], values, strict=True):
            item["features"] = {"moon": value, "harbour": "a"}
    happened = [outcome(i, 1, now) for i in ("r.0", "r.1", "s.0", "t.0")]
    world.store(captured, happened, "a")
    ours, theirs = measured(world, Measure("accuracy", covariate="moon"), "2", "3")
    usual = (1 + 3 + 6) / 3
    assert ours.sample.covariate is not None and theirs.sample.covariate is not None
    assert ours.sample.covariate.mean == pytest.approx((2 + usual) / 2)
    assert ours.sample.covariate.variance == pytest.approx(np.var([2, usual], ddof=1))
    assert ours.sample.covariate.covariance == pytest.approx(np.cov([0, 1], [2, usual])[0, 1])
    assert (theirs.sample.covariate.mean, theirs.sample.covariate.variance) == (6.0, 0.0)
    assert measured(world, Measure("accuracy"))[0].sample.covariate is None


def test_arms_of_unequal_shares_are_compared_by_the_smaller_one(world: Any) -> None:
    ids = [f"request-{number}" for number in range(4000)]
    captured = [line(each, world.now, "2", 0.5) for each in ids[:2000]]
    sampled = [each for each in ids[2000:] if capture.sampled(each, 0.25)]
    captured += [{**line(each, world.now, "3", 0.5), "share": 0.25} for each in sampled]
    world.store(captured, [], "a")
    champion, challenger = arms(world, "classification", "2", "3")
    assert challenger.requests == len(sampled)
    assert champion.requests == sum(capture.sampled(each, 0.25) for each in ids[:2000])
    assert binomial_p(challenger, champion, 0.5) > 0.01


def test_a_sample_of_both_arms_keeps_their_ratio(world: Any) -> None:
    ids = [f"r{number}" for number in range(6000)]
    rng = np.random.default_rng(3)
    variants = np.where(rng.random(len(ids)) < 0.1, "3", "2")
    world.store(
        [
            {**line(each, world.now, str(variant), 0.5), "share": 0.2}
            for each, variant in zip(ids, variants, strict=True)
            if capture.sampled(each, 0.2)
        ],
        [],
        "a",
    )
    champion, challenger = arms(world, "classification", "2", "3")
    assert 1000 < champion.requests + challenger.requests < 1400
    assert binomial_p(challenger, champion, 0.1) > 0.01


def binomial_p(challenger: experiment.Arm, champion: experiment.Arm, weight: float) -> float:
    return float(binomtest(challenger.requests, challenger.requests + champion.requests, weight).pvalue)


def test_outcomes_about_an_entity_are_joined_with_its_requests_and_counted(world: Any) -> None:
    now = world.now
    captured = [{**line("r", now, "2", 0.9), "entity_id": "anna"}, line("s", now, "2", 0.5)]
    captured.append({**line("t", now, "2", 0.5), "entity_id": "bert", "share": 1.0})
    told = {"happened": (now + T1).isoformat(), "within": 1, "outcome": 0, "at": (now + 2 * T1).isoformat()}
    world.store(captured, [{"entity_id": who, **told} for who in ("anna", "carl")], "a")
    span: dict[str, Any] = {"since": now, "until": now + 2 * T1, "counted": (counted := Counter())}
    requests = experiment.read_requests(world.objects, "tides", **span)
    outcomes = experiment.read_outcomes(world.objects, "tides", requests=requests, **span)
    assert outcomes == {"r.0": Outcome(0.0)}
    assert counted == {"by_entity": 1, "unknown": 1}


def test_an_entity_among_a_sample_is_not_joined(world: Any) -> None:
    now, request = world.now, next(each for each in map(str, range(99)) if capture.sampled(each, 0.5))
    told = {"happened": now.isoformat(), "within": 1, "outcome": 0, "at": now.isoformat(), "entity_id": "anna"}
    world.store([{**line(request, now, "2", 0.9), "entity_id": "anna", "share": 0.5}], [told], "a")
    span: dict[str, Any] = {"since": now, "until": now}
    requests = experiment.read_requests(world.objects, "tides", **span)
    assert len(requests) == 1
    assert experiment.read_outcomes(world.objects, "tides", requests=requests, **span) == {}


def test_where_one_model_captured_a_sample_no_entity_is_joined_with_any_request(world: Any) -> None:
    now, request = world.now, next(each for each in map(str, range(99)) if capture.sampled(each, 0.5))
    other = next(each for each in map(str, range(100, 199)) if capture.sampled(each, 0.5))
    captured = [{**line(request, now, "2", 0.9), "entity_id": "anna", "share": 0.5}]
    captured.append({**line(other, now, "3", 0.9), "entity_id": "bert", "share": 1.0})
    told = {"happened": now.isoformat(), "within": 1, "outcome": 0, "at": now.isoformat(), "entity_id": "bert"}
    world.store(captured, [told], "a")
    span: dict[str, Any] = {"since": now, "until": now}
    requests = experiment.read_requests(world.objects, "tides", **span)
    assert len(requests) == 2
    # A later request of bert's may have been the champion's, and not captured.
    assert experiment.read_outcomes(world.objects, "tides", requests=requests, **span) == {}


def test_the_sample_of_another_version_does_not_thin_those_of_the_one_that_is_asked_for(world: Any) -> None:
    now = world.now
    old = next(each for each in map(str, range(99)) if capture.sampled(each, 0.1))
    captured = [{**line(old, now, "1", 0.9), "share": 0.1}]
    captured += [line(f"new-{number}", now, "2", 0.9) for number in range(20)]
    world.store(captured, [], "a")
    assert len(experiment.read_requests(world.objects, "tides", since=now, until=now)) < 20
    assert len(experiment.read_requests(world.objects, "tides", since=now, until=now, variant="2")) == 20
