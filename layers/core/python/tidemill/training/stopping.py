"""When a search has gone far enough, by the rules of the project file. Pure functions of its trials.

RunTrial asks before each trial. Trials that run are not counted: a limit is passed by at most what is under way.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from optuna.trial import FrozenTrial, TrialState

from tidemill.projects.search import Stop
from tidemill.training import cost


def enough(stop: Stop, trials: Sequence[FrozenTrial]) -> str | None:
    """Why no further trial is to begin, in words; None if one may. The first rule that holds, in the order of the
    project file."""
    spent = sum(float(trial.user_attrs.get("gb_seconds", 0.0)) for trial in trials)
    dollars = sum(cost.of_work(trial.user_attrs) for trial in trials)
    minutes = busy(trials) / timedelta(minutes=1)
    if stop.minutes is not None and minutes >= stop.minutes:
        return f"trials ran for {minutes:.1f} minutes (stop.minutes: {stop.minutes:g})"
    if stop.gb_seconds is not None and spent >= stop.gb_seconds:
        return f"trials took {spent:,.0f} GB-seconds (stop.gb_seconds: {stop.gb_seconds:g})"
    if stop.dollars is not None and dollars >= stop.dollars:
        return f"trials cost ${dollars:.4f} (stop.dollars: {stop.dollars:g})"
    if stop.patience is not None and (vain := stale(trials, stop.tolerance)) >= stop.patience:
        return f"the last {vain} trials brought no improvement (stop.patience: {stop.patience})"
    return None


def busy(trials: Sequence[FrozenTrial]) -> timedelta:
    """How long at least one trial ran: the union of the ended trials' times, so that a pause does not count."""
    spans = sorted(
        (trial.datetime_start, trial.datetime_complete)
        for trial in trials
        if trial.datetime_start is not None and trial.datetime_complete is not None
    )
    total, until = timedelta(), datetime.min
    for start, end in spans:
        total += max(end - max(start, until), timedelta())
        until = max(until, end)
    return total


def stale(trials: Sequence[FrozenTrial], tolerance: float) -> int:
    """How many trials, of those that ended last, did not lower the best value by more than `tolerance` of it. What
    failed has no value, and counts as none."""
    ended = [t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)]
    ended.sort(key=lambda trial: (trial.datetime_complete or datetime.min, trial.number))
    best, since = float("inf"), 0
    for trial in ended:
        value = trial.value if trial.state == TrialState.COMPLETE else None
        if value is not None and value < best - tolerance * abs(best if best < float("inf") else 0.0):
            best, since = value, 0
        else:
            since += 1
    return since
