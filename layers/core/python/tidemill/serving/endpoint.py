"""An endpoint's whole answer to one invocation: the use case of the function `predict`, free of Lambda.

Writes capture lines and one line of metrics through `write`; an error of the caller's is counted, not captured.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tidemill import names
from tidemill.errors import TidemillError
from tidemill.serving import http
from tidemill.serving.model import Model
from tidemill.serving.predict import Prediction, metrics_line, predict


def respond(
    event: Any,
    *,
    model: Callable[[], Model],
    request_id: str,
    variant: str,
    at: datetime,
    write: Callable[[str], object],
) -> Mapping[str, Any]:
    """The response to an event of the HTTP API, or to a direct invocation with the plain body.

    A direct invocation is answered with the plain value; an error then has its `status` beside it.
    """
    through_http = http.is_http(event)
    project = None
    try:
        if through_http:
            http.refuse_above_limit(event)
        loaded = model()
        project = loaded.document["project"]
        body = http.body(event) if through_http else event
        found = predict(body, model=loaded, request_id=request_id, variant=variant, at=at)
    except TidemillError as error:
        if project is not None:
            write(metrics_line(project, {names.METRIC_REQUEST_ERRORS: 1}, at))
        problem = http.problem(error)
        told = http.answer(error.status, problem, http.headers(error))
        return told if through_http else {**problem, "status": error.status}
    _record(found, project, at, write)
    return http.answer(200, found.answer) if through_http else found.answer


def _record(found: Prediction, project: str, at: datetime, write: Callable[[str], object]) -> None:
    for line in found.captured:
        write(line)
    counts = {names.METRIC_PREDICTIONS: len(found.answer["predictions"]), names.METRIC_REQUEST_ERRORS: 0}
    write(metrics_line(project, counts, at))
