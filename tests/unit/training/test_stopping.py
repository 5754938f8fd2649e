"""The rules by which a search ends before its last trial."""

from datetime import datetime, timedelta

import pytest
from optuna.trial import FrozenTrial, TrialState

from tidemill.projects.search import Stop
from tidemill.training.cost import of_gb_seconds
from tidemill.training.stopping import busy, enough, stale

NOON = datetime(2026, 3, 1, 12, 0)


def trial(
    number: int,
    value: float | None = None,
    *,
    state: TrialState = TrialState.COMPLETE,
    start: float = 0,
    end: float | None = None,
    gb_seconds: float = 0.0,
) -> FrozenTrial:
    """`start` and `end` in minutes after noon."""
    return FrozenTrial(
        number=number,
        state=state,
        value=value,
        datetime_start=NOON + timedelta(minutes=start),
        datetime_complete=None if end is None else NOON + timedelta(minutes=end),
        params={},
        distributions={},
        user_attrs={"gb_seconds": gb_seconds},
        system_attrs={},
        intermediate_values={},
        trial_id=number,
    )


def test_without_a_rule_nothing_is_ever_enough() -> None:
    assert enough(Stop(), [trial(n, 1.0, end=600, gb_seconds=1e6) for n in range(50)]) is None


def test_minutes_are_those_in_which_trials_ran() -> None:
    # Two side by side, a pause, one more, and one that still runs.
    trials = [
        trial(0, 1.0, start=0, end=10),
        trial(1, 1.0, start=5, end=12),
        trial(2, 1.0, start=100, end=103),
        trial(3, state=TrialState.RUNNING, start=103),
    ]
    assert busy(trials) == timedelta(minutes=15)
    assert enough(Stop(minutes=15.5), trials) is None
    assert enough(Stop(minutes=15), trials) == "trials ran for 15.0 minutes (stop.minutes: 15)"


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (Stop(gb_seconds=300), "trials took 300 GB-seconds (stop.gb_seconds: 300)"),
        (Stop(gb_seconds=301), None),
        (Stop(dollars=of_gb_seconds(300)), "trials cost $0.0050 (stop.dollars: 0.00500001)"),
        (Stop(dollars=0.0051), None),
    ],
)
def test_what_the_trials_took_is_added_up(stop: Stop, words: str | None) -> None:
    trials = [trial(n, 1.0, end=n, gb_seconds=100) for n in range(3)]
    assert enough(stop, trials) == words


def test_patience_counts_trials_in_the_order_in_which_they_ended() -> None:
    values = [3.0, 2.0, 2.5, 2.4, 1.999]
    trials = [trial(n, value, end=n) for n, value in enumerate(values)]
    assert stale(trials, 0.0) == 0
    assert stale(trials, 0.01) == 3, "a thousandth is no improvement when a hundredth is asked for"
    assert enough(Stop(patience=3, tolerance=0.01), trials) == (
        "the last 3 trials brought no improvement (stop.patience: 3)"
    )
    assert enough(Stop(patience=4, tolerance=0.01), trials) is None
    last_first = [trial(0, 2.0, end=9), trial(1, 1.0, end=1), trial(2, 3.0, end=5)]
    assert stale(last_first, 0.0) == 2


def test_what_failed_or_was_pruned_brought_nothing_and_what_runs_does_not_count() -> None:
    trials = [
        trial(0, 1.0, end=0),
        trial(1, state=TrialState.FAIL, end=1),
        trial(2, 0.5, state=TrialState.PRUNED, end=2),
        trial(3, state=TrialState.RUNNING),
    ]
    assert stale(trials, 0.0) == 2


def test_a_negative_best_value_improves_downwards() -> None:
    assert stale([trial(0, -1.0, end=0), trial(1, -1.2, end=1)], 0.1) == 0
    assert stale([trial(0, -1.0, end=0), trial(1, -1.05, end=1)], 0.1) == 1


def test_dollars_of_a_machine_are_those_of_its_time() -> None:
    trials = [trial(0, 1.0, end=3600)]
    trials[0].user_attrs.update(seconds=3600.0, gb_seconds=1.0, instance="ml.m5.xlarge")
    assert enough(Stop(dollars=0.24), trials) is None
    assert enough(Stop(dollars=0.23), trials) == "trials cost $0.2300 (stop.dollars: 0.23)"
