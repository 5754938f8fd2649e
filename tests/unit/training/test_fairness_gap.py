"""`fairness_gap`: a search that is told to keep decisions alike between groups."""

from typing import Any

import numpy as np
import pytest

from tidemill.errors import ProjectInvalid
from tidemill.training.measures import fairness_gap

SENSITIVE = {"sensitive": ["wind"], "slices": {"rows": 10}}


def test_the_gap_is_the_largest_difference_of_true_or_false_positives(new_mill: Any) -> None:
    mill = new_mill(**SENSITIVE, search={"constraints": {"fairness_gap": 0.5}})
    wind = np.repeat(["N", "S"], 20)
    target = np.tile([0.0, 1.0], 20)
    # N: all right. S: 4 of 10 positives are missed, 1 of 10 negatives is called.
    said = target.copy()
    said[np.flatnonzero((wind == "S") & (target == 1))[:4]] = 0
    said[np.flatnonzero((wind == "S") & (target == 0))[:1]] = 1
    rows = {"wind": wind, "full": target}
    assert fairness_gap(mill.project, rows, said) == pytest.approx(0.4)
    assert fairness_gap(mill.project, {**rows, "wind": np.repeat("N", 40)}, said) == 0.0


@pytest.mark.parametrize("features", [["level", "gates", "harbour"], ["level", "gates", "harbour", "wind"]])
def test_trials_are_held_to_it_whether_or_not_the_column_is_a_feature(new_mill: Any, features: list[str]) -> None:
    mill = new_mill(**SENSITIVE, features=features, search={"constraints": {"fairness_gap": 0.9}})
    mill.plan()
    mill.search()
    mill.step("select_best")
    best = mill.file("best.json")
    assert 0 < best["measures"]["fairness_gap"] <= 0.9
    assert mill.step("fit_final")["more"] is False


def test_the_least_gap_may_be_an_objective(new_mill: Any) -> None:
    search = {"objectives": ["metric", "fairness_gap"], "sampler": "nsga2", "trials": 4}
    mill = new_mill(**SENSITIVE, search=search)
    mill.plan()
    mill.search()
    values = [trial.values for trial in mill.study().get_trials()]
    assert all(0 <= gap <= 1 for _, gap in values)
    assert len({gap for _, gap in values}) > 1


@pytest.mark.parametrize("changes", [{}, {"task": "regression", "sensitive": ["wind"]}])
def test_without_groups_to_compare_it_is_refused(new_mill: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(ProjectInvalid, match="fairness_gap compares decisions between groups"):
        new_mill(**changes, search={"constraints": {"fairness_gap": 0.1}})
