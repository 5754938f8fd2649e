"""State `BuildWindow`: the predictions captured since the last window become the next one, once.

What is in a window is said by object keys, never by the time: an object that arrives late is in the first window
closed after it. Window n + 1 is decided by whoever first writes its `window.json`, which lists its source objects;
everyone else who works on that number finishes it. So many triggers at once, and a rerun after a kill at any
point, close the same window with the same rows.

Writes `windows/<project>/<window id>/`: `window.json` (the fact), `rows.npz` (the sources' rows as arrays) and
`ledger.json` (the keys that are in some window, of the days that can still receive objects); then the window's
row, the cursor and the audit row in one transaction on the cursor's epoch.
"""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from tidemill import canonical, names
from tidemill.errors import ConflictError, RecordNotFound
from tidemill.governance import audit
from tidemill.monitoring import rows
from tidemill.monitoring.captured import Captured, columns
from tidemill.ports import Clock, Index, ObjectStore, Put, Row
from tidemill.projects import Project

LATE_DAYS = 15  # a log line is delivered within a day and redelivered for 14: objects of older days do not change
MOST_OBJECTS = 2000  # of one window, once they hold enough rows: what one invocation reads in time
NO_CURSOR: Row = {"epoch": 0, "window_id": None, "from_day": "", "until": ""}
Fact = dict[str, Any]


def build_window(*, project: Project, trigger: str, objects: ObjectStore, index: Index, clock: Clock) -> Fact:
    """Close the next window if enough predictions wait. Gives `outcome` (`closed`, `too_small`, `no_model`),
    `window_id` (None unless closed) and `rows`."""
    live = index.get(names.pk(project.name), names.POINTER_LIVE)
    if live is None or not live.get("champion"):
        return {"outcome": "no_model", "window_id": None, "rows": 0}
    cursor = index.get(names.pk(project.name), names.CURSOR_WINDOW) or NO_CURSOR
    unchecked = _unchecked(index, project.name, cursor)
    if unchecked:
        return {"outcome": "closed", "window_id": unchecked["window_id"], "rows": unchecked["rows"]}
    taken = _taken(objects, project.name, cursor)
    folder = names.window(project.name, window_id := f"{cursor['epoch'] + 1:05d}")
    if not objects.exists(f"{folder}window.json"):
        sources, captured = _waiting(objects, project, cursor, taken)
        if len(captured.predictions) < project.drift.min_rows:
            return {"outcome": "too_small", "window_id": None, "rows": len(captured.predictions)}
        draft = {
            "project": project.name,
            "window_id": window_id,
            "trigger": trigger,
            "model": live["champion"]["model"],
            "sources": sources,
            "from_day": _first_open_day(sources, cursor, today=clock().date()),
            **_summary(captured),
        }
        objects.put_new(f"{folder}window.json", canonical.dumps(draft), content_type="application/json")
    window = json.loads(objects.get(f"{folder}window.json"))  # another trigger may have decided it first
    _write_contents(objects, project, window, folder, taken)
    _close(index, window, epoch=cursor["epoch"], clock=clock)
    return {"outcome": "closed", "window_id": window_id, "rows": window["rows"]}


def _unchecked(index: Index, project: str, cursor: Row) -> Row | None:
    """The last window, if its check was killed: it is checked before another one is closed."""
    if cursor["window_id"] is None:
        return None
    row = index.get(names.pk(project), names.sk_window(cursor["window_id"]))
    return row if row and row["state"] == "closed" else None


def _taken(objects: ObjectStore, project: str, cursor: Row) -> list[str]:
    """The keys that are in some window, of the days that can still receive objects."""
    if cursor["window_id"] is None:
        return []
    ledger = json.loads(objects.get(f"{names.window(project, cursor['window_id'])}ledger.json"))
    return list(ledger["keys"])


def _waiting(
    objects: ObjectStore, project: Project, cursor: Row, taken: Iterable[str]
) -> tuple[list[str], Captured]:
    """The captured objects that are in no window, oldest day first, and what they hold."""
    known, sources, captured = set(taken), [], Captured()
    open_days = names.captured(project.name, cursor["from_day"])
    for key in objects.keys(names.captured(project.name), after=open_days):
        if key in known or _day(key) is None:
            continue
        _read(objects, project.name, key, captured)
        sources.append(key)
        if len(sources) >= MOST_OBJECTS and len(captured.predictions) >= project.drift.min_rows:
            break
    return sources, captured


def _read(objects: ObjectStore, project: str, key: str, captured: Captured) -> None:
    try:
        captured.read(objects.get(key), project=project)
    except RecordNotFound:  # it expired since it was listed
        captured.corrupted_objects += 1


def _summary(captured: Captured) -> Fact:
    times = [prediction.at for prediction in captured.predictions.values()]
    return {
        "rows": len(captured.predictions),
        "from": min(times).isoformat(),
        "to": max(times).isoformat(),
        "duplicates": captured.duplicates,
        "corrupted_lines": captured.corrupted_lines,
        "corrupted_objects": captured.corrupted_objects,
        "masked": sorted(captured.masked),
    }


def _first_open_day(sources: Sequence[str], cursor: Row, *, today: date) -> str:
    """The first day that can still receive objects. A day in the future is someone's wrong clock: it must not
    close the days until then."""
    newest = min(max(day for key in sources if (day := _day(key))), today.isoformat())
    return max(str(cursor["from_day"]), (date.fromisoformat(newest) - timedelta(days=LATE_DAYS)).isoformat())


def _day(key: str) -> str | None:
    """The day in a captured key; None where there is none, so that a stray object does not stop the windows."""
    found = re.search(r"/dt=(\d{4}-\d{2}-\d{2})/[^/]+\.jsonl\.gz$", key)
    try:
        return date.fromisoformat(found[1]).isoformat() if found else None
    except ValueError:
        return None


def _write_contents(
    objects: ObjectStore, project: Project, window: Fact, folder: str, taken: Sequence[str]
) -> None:
    """Both follow from `window.json` and the window before, so that whoever writes them writes the same."""
    captured = Captured()
    for key in window["sources"]:
        _read(objects, project.name, key, captured)
    arrays = columns(captured.predictions.values(), project, masked=captured.masked)
    objects.put_new(f"{folder}rows.npz", rows.pack(arrays))
    first_open = names.captured(project.name, window["from_day"])
    ledger = {"keys": sorted(key for key in [*taken, *window["sources"]] if key > first_open)}
    objects.put_new(f"{folder}ledger.json", canonical.dumps(ledger), content_type="application/json")


def _close(index: Index, window: Fact, *, epoch: int, clock: Clock) -> None:
    """Make the window known. Whoever loses the race finds the same window closed by the winner."""
    project, window_id = window["project"], window["window_id"]
    row = {name: window[name] for name in ("window_id", "from", "to", "rows", "model", "trigger")}
    cursor = {"epoch": epoch + 1, "until": window["to"], "window_id": window_id, "from_day": window["from_day"]}
    details = {name: window[name] for name in ("rows", "duplicates", "corrupted_lines", "corrupted_objects")}
    entry = audit.entry(
        project=project,
        action="monitoring.window_closed",
        subject=f"window {window_id}",
        at=clock(),
        by="build_window",
        **details,
    )
    key = names.pk(project), names.sk_window(window_id)
    try:
        index.transact(
            [
                Put(*key, {**row, "state": "closed"}, if_absent=True),
                Put(names.pk(project), names.CURSOR_WINDOW, cursor, if_epoch=epoch),
                entry,
            ]
        )
    except ConflictError:
        if index.get(*key) is None:
            raise
