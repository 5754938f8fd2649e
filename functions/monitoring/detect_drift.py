"""State `DetectDrift` of the machine `monitoring`: compares a window with the champion's reference profile. Writes
the report, the window's row and the metrics that the drift alarm watches."""

from typing import Any

from pydantic import BaseModel

from tidemill import names, projects
from tidemill.adapters import wiring
from tidemill.monitoring.detect_drift import detect_drift
from tidemill.observability import counts, logger, now


class Event(BaseModel, frozen=True):
    project: str
    window_id: str


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    found = detect_drift(
        project=projects.load(request.project),
        window_id=request.window_id,
        objects=wiring.objects(),
        index=wiring.index(),
        clock=now,
    )
    # After the row is written: whoever the alarm calls must find the window checked.
    counts(
        {
            names.METRIC_DRIFT_DETECTED: int(found["drifted"]),
            names.METRIC_DRIFTED_FEATURES: len(found["features"]),
            names.METRIC_WINDOW_ROWS: found["rows"],
        },
        project=request.project,
    )
    return found
