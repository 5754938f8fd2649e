"""Slots: who runs which trial, what a killed worker leaves, when there is no more."""

import itertools
import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState

from tidemill import canonical
from tidemill.errors import RunFailed
from tidemill.training import run_trial
from tidemill.training.worker import Worker

FOLDER = "runs/tides/tides-v00001/"
ADAPTIVE = ["tpe", "gp", "cmaes", "nsga2", "nsga3", "reinforce"]


def trial_files(mill: Any) -> list[dict[str, Any]]:
    return [json.loads(mill.objects.get(key)) for key in mill.objects.keys(f"{FOLDER}trials/")]


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Instead of the fits of models: their points, in order."""
    made: list[tuple[str, dict[str, Any]]] = []

    class Model:
        def __init__(self, chance: float) -> None:
            self.chance = chance

    def fit(algorithm: str, parameters: dict[str, Any], *args: Any, **kwargs: Any) -> Model:
        made.append((algorithm, dict(parameters)))
        # As good as the point is near to the smallest values of all ranges.
        return Model(1 / (2 + sum(abs(np.log10(value + 1)) for value in parameters.values())))

    monkeypatch.setattr(run_trial.pipeline, "fit", fit)

    def predict(model: Model, rows: dict[str, np.ndarray], *_: Any) -> np.ndarray:
        return np.full(len(next(iter(rows.values()))), model.chance)

    monkeypatch.setattr(run_trial.pipeline, "predict", predict)
    return made


def test_a_free_slot_asks_for_the_next_trial_and_all_are_tried_once(new_mill: Any, fits: list) -> None:
    mill = new_mill(search={"trials": 7, "concurrency": 3})
    assert mill.plan()["slots"] == [0, 1, 2]
    answers = mill.search([0, 1, 2])
    assert sorted(answer["trial"] for answer in answers) == list(range(7))
    assert [trial["trial"] for trial in trial_files(mill)] == list(range(7))
    assert len(fits) == 7
    over = mill.step("run_trial", slot=1)
    assert (over["more"], over["stopped"], over["why"]) == (False, False, "all 7 trials have begun")


def test_there_are_no_more_slots_than_trials_and_many_are_wide(new_mill: Any) -> None:
    assert new_mill(search={"trials": 2, "concurrency": 30}).plan() == {"slots": [0, 1], "wide": False}
    many = new_mill(search={"trials": 60, "concurrency": 50}).plan()
    assert (many["slots"], many["wide"]) == (list(range(50)), True)


@pytest.mark.parametrize("sampler", ADAPTIVE)
def test_every_sampler_searches_each_algorithm_within_its_own_space(
    new_mill: Any, fits: list, sampler: str
) -> None:
    mill = new_mill(search={"sampler": sampler, "trials": 40, "concurrency": 4})
    mill.plan()
    mill.search([0, 1, 2, 3])
    study = mill.study()
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 40
    algorithms = [trial.user_attrs["algorithm"] for trial in study.trials]
    assert algorithms == ["linear", "gradient_boosting"] * 20
    for trial in study.trials:
        assert all(name.startswith(f"{trial.user_attrs['algorithm']}.") for name in trial.params)
        assert len(trial.params) == (1 if trial.user_attrs["algorithm"] == "linear" else 5)
    assert len({str(point) for point in fits}) > 30, "the points differ"
    assert {trial["trial"]: trial["value"] for trial in trial_files(mill)} == {
        trial.number: trial.value for trial in study.trials
    }


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "reinforce"])
def test_a_sampler_learns_from_what_other_workers_found(new_mill: Any, fits: list, sampler: str) -> None:
    mill = new_mill(search={"sampler": sampler, "trials": 60, "concurrency": 2, "algorithms": ["linear"]})
    mill.plan()
    mill.search([0, 1])
    # The loss of a constant prediction falls with C until the constant is the share of class 1.
    early, late = (np.mean([t["value"] for t in trial_files(mill)[rows]]) for rows in (slice(20), slice(40, 60)))
    assert late < early


def test_the_points_of_a_drawn_search_do_not_depend_on_who_tries_them(new_mill: Any, fits: list) -> None:
    one, many = (new_mill(search={"trials": 6, "concurrency": 3}) for _ in range(2))
    one.plan()
    one.search([0])
    many.plan()
    many.search([2, 0, 1])
    described = [[(t["algorithm"], t["parameters"]) for t in trial_files(mill)] for mill in (one, many)]
    assert described[0] == described[1]


# --- kills -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("sampler", ["qmc", "tpe", "gp"])
def test_killed_anywhere_the_search_ends_with_all_trials_complete_and_none_repeated(
    new_mill: Any, fits: list, sampler: str
) -> None:
    mill = new_mill(search={"sampler": sampler, "trials": 4, "algorithms": ["linear"]})
    mill.plan()
    planned = mill.state()
    for call in itertools.count():
        mill.restore(planned)
        fits.clear()
        left = iter(range(call, -1, -1))

        def announce(left: Any = left) -> None:
            if next(left, None) == 0:
                raise mill.Killed

        killed = False
        try:
            mill.search([0, 1], watch=announce)
        except mill.Killed:
            killed = True
        mill.search([0, 1])
        assert [trial.state for trial in mill.study().trials] == [TrialState.COMPLETE] * 4, call
        assert [trial["state"] for trial in trial_files(mill)] == ["complete"] * 4
        assert len(fits) <= 5, "at most the fit that was killed is done again"
        if not killed:
            break
    assert call > 20


def test_a_trial_goes_on_with_the_parameters_it_had(new_mill: Any, fits: list) -> None:
    mill = new_mill(search={"sampler": "tpe", "trials": 3, "algorithms": ["gradient_boosting"]})
    mill.plan()
    mill.search([0], most=1)
    with pytest.raises(mill.Killed):
        mill.step("run_trial", mill.killer(lambda: len(mill.study().trials[-1].params) == 3), slot=1)
    half = mill.study().trials[1].params
    assert len(half) == 3
    mill.search([1])
    assert mill.study().trials[1].params.items() >= half.items()


def test_a_kill_is_told_once_however_often_and_a_second_kill_fails_the_trial(new_mill: Any, fits: list) -> None:
    mill = new_mill(search={"trials": 2})
    mill.plan()
    with pytest.raises(mill.Killed):
        mill.step("run_trial", mill.killer(mill.claimed(0)), slot=0)
    for _ in range(3):
        again = mill.step("record_loss", slot=0, loss="first", reason="Sandbox.Timedout: 900 s")
        assert (again["trial"], again["state"], again["more"]) == (0, "running", True)
    failed = mill.step("record_loss", slot=0, loss="second", reason="Sandbox.Timedout: 900 s")
    assert (failed["trial"], failed["state"], failed["value"], failed["more"]) == (0, "failed", None, True)
    assert mill.file("trials/0000.json")["reason"] == "Sandbox.Timedout: 900 s"
    assert mill.file("trials/0000.json")["algorithm"] == "linear"
    assert mill.study().trials[0].state == TrialState.FAIL
    assert [answer["trial"] for answer in mill.search()] == [1]
    assert mill.step("select_best")["trial"] == 1
    assert (mill.file("best.json")["completed"], mill.file("best.json")["failed"]) == (1, 1)


def test_a_kill_after_the_result_was_written_does_not_take_it_away(new_mill: Any, fits: list) -> None:
    mill = new_mill()
    mill.plan()
    written = f"{FOLDER}trials/0000.json"
    with pytest.raises(mill.Killed):
        mill.step("run_trial", mill.killer(lambda: mill.objects.exists(written)), slot=0)
    assert mill.study().trials[0].state == TrialState.RUNNING
    told = mill.step("record_loss", slot=0, loss="late", reason="Sandbox.Timedout: 900 s")
    assert (told["trial"], told["state"], told["more"]) == (0, "complete", True)
    assert len(fits) == 1
    assert mill.study().trials[0].value == mill.file("trials/0000.json")["value"]


def test_a_slot_that_is_lost_again_and_again_between_trials_is_given_up(new_mill: Any) -> None:
    mill = new_mill()
    mill.plan()
    lost = [mill.step("record_loss", slot=0, loss=f"loss {n}", reason="AccessDenied") for n in range(5)]
    assert [answer["more"] for answer in lost] == [True] * 4 + [False]
    assert mill.step("record_loss", slot=1, loss="loss 0", reason="AccessDenied")["more"]


def test_two_workers_of_one_slot_do_no_harm(new_mill: Any, fits: list) -> None:
    """Lambda was asked twice, because the first reply was late."""
    mill = new_mill(search={"trials": 3})
    mill.plan()
    inner: list[Any] = []

    def meanwhile() -> None:
        if not inner and mill.claimed(0)():
            inner.append(None)
            inner[0] = mill.step("run_trial", slot=0)

    first = mill.step("run_trial", meanwhile, slot=0)
    assert first["trial"] == inner[0]["trial"] == 0
    assert first["value"] == inner[0]["value"]
    assert sorted(answer["trial"] for answer in mill.search()) == [1, 2]


def test_of_equal_trials_the_first_is_selected_and_a_lost_one_counts_as_failed(new_mill: Any, fits: list) -> None:
    mill = new_mill(search={"trials": 4, "algorithms": ["linear"]})
    mill.plan()
    with pytest.raises(mill.Killed):
        mill.step("run_trial", mill.killer(mill.claimed(0)), slot=0)
    for number, value in ((1, 0.5), (2, 0.25), (3, 0.25)):
        fact = {"trial": number, "state": "complete", "value": value, "values": [value], "metrics": {}}
        fact |= {"algorithm": "linear", "parameters": {}, "measures": {}, "constraints": {}}
        mill.objects.put_new(f"{FOLDER}trials/{number:04d}.json", canonical.dumps(fact))
        mill.step("run_trial", slot=1)
    assert mill.step("select_best") == {"trial": 2, "value": 0.25, "compute": "lambda", "shards": []}
    best = mill.file("best.json")
    assert (best["completed"], best["failed"], best["pruned"]) == (3, 1, 0)
    states = [trial.state for trial in mill.study().trials]
    assert states == [TrialState.FAIL, *[TrialState.COMPLETE] * 3], "nothing runs in a study that was closed"


# --- several objectives, constraints ---------------------------------------------------------------------------
def sized(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that fall as the loss rises."""
    monkeypatch.setattr(
        run_trial.measures,
        "measure",
        lambda wanted, model, *_: {"size_bytes": 1000 * model.chance} if "size_bytes" in wanted else {},
    )


