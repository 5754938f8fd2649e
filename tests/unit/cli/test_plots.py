"""Scales, histories and parallel coordinates: what is drawn where."""

import re
from typing import Any

import pytest

from cli.importance import FEWEST, importances, is_far
from cli.plots.history import history
from cli.plots.parallel import parallel
from cli.plots.scales import Scale, number, over, without_outliers


def trial(number: int, value: float | None, state: str = "complete", **parameters: Any) -> dict[str, Any]:
    return {"trial": number, "state": state, "value": value, "algorithm": "linear", "parameters": parameters}


def paths(markup: str, kind: str) -> list[str]:
    """The paths of a class."""
    return re.findall(rf'<path d="([^"]+)"[^>]* class="{kind}[^"]*"', markup)


@pytest.mark.parametrize(
    ("low", "high", "is_log", "ticks"),
    [
        (0.0, 1.0, False, [0.0, 0.5, 1.0]),
        (0.43, 0.69, False, [0.5, 0.6]),
        (-3.0, 9.0, False, [0.0, 5.0]),
        (0.001, 100.0, True, [0.001, 0.1, 10.0]),
        (2.0, 7.0, True, [2.0, 7.0]),
        (5.0, 5.0, False, [5.0]),
        (1e-9, 3e-9, False, [1e-9, 2e-9, 3e-9]),
    ],
)
def test_ticks_are_round(low: float, high: float, is_log: bool, ticks: list[float]) -> None:
    assert Scale(low, high, is_log).ticks(3) == pytest.approx(ticks, rel=1e-9)


def test_a_value_is_placed_in_percent_and_at_the_edge_beyond_it() -> None:
    scale = Scale(10, 20)
    assert [scale.at(value) for value in (10, 15, 20, 25, 5)] == [0, 50, 100, 100, 0]
    assert [scale.holds(value) for value in (10, 25)] == [True, False]
    assert Scale(0.01, 100, is_log=True).at(1) == pytest.approx(50)
    assert over([3.0, 3.0]).at(3.0) == 50


def test_one_trial_that_went_astray_does_not_stretch_the_scale() -> None:
    scale = without_outliers([0.5, 0.51, 0.52, 0.53, 0.54, 9.0], room=0.0)
    assert (scale.low, scale.high) == (0.5, 0.54)
    assert without_outliers([0.7], room=0.0) == Scale(0.7, 0.7)


def test_numbers_are_short() -> None:
    assert [number(value) for value in (0.123456, 12345.6, 1e-7, 3)] == ["0.1235", "12,346", "1e-07", "3"]


def test_the_best_line_goes_down_in_steps_and_ignores_what_is_not_complete() -> None:
    trials = [trial(0, 3.0), trial(1, 0.5, "pruned"), trial(2, None, "failed"), trial(3, 1.0), trial(4, 2.0)]
    drawn = history([{"run_id": "r", "trials": trials}], metric="log_loss")
    assert drawn is not None
    (line,) = paths(drawn, "best")
    heights = [float(pair.split()[1]) for pair in line[1:].split("L")]
    high, low = 100 - 100 * (3 - 0.9) / 2.2, 100 - 100 * (1 - 0.9) / 2.2
    assert heights == pytest.approx([high, high, low, low, low, low], abs=0.01)
    assert drawn.count("<circle") == 5
    assert 'class="failed s0"' in drawn
    assert re.search(r'cy="100.00%"[^>]*class="failed', drawn)


def test_a_run_without_values_has_no_plot() -> None:
    assert history([{"run_id": "r", "trials": [trial(0, None, "failed")]}], metric="rmse") is None
    assert parallel([trial(0, 1.0, C=1)], metric="rmse") is None
    assert parallel([trial(0, 1.0), trial(1, 2.0)], metric="rmse") is None


def test_each_complete_trial_is_a_line_and_the_best_is_drawn_last() -> None:
    trials = [
        trial(0, 0.2, C=1.0, kind="b"),
        trial(1, 0.1, C=100.0, kind="a"),
        trial(2, 0.3, C=10.0),
        trial(3, None, "failed", C=5.0, kind="a"),
    ]
    drawn = parallel(trials, metric="log_loss")
    assert drawn is not None
    lines = paths(drawn, "trial")
    assert len(lines) == 3
    assert 'class="trial best" style="--share:100%"><title>trial 1:' in drawn.replace("\n", "")
    # Worst first: C 10 is half way on a logarithmic axis, and the trial has no `kind`.
    assert lines[0] == "M0.00 50.00L100.00 0.00"
    assert lines[-1] == "M0.00 0.00L50.00 100.00L100.00 100.00"
    assert "C (log)" in re.sub(r"</?b>", "", drawn)


def test_the_parameter_that_decides_is_found_and_the_answer_is_the_same_each_time() -> None:
    trials = [trial(n, abs((n * 7) % 20 - 5.0), C=float((n * 7) % 20 + 1), noise=n % 3, same=1) for n in range(20)]
    (found,) = importances(trials)
    assert found == importances(trials)[0]
    assert list(found["shares"]) == ["C", "noise"], "a parameter that never varied explains nothing"
    assert found["shares"]["C"] > 0.8
    assert sum(found["shares"].values()) == pytest.approx(1)


@pytest.mark.parametrize(
    "trials",
    [
        [trial(n, float(n), C=n) for n in range(FEWEST - 1)],
        [trial(n, 1.0, C=n) for n in range(FEWEST)],
        [trial(n, float(n), C=1) for n in range(FEWEST)],
    ],
)
def test_where_nothing_can_be_said_nothing_is(trials: list[dict[str, Any]]) -> None:
    assert importances(trials)[0]["shares"] == {}


def test_words_and_far_numbers_are_parameters_too() -> None:
    trials = [
        trial(n, float(n % 2) + n / 1000, kind="ab"[n % 2], flag=bool(n % 3), C=10.0 ** (n % 5)) for n in range(12)
    ]
    shares = importances(trials)[0]["shares"]
    assert set(shares) == {"kind", "flag", "C"}
    assert shares["kind"] == max(shares.values())
    assert is_far([0.001, 1])
    assert not is_far([0, 1000])
