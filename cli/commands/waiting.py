"""Live progress of a run and of an upload's whole way, for `data push --wait` and `runs follow`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from cli import following, show
from cli.deployment import Deployment
from cli.following import Pace, RunView
from cli.uploading import Upload
from tidemill.data.accept_version import run_id_of

LATEST = 12
"""How many trials a live view lists: those that run, and the last ones that ended."""
TRIALS: list[show.Column] = [
    ("trial", lambda trial: trial["trial"]),
    ("state", lambda trial: trial["state"]),
    ("value", lambda trial: trial.get("value")),
    ("algorithm", lambda trial: trial.get("algorithm")),
    ("parameters", lambda trial: show.metrics(_numbers(trial.get("parameters")))),
]


def through(deployment: Deployment, upload: Upload, *, seconds: float, quiet: bool) -> dict[str, Any]:
    """Follow an upload until a model serves, or until it ends before that. What was found, stage by stage."""
    pace = Pace(at_most=seconds)
    say = Console(stderr=True, quiet=quiet, highlight=False)
    with say.status("waiting for the upload to be noticed") as status:
        views = following.upload(deployment, upload.project, upload.upload_id, pace)
        row = following.last(views, lambda seen: status.update(_upload_line(seen)))
    say.print(_upload_line(row), soft_wrap=True)
    facts: dict[str, Any] = {"upload": reading_of(row)}
    if row["state"] != "accepted":
        return facts
    run_id = run_id_of(upload.project, int(row["dataset_version"]))
    view = follow_run(deployment, upload.project, run_id, pace, say)
    facts["run"] = reading_of(view.row)
    if view.row is None or view.row["state"] != "passed":
        return facts
    with say.status("the release begins") as status:
        settled = following.last(following.release(deployment, upload.project, run_id, pace))
        status.update(_release_line(settled))
    say.print(_release_line(settled), soft_wrap=True)
    return facts | {"release": reading_of(settled)}


def follow_run(deployment: Deployment, project: str, run_id: str, pace: Pace, say: Console) -> RunView:
    """Show a run's trials as they end, until the run has ended."""
    views = following.run(deployment, project, run_id, pace)
    with _live(say) as update:
        view: RunView = following.last(views, update)
    say.print(_run_line(view), soft_wrap=True)
    return view


def exit_code(facts: dict[str, Any]) -> int:
    """0 when the data is in use, or was there before; else 1."""
    if facts["upload"]["state"] != "accepted":
        return 0 if facts["upload"]["state"] == "unchanged" else 1
    return 0 if facts.get("release", {}).get("state") in ("promoted", "running") else 1


def reading_of(row: dict[str, Any] | None) -> dict[str, Any]:
    """A row without its keys."""
    return {name: value for name, value in (row or {}).items() if name not in ("pk", "sk")}


@contextmanager
def _live(say: Console) -> Iterator[Any]:
    if not say.is_terminal:
        told: set[int] = set()
        yield lambda view: _tell_news(say, view, told)
        return
    with Live(console=say, refresh_per_second=4, transient=False) as live:
        yield lambda view: live.update(_run_board(view))


def _tell_news(say: Console, view: RunView, told: set[int]) -> None:
    """A line for each trial that has ended since: a log has no place for a table that changes."""
    for trial in view.trials:
        if trial["trial"] not in told:
            told.add(trial["trial"])
            value = "" if trial.get("value") is None else f" {trial['value']:.5g}"
            why = f": {trial['reason']}" if trial.get("reason") else ""
            say.print(escape(f"trial {trial['trial']} {trial['state']}{value}{why}"), soft_wrap=True)


def _run_board(view: RunView) -> Group | str:
    """A bar over all trials, what is best so far, and the latest trials."""
    row = view.row or {}
    planned, ended = int(row.get("trials") or 0), len(view.trials)
    if not planned or not (view.trials or view.running):
        return f"Run {view.run_id}: preparing the data"
    stopping = f", stopping for {escape(row['stop']['by'])}" if row.get("stop") else ""
    said = f"{ended} of {planned} trials, {len(view.running)} running{stopping}"
    if view.best:
        said += f", best so far [bold]{view.best['value']:.5g}[/bold] (trial {view.best['trial']})"
    line = Table.grid(padding=(0, 1))
    line.add_row(ProgressBar(total=planned, completed=ended, width=30), said)
    room = max(LATEST - len(view.running), 3)
    latest = [*view.trials[-room:], *view.running[:LATEST]]
    return Group(f"[bold]Run {view.run_id}[/bold]", line, show.table("", latest, TRIALS, empty=""))


def _run_line(view: RunView) -> str:
    row, best = view.row or {}, view.best
    found = (
        f", best {best['value']:.5g} by {best.get('algorithm', 'trial')} (trial {best['trial']})" if best else ""
    )
    why = row.get("error") or row.get("reason") or ""
    return f"run {view.run_id} {show.cell(row.get('state'))}: {len(view.trials)} trials{found}. {escape(str(why))}"


def _upload_line(row: dict[str, Any] | None) -> str:
    if row is None:
        return "waiting for the upload to be noticed"
    version = f", dataset version {row['dataset_version']}" if row.get("dataset_version") else ""
    why = f": {row['code']}: {row['reason']}" if row.get("code") else ""
    return f"upload {show.cell(row['state'])}{version}{escape(why or str(row.get('error') or ''))}"


def _release_line(row: dict[str, Any] | None) -> str:
    if row is None:
        return "the release begins"
    if row["state"] == "running":
        return (
            f"model {row['model']} is challenger and gets its first share of the requests; "
            f"`tidemill release status {row['release_id'].rsplit('-v', 1)[0]}` shows the experiment"
        )
    return f"model {row['model']} {show.cell(row['state'])}: {escape(str(row.get('reason', '')))}"


def _numbers(parameters: dict[str, Any] | None) -> dict[str, float]:
    return {name: value for name, value in (parameters or {}).items() if isinstance(value, int | float)}
