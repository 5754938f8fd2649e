"""Step 5 of the story: storms shift what is asked of the model; the check finds it, and asks for retraining
once."""

from typing import Any

from cli import checking, following, reading
from cli.story import flights, observe
from cli.story.observe import PROJECT
from cli.story.replay import replay
from cli.story.scene import Scene
from tidemill import names
from tidemill.monitoring.captured import Captured

SPRING_MONTH = 5
STORM_MONTH = 7
STORM_FEATURES = {"departure_delay", "airport_delay"}
ROWS_PER_REQUEST = 100
ROUNDS = 3
CHECK_SECONDS = 180  # the schedule's minute, the check itself, the alarm's minute
HELD = "monitoring.retraining_held"


def spring_is_no_drift(scene: Scene) -> str:
    """Checks on request close the windows of spring: the same airports, an ordinary season.

    Afterwards no captured prediction of spring is left that would dilute the storms.
    """
    windows, look = _spring_windows(scene), f"`tidemill monitor report {PROJECT}`"
    drifted = [row for row in windows if row.get("drifted")]
    scene.check(not drifted, "no drift in spring", drifted, look)
    runs = [run for run in observe.run_ids(scene, PROJECT) if "-drift-" in run]
    scene.check(not runs, "no retraining", runs, f"`tidemill runs list {PROJECT}`")
    scene.facts["calm_windows"] = [_window_facts(row) for row in windows]
    predictions = sum(row["rows"] for row in windows)
    return f"{predictions:,} predictions, none of the windows ({len(windows)}) drifted"


def storms(scene: Scene) -> str:
    """July's storms are replayed; the scheduled check finds the shift, the alarm fires, one retraining is
    requested."""
    before = {row["window_id"] for row in reading.windows(scene.deployment.index, PROJECT)}
    rows = flights.storm_days(STORM_MONTH)
    sent = replay(
        scene.deployment.api, scene.project(PROJECT), rows,
        per_request=ROWS_PER_REQUEST, seed=scene.seed, with_outcomes=False,
    )  # fmt: skip
    scene.say(f"{sent.rows:,} departures of storm days asked; waiting for the scheduled check")
    window = _scheduled_drift(scene, before)
    look = f"`tidemill monitor report {PROJECT} {window['window_id']}`"
    shifted = set(window["features"] or ())
    scene.check(shifted >= STORM_FEATURES, f"{sorted(STORM_FEATURES)} among the shifted features", shifted, look)
    report = _report(scene, window["window_id"], look)
    _metric_and_alarm(scene)
    run_id = _requested_run(scene, window["window_id"])
    scene.facts["drift"] = _window_facts(window) | {"report": str(report), "retraining_run": run_id}
    return f"{', '.join(sorted(shifted))} shifted; alarm raised; {run_id} requested"


def second_request(scene: Scene) -> str:
    """The alarm goes off a second time: lock and cool-down hold the request back."""
    held, runs = _held(scene), _drift_runs(scene)
    alarm = names.drift_alarm(scene.deployment.stage, PROJECT)
    cloudwatch = scene.deployment.client("cloudwatch")
    for state in ("OK", "ALARM"):
        cloudwatch.set_alarm_state(AlarmName=alarm, StateValue=state, StateReason="the story sets it off again")
    views = following.until(
        lambda: _held(scene)[len(held) :], bool, "a second request, held back", scene.pace(CHECK_SECONDS)
    )
    entry = following.last(views)[-1]
    look = f"`tidemill runs list {PROJECT}`"
    scene.check(_drift_runs(scene) == runs and len(runs) == 1, "one retraining run", _drift_runs(scene), look)
    scene.facts["held_back"] = entry["details"]
    return f"held back: {entry['details'].get('reason', entry['details'])}"


def retraining(scene: Scene) -> str:
    """The requested run comes to its end. No data is new since model 2, so that its gates may well refuse it."""
    run_id = str(scene.facts["drift"]["retraining_run"])
    row = observe.ended_run(scene, PROJECT, run_id, ends=("passed", "refused")).row or {}
    scene.facts["retraining"] = {name: row.get(name) for name in ("run_id", "state", "reason")}
    return str(row["reason"])


def _spring_windows(scene: Scene) -> list[dict[str, Any]]:
    """The windows, once they hold all predictions given so far. A window needs `drift.min_rows`, so as many more
    are asked for: with them, whatever is left over closes too. A check may come (by schedule, too) while captures
    are on their way, and leave the last of them over: then once more."""
    given = sum(int(scene.facts[part]["rows"]) for part in ("experiment", "spoiled"))
    seen: dict[str, int] = {}
    for round_ in range(ROUNDS):
        given += _ask_calmly(scene, seed=scene.seed + round_)
        scene.say(f"checking the {given:,} predictions given until now")
        _await_captured(scene, given, seen)
        while (
            checking.check_now(scene.deployment, PROJECT, scene.pace(CHECK_SECONDS)).get("outcome") != "too_small"
        ):
            scene.say("a window is closed; looking for another")
        windows = _all_checked(scene)
        if sum(row["rows"] for row in windows) >= given:
            return windows
    look = f"`tidemill monitor report {PROJECT}`"
    scene.check(False, f"windows of {given:,} predictions", windows, look)
    return windows


