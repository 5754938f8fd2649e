"""What the commands show, read from the ports as plain JSON objects. Nothing here prints or waits.

Called by the commands and by the story; works the same on AWS and on memory adapters.
"""

import json
from typing import Any

from cli.errors import NotFound
from tidemill import canonical, names
from tidemill.errors import RecordNotFound
from tidemill.ports import Index, ObjectStore, Row

Facts = dict[str, Any]
KEYS = ("pk", "sk")


def log(index: Index, project: str, *, limit: int | None = None) -> Facts:
    """Accepted dataset versions and uploads, the newest first."""
    uploads = sorted(rows(index, project, names.UPLOADS), key=lambda row: str(row["at"]), reverse=True)
    return {
        "project": project,
        "versions": rows(index, project, names.DATASETS, newest_first=True, limit=limit),
        "uploads": uploads[:limit],
    }


def version(index: Index, objects: ObjectStore, project: str, number: int) -> Facts:
    """One dataset version: its row, manifest and comparison with its parent. Raises NotFound."""
    row = one(index, project, names.sk_dataset(number), f"dataset version {number}", "`tidemill data log`")
    return {
        **row,
        "manifest": document(objects, names.manifest(project, row["identity"])),
        "validation": document(objects, names.validation(project, row.get("source", ""))),
        "comparison": document(objects, names.comparison(project, number)),
    }


def upload(index: Index, objects: ObjectStore, project: str, upload_id: str) -> Facts:
    """One upload: its row, what was read in it and what the gate says of its batch, as far as they exist; if it
    was quarantined, with the reason's document. Raises NotFound."""
    row = one(index, project, names.sk_upload(upload_id), f"upload {upload_id}", "`tidemill data log`")
    return {
        **row,
        "reading": document(objects, names.upload(project, upload_id) + "reading.json"),
        "validation": document(objects, names.validation(project, row.get("batch_id", upload_id))),
        "quarantine": document(objects, names.quarantine(project, upload_id) + "reason.json"),
    }


def runs(index: Index, project: str, *, limit: int | None = None) -> list[Facts]:
    """Training runs, the newest first."""
    found = sorted(rows(index, project, names.RUNS), key=lambda row: str(row["at"]), reverse=True)
    return found[:limit]


def run(index: Index, objects: ObjectStore, project: str, run_id: str) -> Facts:
    """One run with its trials and its evaluation, as far as they exist. Raises NotFound."""
    row = one(index, project, names.sk_run(run_id), f"run {run_id!r}", "`tidemill runs list`")
    folder = names.run(project, run_id)
    return {
        **row,
        "trials_done": trials(objects, project, run_id),
        "evaluation": document(objects, folder + "evaluation.json"),
    }


def trials(objects: ObjectStore, project: str, run_id: str, known: dict[str, Facts] | None = None) -> list[Facts]:
    """The trials that have ended, by number. `known` keeps those read before, as each is written only once."""
    known = {} if known is None else known
    for key in objects.keys(names.run(project, run_id) + "trials/"):
        if key not in known:
            known[key] = json.loads(objects.get(key))
    return [known[key] for key in sorted(known)]


def running_trials(index: Index, project: str, run_id: str) -> list[Facts]:
    """The trials that run, by number: since when, in which slot, after how many parts of their fit."""
    holder = index.get(names.pk(project), names.sk_study_name(canonical.sha256(run_id.encode())))
    if holder is None or not holder["study_id"]:
        return []
    found = index.query(names.pk_study(project, int(holder["study_id"])), names.TRIALS)
    return [_running(row) for row in found if row.get("state") == "RUNNING"]


def _running(row: Row) -> Facts:
    """What the trial's row says; `u:` and `i:` are how `tidemill.training.studies` names attributes and steps."""
    told = {name: json.loads(row[f"u:{name}"]) for name in ("algorithm", "slot") if f"u:{name}" in row}
    steps = [int(name[2:]) for name in row if name.startswith("i:")]
    step = max(steps, default=0)
    value = json.loads(row[f"i:{step}"]) if steps else None
    return {
        "trial": int(row["number"]),
        "state": "running",
        "since": row["start"],
        "step": step,
        "value": value,
        **told,
    }


