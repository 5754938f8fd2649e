"""State `DetectDrift`: a closed window of predictions against the profile of the model that was champion then.

Writes `report.json` and `report.html` beside the window (views: they follow from window, profile and project
file), and marks the window's row as checked, with the audit row in the same transaction. It can run again: it then
writes the same. The handler sends the metrics after it, so that an alarm finds the window checked.
"""

import json
from dataclasses import asdict
from typing import Any

from tidemill import canonical, names
from tidemill.data.profile import PREDICTION, Profile
from tidemill.errors import ConflictError
from tidemill.governance import audit
from tidemill.monitoring import rows
from tidemill.monitoring.captured import MODEL_VERSION
from tidemill.monitoring.drift import FeatureDrift, compare_profiles, profile_rows
from tidemill.monitoring.histograms import histogram
from tidemill.monitoring.report import render
from tidemill.ports import Clock, Index, ObjectStore, Update
from tidemill.projects import Kind, Project

Report = dict[str, Any]


def detect_drift(
    *, project: Project, window_id: str, objects: ObjectStore, index: Index, clock: Clock
) -> dict[str, Any]:
    """Compare the window with its reference. Gives `drifted`, `features` (the drifted ones, strongest first),
    `rows` and `report_key`. Raises RecordNotFound where the window or the model's profile does not exist."""
    folder = names.window(project.name, window_id)
    window = json.loads(objects.get(f"{folder}window.json"))
    reference = json.loads(objects.get(f"{names.model(project.name, window['model'])}profile.json"))
    current = _current_profile(reference, rows.unpack(objects.get(f"{folder}rows.npz")), window["model"])
    report = build_report(project, window, reference, current)
    report_key = f"{folder}report.html"
    objects.put(f"{folder}report.json", canonical.dumps(report), content_type="application/json")
    objects.put(report_key, render(report).encode(), content_type="text/html; charset=utf-8")
    _mark_checked(index, report, report_key, clock)
    return {
        "drifted": report["drifted"],
        "features": report["features"],
        "rows": window["rows"],
        "report_key": report_key,
    }


def build_report(project: Project, window: dict[str, Any], reference: Profile, current: Profile) -> Report:
    """The report as a JSON object: `columns` holds each feature's comparison and histogram, strongest first;
    `prediction` the same for the predictions (None where there are none), which do not count as a feature."""
    policy = project.drift
    found = compare_profiles(reference, current, psi_threshold=policy.psi, alpha=policy.alpha)
    ranked = sorted(found, key=lambda column: (not column.drifted, -column.psi, column.feature))
    compared = [_told(column, reference, current) for column in ranked]
    inputs = project.inputs()
    features = [column for column in compared if column["feature"] in inputs]
    drifted = [column["feature"] for column in features if column["drifted"]]
    return {
        "project": project.name,
        "description": project.description,
        "task": project.task,
        **{name: window[name] for name in ("window_id", "from", "to", "rows", "trigger", "model")},
        **{name: window[name] for name in ("duplicates", "corrupted_lines", "corrupted_objects")},
        "objects": len(window["sources"]),
        "masked": [name for name in project.features if name in window.get("masked", ())],
        "drifted": len(drifted) >= policy.features,
        "features": drifted,
        "policy": {**policy.model_dump(), **project.retraining.model_dump()},
        "columns": features,
        "prediction": next((column for column in compared if column["feature"] == PREDICTION), None),
    }


def _told(column: FeatureDrift, reference: Profile, current: Profile) -> dict[str, Any]:
    """What the report says of one column: the comparison, the means of a number, and what the plot shows."""
    before, after = reference["columns"][column.feature], current["columns"][column.feature]
    means = {"mean_reference": before.get("mean"), "mean_current": after.get("mean")}
    return {**asdict(column), **means, "plot": histogram(before, after)}


def _current_profile(reference: Profile, window: dict[str, rows.Array], model: int) -> Profile:
    """The window's profile. Another version's predictions say nothing about this one's; its features do. Nor do
    answers of another kind, as they are while a project's target is being changed."""
    answered, said = window[MODEL_VERSION] == model, window[PREDICTION]
    known = reference["columns"].get(PREDICTION)
    comparable = known is None or Kind(known["kind"]).numeric == (said.dtype.kind == "f")
    predictions = {PREDICTION: said[answered]} if answered.any() and comparable else {}
    features = {name: values for name, values in window.items() if name not in (PREDICTION, MODEL_VERSION)}
    return profile_rows(reference, features | predictions)


def _mark_checked(index: Index, report: Report, report_key: str, clock: Clock) -> None:
    key = names.pk(report["project"]), names.sk_window(report["window_id"])
    verdict = {"drifted": report["drifted"], "features": report["features"]}
    entry = audit.entry(
        project=report["project"],
        action="monitoring.window_checked",
        subject=f"window {report['window_id']}",
        at=clock(),
        by="detect_drift",
        model=report["model"],
        **verdict,
    )
    checked = {"state": "checked", "report": report_key, **verdict}
    try:
        index.transact([Update(*key, checked, if_equal={"state": "closed"}), entry])
    except ConflictError:
        row = index.get(*key)
        if row is None or row["state"] != "checked":
            raise
