"""An endpoint's whole answer to one invocation: the use case of the function `predict`, free of Lambda.

Writes capture lines and one line of metrics through `write`; an error is counted, not captured: the caller's by
project, our own also by the version that answered, so that a release can be stopped for it.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidemill import names
from tidemill.errors import ArtifactCorrupt, TidemillError
from tidemill.serving import http
from tidemill.serving.metrics import metrics_line
from tidemill.serving.model import Model
from tidemill.serving.predict import Prediction, answer, read

if TYPE_CHECKING:
    from tidemill.serving.arms import Experiment


def respond(
    event: Any,
    *,
    model: Callable[[], "Model | Experiment"],
    request_id: str,
    variant: str,
    at: datetime,
    write: Callable[[str], object],
    project: str | None = None,
    stage: str | None = None,
) -> Mapping[str, Any]:
    """The response to an event of the HTTP API, or to a direct invocation with the plain body.

    `project` and `stage` are whose endpoint this is and where, for the metrics of its own faults. A direct
    invocation is answered with the plain value; an error then has its `status` beside it. Where the function
    version has both arms of an experiment, the entity says which answers, as that arm's own `variant`.
    """
    through_http = http.is_http(event)
    in_shadow = not through_http and isinstance(event, dict) and event.keys() == {names.SHADOW}
    if in_shadow:
        # A release asks about a request that was answered and captured before. No caller over HTTP can say so.
        event, write = event[names.SHADOW], lambda *_: None
    arm = None
    try:
        if through_http:
            http.refuse_above_limit(event)
        loaded = model()
        project = loaded.document["project"]
        # What was asked before may be of nobody: the project has assigned entities only since.
        by_entity = loaded.by_entity and not in_shadow
        asked = read(http.body(event) if through_http else event, by_entity=by_entity)
        if not isinstance(loaded, Model):
            variant = loaded.variant(asked.entity_id)
            arm = variant if asked.entity_id is not None else None
            loaded = loaded.model(variant)
        found = answer(asked, model=loaded, request_id=request_id, variant=variant, at=at)
    except TidemillError as error:
        if project is not None:
            write(_counted(error, project, at, stage=stage, variant=variant, arm=arm))
        problem = http.problem(error)
        told = http.answer(error.status, problem, http.headers(error))
        return told if through_http else {**problem, "status": error.status}
    _record(found, project, arm, at, write)
    return http.answer(200, found.answer) if through_http else found.answer


def _counted(
    error: TidemillError, project: str, at: datetime, *, stage: str | None, variant: str, arm: str | None
) -> str:
    """The line of metrics that says whose fault it was."""
    if error.status < 500:
        return metrics_line(project, {names.METRIC_REQUEST_ERRORS: 1}, at, variant=arm)
    refused = {names.METRIC_ARTIFACTS_REFUSED: 1} if isinstance(error, ArtifactCorrupt) else {}
    return metrics_line(project, {names.METRIC_ANSWER_FAULTS: 1, **refused}, at, stage=stage, variant=variant)


def _record(
    found: Prediction, project: str, arm: str | None, at: datetime, write: Callable[[str], object]
) -> None:
    for line in found.captured:
        write(line)
    counts = {names.METRIC_PREDICTIONS: len(found.answer["predictions"]), names.METRIC_REQUEST_ERRORS: 0}
    write(metrics_line(project, counts, at, variant=arm))