def models(index: Index, project: str) -> list[Facts]:
    """Registered model versions, the newest first, with the share of requests each gets now."""
    shares = live_shares(live(index, project))
    found = rows(index, project, names.MODELS, newest_first=True)
    return [{**row, "share": shares.get(row["version"], 0.0)} for row in found]


def model(index: Index, objects: ObjectStore, project: str, number: int) -> Facts:
    """One model version: its row, what travels with it, and its card. Raises NotFound."""
    row = one(index, project, names.sk_model(number), f"model version {number}", "`tidemill models list`")
    folder = names.model(project, number)
    return {**row, "model": document(objects, folder + "model.json"), "card": text(objects, folder + "card.md")}


def live(index: Index, project: str) -> Facts:
    """The pointer: champion, challenger, weight, epoch; all empty before the first release."""
    nothing = {
        "epoch": 0,
        "champion": None,
        "challenger": None,
        "weight": 0.0,
        "previous": None,
        "release_id": None,
    }
    return nothing | _plain(index.get(names.pk(project), names.POINTER_LIVE) or {})


def live_shares(pointer: Facts) -> dict[int, float]:
    """Model version → share of the requests."""
    champion, challenger = pointer["champion"], pointer["challenger"]
    weight = float(pointer["weight"]) if challenger else 0.0
    shares = {challenger["model"]: weight} if challenger and weight else {}
    return ({champion["model"]: 1.0 - weight} if champion else {}) | shares


def release(index: Index, objects: ObjectStore, project: str, release_id: str | None = None) -> Facts:
    """A release (the latest unless named) with its looks and the pointer. Raises NotFound."""
    if release_id is None:
        found = sorted(rows(index, project, names.RELEASES), key=lambda row: str(row["at"]))
        if not found:
            raise NotFound(f"project {project!r} has released nothing yet; push data first: `tidemill data push`")
        release_id = str(found[-1]["release_id"])
    row = one(index, project, names.sk_release(release_id), f"release {release_id!r}", "`tidemill release status`")
    folder = names.release(project, release_id)
    looks = [json.loads(objects.get(key)) for key in objects.keys(folder + "look-")]
    return {
        "live": live(index, project),
        "release": row,
        "looks": looks,
        "decision": document(objects, folder + "decision.json"),
    }


def windows(index: Index, project: str, *, limit: int | None = None) -> list[Facts]:
    """Monitoring windows, the newest first."""
    # By number, not by time: a window of late captures may lie before its predecessor.
    return rows(index, project, names.WINDOWS, newest_first=True, limit=limit)


def window(index: Index, objects: ObjectStore, project: str, window_id: str | None = None) -> Facts:
    """A checked window (the latest unless named) with its drift report. Raises NotFound."""
    checked = [row for row in windows(index, project) if row["state"] == "checked"]
    for row in checked:
        if window_id in (None, row["window_id"]):
            report = document(objects, names.window(project, row["window_id"]) + "report.json")
            return {**row, "findings": report}
    what = f"checked window {window_id!r}" if window_id else "checked window"
    raise NotFound(
        f"project {project!r} has no {what}; drift is checked by schedule once enough predictions were captured, "
        f"or now by `tidemill monitor run {project}`"
    )


def rows(index: Index, project: str, prefix: str, **how: Any) -> list[Facts]:
    """The project's rows of one kind, without their keys."""
    return [_plain(row) for row in index.query(names.pk(project), prefix, **how)]


def one(index: Index, project: str, sk: str, what: str, where: str) -> Facts:
    """A row. Raises NotFound that names what was looked for and where one can look."""
    row = index.get(names.pk(project), sk)
    if row is None:
        raise NotFound(f"project {project!r} has no {what}; {where} lists what exists")
    return _plain(row)


def document(objects: ObjectStore, key: str) -> Any:
    """The JSON document at `key`; None if there is none yet."""
    body = text(objects, key)
    return None if body is None else json.loads(body)


def text(objects: ObjectStore, key: str) -> str | None:
    try:
        return objects.get(key).decode()
    except RecordNotFound:
        return None


def _plain(row: Row) -> Facts:
    return {name: value for name, value in row.items() if name not in KEYS}