@pytest.mark.parametrize("sampler", ["random", "qmc", "grid", "tpe", "nsga2", "nsga3"])
def test_several_objectives_are_searched_together_and_the_first_chooses(
    new_mill: Any, fits: list, monkeypatch: pytest.MonkeyPatch, sampler: str
) -> None:
    sized(monkeypatch)
    search = {"sampler": sampler, "trials": 6, "objectives": ["metric", "size_bytes"], "algorithms": ["linear"]}
    mill = new_mill(search=search)
    mill.plan()
    mill.search()
    mill.step("select_best")
    study, best = mill.study(), mill.file("best.json")
    assert len(study.directions) == 2
    assert best["value"] == min(trial.values[0] for trial in study.trials)
    assert best["trial"] in best["front"]
    assert best["front"] == sorted(trial.number for trial in study.best_trials)


def test_a_model_that_breaks_a_constraint_is_not_chosen(
    new_mill: Any, fits: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    sized(monkeypatch)
    search = {"sampler": "tpe", "trials": 6, "algorithms": ["linear"]}
    free = new_mill(search=search)
    free.plan()
    free.search()
    free.step("select_best")
    sizes = sorted(1000 / (2 + abs(np.log10(trial["parameters"]["C"] + 1))) for trial in trial_files(free))
    bound = new_mill(search={**search, "constraints": {"size_bytes": float(sizes[2])}})
    bound.plan()
    bound.search()
    bound.step("select_best")
    best = bound.file("best.json")
    assert best["measures"]["size_bytes"] <= sizes[2]
    over = [trial for trial in bound.study().trials if trial.constraints["size_bytes"] > 0]
    assert over, "some trials broke it"
    assert best["trial"] not in [trial.number for trial in over]


def test_a_run_whose_trials_all_break_a_constraint_fails_with_the_nearest(
    new_mill: Any, fits: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    sized(monkeypatch)
    mill = new_mill(search={"constraints": {"size_bytes": 1.0}})
    mill.plan()
    mill.search()
    with pytest.raises(RunFailed, match=r"none of 2 completed trials keeps the constraints: size_bytes was \d"):
        mill.step("select_best")


# --- when there is enough --------------------------------------------------------------------------------------
def test_a_search_ends_when_its_rule_says_so(new_mill: Any, fits: list) -> None:
    mill = new_mill(search={"sampler": "random", "trials": 50, "stop": {"patience": 5}, "algorithms": ["linear"]})
    mill.plan()
    answers = mill.search()
    assert 5 < len(answers) < 50
    over = mill.step("run_trial", slot=0)
    assert (over["more"], over["stopped"]) == (False, False)
    assert over["why"] == "the last 5 trials brought no improvement (stop.patience: 5)"


def test_what_trials_cost_is_recorded_and_counts(new_mill: Any, fits: list) -> None:
    mill = new_mill(search={"trials": 50, "stop": {"gb_seconds": 100}})
    mill.plan()
    ticks = itertools.count()
    answers = mill.search(clock=lambda: mill.AT + timedelta(seconds=10 * next(ticks)), worker=Worker(2048))
    # Each trial takes one tick of ten seconds with two gigabytes.
    assert len(answers) == 5
    trial = mill.file("trials/0004.json")
    assert (trial["seconds"], trial["memory_mb"], trial["gb_seconds"]) == (10.0, 2048, 20.0)
    assert mill.study().trials[4].user_attrs["gb_seconds"] == 20.0


# --- pruning ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("pruner", ["median", "halving", "hyperband"])
def test_a_pruner_ends_trials_that_begin_badly(new_mill: Any, pruner: str) -> None:
    search = {"sampler": "random", "pruner": pruner, "trials": 14, "algorithms": ["gradient_boosting"]}
    mill = new_mill(search=search)
    mill.plan()
    answers = mill.search([0, 1])
    pruned = [answer for answer in answers if answer["state"] == "pruned"]
    assert pruned
    for answer in pruned:
        fact, trial = mill.file(f"trials/{answer['trial']:04d}.json"), mill.study().trials[answer["trial"]]
        assert fact["reason"].startswith(f"{pruner} pruner: log_loss ")
        assert trial.state == TrialState.PRUNED
        assert fact["step"] == max(trial.intermediate_values) < 10
        assert fact["value"] == trial.value == trial.intermediate_values[fact["step"]]
    mill.step("select_best")
    best = mill.file("best.json")
    assert best["pruned"] == len(pruned)
    assert best["completed"] == 14 - len(pruned)
    assert best["trial"] not in [answer["trial"] for answer in pruned]


def test_a_trial_reports_what_its_model_is_worth_so_far(new_mill: Any) -> None:
    search = {"pruner": "median", "trials": 2, "algorithms": ["gradient_boosting", "linear"]}
    mill = new_mill(search=search)
    mill.plan()
    mill.search()
    boosted, linear = mill.study().trials
    assert list(boosted.intermediate_values) == list(range(1, 10)), "the last part is the result"
    assert not linear.intermediate_values
    assert boosted.intermediate_values[9] != boosted.intermediate_values[1]


def test_killed_amid_its_fit_a_watched_trial_is_fitted_again_and_ends(new_mill: Any) -> None:
    mill = new_mill(search={"pruner": "median", "trials": 1, "algorithms": ["gradient_boosting"]})
    mill.plan()
    half = mill.killer(lambda: len(mill.study().trials) > 0 and 5 in mill.study().trials[0].intermediate_values)
    with pytest.raises(mill.Killed):
        mill.step("run_trial", half, slot=0)
    assert mill.step("run_trial", slot=0)["state"] == "complete"
    assert list(mill.study().trials[0].intermediate_values) == list(range(1, 10))


# --- measures --------------------------------------------------------------------------------------------------
def test_a_trial_measures_its_model_where_that_is_asked_for(new_mill: Any) -> None:
    objectives = ["metric", "size_bytes"]
    search = {"objectives": objectives, "constraints": {"latency_ms": 60_000}, "algorithms": ["linear"]}
    mill = new_mill(search=search)
    mill.plan()
    mill.search()
    trial = mill.file("trials/0000.json")
    assert trial["measures"].keys() == {"metric", "size_bytes", "latency_ms"}
    assert trial["measures"]["size_bytes"] > 1000
    assert trial["measures"]["latency_ms"] > 0
    assert trial["values"] == [trial["value"], trial["measures"]["size_bytes"]]


# --- warm start ------------------------------------------------------------------------------------------------
SECOND = "tides-v00001-manual-2"


@pytest.mark.parametrize("sampler", ["qmc", "tpe"])
def test_a_warm_start_tries_the_best_points_of_the_run_before(walked: Any, new_mill: Any, sampler: str) -> None:
    search = {"sampler": sampler, "trials": 3, "warm_start": 1}
    walked.project = new_mill(search=search).project
    walked.plan(run_id=SECOND)
    best, plan = walked.file("best.json"), walked.file("plan.json", SECOND)
    first = plan["trials"][0]
    assert (first["algorithm"], first["parameters"]) == (best["algorithm"], best["parameters"])
    assert plan["limit"] == 3
    assert [trial["number"] for trial in plan["trials"]] == [0, 1, 2]


def test_a_warm_start_leaves_out_what_is_no_longer_varied_and_needs_no_run_before(
    walked: Any, new_mill: Any
) -> None:
    search = {"sampler": "tpe", "warm_start": 5, "algorithms": ["random_forest"]}
    walked.project = new_mill(search=search).project
    walked.plan(run_id=SECOND)
    assert [trial["algorithm"] for trial in walked.file("plan.json", SECOND)["trials"]] == ["random_forest"]
    alone = new_mill(search={"warm_start": 5})
    alone.plan()
    assert len(alone.file("plan.json")["trials"]) == 2
