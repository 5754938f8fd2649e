"""Fits that are cut into slices: over several calls, killed anywhere, the model is the one of a fit in one go."""

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tidemill import canonical
from tidemill.training import pipeline, slices
from tidemill.training.worker import Worker

GROWING = ("gradient_boosting", "lightgbm", "random_forest", "extra_trees")
FINAL = ("final/model.skops", "final/model.onnx", "final/profile.json")


def impatient(parts: int) -> Callable[[], timedelta]:
    """The time that a worker has left, which is over after so many parts of a fit."""
    asked = itertools.count()
    return lambda: timedelta(minutes=10) if next(asked) < parts else timedelta()


def hurried(parts: int = 2) -> Worker:
    return Worker(3008, left=impatient(parts))


def searched(new_mill: Any, algorithm: str, **changes: Any) -> Any:
    mill = new_mill(search={"trials": 1, "algorithms": [algorithm], **changes.pop("search", {})}, **changes)
    mill.plan()
    return mill


@pytest.mark.parametrize("algorithm", GROWING)
@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("encode", ["auto", "target"])
def test_a_final_fit_over_several_calls_is_the_fit_in_one_go(
    new_mill: Any, algorithm: str, task: str, encode: str
) -> None:
    whole, cut = (searched(new_mill, algorithm, task=task, recipe={"encode": encode}) for _ in range(2))
    for mill in (whole, cut):
        mill.search()
        mill.step("select_best")
    assert whole.step("fit_final")["more"] is False
    cut.objects.put_new("runs/tides/tides-v00001/slices/final.begun.json", b"{}")  # somebody died of it
    answers = []
    while not answers or answers[-1]["more"]:
        answers.append(cut.step("fit_final", worker=hurried()))
        assert len(answers) < 10
    assert len(answers) == 4  # ten parts, three in each call
    assert all(cut.objects.get(_key(file)) == whole.objects.get(_key(file)) for file in FINAL)


@pytest.mark.parametrize("algorithm", ["gradient_boosting", "lightgbm", "random_forest"])
def test_a_trial_goes_on_from_its_checkpoint_wherever_it_is_killed(new_mill: Any, algorithm: str) -> None:
    whole = searched(new_mill, algorithm)
    (expected,) = whole.search()
    kills = itertools.count()
    for calls in kills:
        mill = searched(new_mill, algorithm)
        with pytest.raises(mill.Killed):
            mill.step("run_trial", mill.killer(mill.claimed(0)), slot=0)
        left = itertools.count()
        try:
            mill.step("run_trial", mill.killer(lambda: next(left) == calls), slot=0, worker=hurried(4))  # noqa: B023
            done = True
        except mill.Killed:
            done = False
        answers = [mill.step("run_trial", slot=0, worker=hurried(4)) for _ in range(4)]
        ended = [answer for answer in answers if answer["state"] == "complete"]
        assert [answer["value"] for answer in ended] == [expected["value"]]
        if done:
            break
    assert next(kills) > 10


def test_a_trial_that_is_begun_again_is_not_begun_from_the_start(
    new_mill: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mill = searched(new_mill, "gradient_boosting")
    with pytest.raises(mill.Killed):
        mill.step("run_trial", mill.killer(mill.claimed(0)), slot=0)
    first = mill.step("run_trial", slot=0, worker=hurried(4))
    assert (first["state"], first["more"]) == ("running", True)
    begun: list[Any] = []
    fit = pipeline.fit

    def watched(*arguments: Any, **options: Any) -> Any:
        begun.append(options["begun"])
        return fit(*arguments, **options)

    monkeypatch.setattr(pipeline, "fit", watched)
    assert mill.step("run_trial", slot=0)["state"] == "complete"
    assert [each.step for each in begun] == [5]


def test_the_time_of_all_slices_is_counted(new_mill: Any) -> None:
    mill = searched(new_mill, "gradient_boosting")
    with pytest.raises(mill.Killed):
        mill.step("run_trial", mill.killer(mill.claimed(0)), slot=0)
    ticks = itertools.count()
    clock = lambda: mill.AT + timedelta(seconds=next(ticks))  # noqa: E731
    while mill.step("run_trial", slot=0, worker=hurried(), clock=clock)["state"] == "running":
        pass
    trial = mill.file("trials/0000.json")
    assert trial["seconds"] > 10  # each part asks for the time once


def test_a_fit_that_nobody_has_begun_is_not_cut(new_mill: Any) -> None:
    mill = searched(new_mill, "gradient_boosting")
    (trial,) = mill.search()
    assert trial["state"] == "complete"
    assert not list(mill.objects.keys("runs/tides/tides-v00001/slices/"))


def test_a_final_fit_that_will_not_be_done_in_time_is_cut_at_once(new_mill: Any) -> None:
    mill = searched(new_mill, "gradient_boosting")
    mill.search()
    mill.step("select_best")
    best = mill.file("best.json")
    mill.objects.put("runs/tides/tides-v00001/best.json", canonical.dumps({**best, "seconds": 500.0}))
    assert mill.step("fit_final", worker=hurried(3))["more"] is True
    assert list(mill.objects.keys("runs/tides/tides-v00001/slices/final/"))


def test_work_is_saved_from_time_to_time_where_there_is_no_hurry(new_mill: Any) -> None:
    mill = searched(new_mill, "random_forest")
    with pytest.raises(mill.Killed):
        mill.step("run_trial", mill.killer(mill.claimed(0)), slot=0)
    ticks = itertools.count()
    mill.step("run_trial", slot=0, clock=lambda: mill.AT + next(ticks) * slices.EVERY / 2)
    saved = list(mill.objects.keys("runs/tides/tides-v00001/slices/0000/"))
    assert 3 <= len(saved) <= 5


def _key(file: str) -> str:
    return f"runs/tides/tides-v00001/{file}"