def _ask_calmly(scene: Scene, *, seed: int) -> int:
    """Ask for as many predictions of spring as a window needs; how many they were."""
    project = scene.project(PROJECT)
    calm = flights.months(SPRING_MONTH).sample(n=project.drift.min_rows, random_state=seed)
    api = scene.deployment.api
    sent = replay(api, project, calm, per_request=ROWS_PER_REQUEST, seed=seed, with_outcomes=False)
    return sent.rows


def _await_captured(scene: Scene, given: int, seen: dict[str, int]) -> None:
    """Wait until the log subscription has delivered so many predictions."""
    what = f"{given:,} captured predictions"
    views = following.until(
        lambda: _captured(scene, seen), lambda count: bool(count >= given), what, scene.pace(CHECK_SECONDS)
    )
    following.last(views)


def _captured(scene: Scene, seen: dict[str, int]) -> int:
    """How many predictions have been captured; `seen` keeps what was counted, as no object changes."""
    objects = scene.deployment.objects
    for key in objects.keys(names.captured(PROJECT)):
        if key not in seen:
            found = Captured()
            found.read(objects.get(key), project=PROJECT)
            seen[key] = len(found.predictions)
    return sum(seen.values())


def _all_checked(scene: Scene) -> list[dict[str, Any]]:
    """The windows, once none of them waits for its check: a scheduled one may be on its way."""
    views = following.until(
        lambda: reading.windows(scene.deployment.index, PROJECT),
        lambda windows: all(row["state"] == "checked" for row in windows),
        "every window to be checked",
        scene.pace(CHECK_SECONDS),
    )
    return list(following.last(views))


def _scheduled_drift(scene: Scene, before: set[str]) -> dict[str, Any]:
    """The first new window that has drifted."""

    def drifted() -> dict[str, Any] | None:
        rows = reading.windows(scene.deployment.index, PROJECT)
        new = [row for row in rows if row["window_id"] not in before and row.get("drifted")]
        return new[-1] if new else None

    views = following.until(drifted, bool, "a scheduled check that finds drift", scene.pace(CHECK_SECONDS))
    window: dict[str, Any] = following.last(views)
    look = f"`tidemill monitor report {PROJECT}`"
    scene.check(window["trigger"] in ("schedule", "alarm"), "a check that nobody started", window["trigger"], look)
    return window


def _report(scene: Scene, window_id: str, look: str) -> Any:
    target = scene.reports / f"{PROJECT}-{window_id}.html"
    path = checking.download_report(scene.deployment.objects, PROJECT, window_id, target)
    scene.check("<svg" in path.read_text(), "a report with plots", path, look)
    return path


def _metric_and_alarm(scene: Scene) -> None:
    """Fails the story unless the alarm on the drift metric is raised. It is raised by the metric's data alone."""
    cloudwatch, alarm = scene.deployment.client("cloudwatch"), names.drift_alarm(scene.deployment.stage, PROJECT)

    def state() -> str:
        found = cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
        return str(found[0]["StateValue"]) if found else "missing"

    scene.say("waiting for the alarm")
    views = following.until(state, lambda value: value == "ALARM", f"alarm {alarm}", scene.pace(CHECK_SECONDS))
    scene.check(following.last(views) == "ALARM", "the alarm raised", state(), f"CloudWatch alarm {alarm}")


def _requested_run(scene: Scene, window_id: str) -> str:
    """The id of the one run that the alarm requested."""
    scene.say("waiting for the retraining run")
    views = following.until(lambda: _drift_runs(scene), bool, "a retraining run", scene.pace(CHECK_SECONDS))
    runs, look = following.last(views), f"`tidemill runs list {PROJECT}`"
    scene.check(len(runs) == 1, "exactly one retraining run", runs, look)
    return str(runs[0])


def _drift_runs(scene: Scene) -> list[str]:
    rows = reading.rows(scene.deployment.index, PROJECT, names.RUNS)
    return [str(row["run_id"]) for row in rows if row.get("trigger") == "drift"]


def _held(scene: Scene) -> list[dict[str, Any]]:
    """The audit entries of requests that were held back."""
    entries = reading.rows(scene.deployment.index, PROJECT, names.AUDIT)
    return [entry for entry in entries if entry["action"] == HELD]


def _window_facts(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row.get(name) for name in ("window_id", "rows", "drifted", "features", "trigger")}
