"""The data of an experiment: captured predictions joined with outcomes, as units per arm.

JudgeExperiment calls it. A unit is a request: its instances share an assignment, so only requests are
independent. Only requests answered since the traffic last changed count, for the sample ratio and for the
comparison alike: pooled over steps with different weights, a drift of the loss over time would look like a
difference between the arms (Simpson's paradox), and the ratio would be against no one weight.
"""

import gzip
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np

from tidemill import names
from tidemill.ports import ObjectStore
from tidemill.release.losses import Answer, Outcome, loss
from tidemill.release.sequential import Sample


@dataclass
class Request:
    """What one request was answered, by whom: prediction id → what the loss is taken of."""

    variant: str
    answers: dict[str, Answer] = field(default_factory=dict)


@dataclass(frozen=True)
class Arm:
    """One arm since the traffic last changed: all its requests, and the sample of those with an outcome."""

    variant: str
    requests: int
    sample: Sample


def read_requests(objects: ObjectStore, project: str, *, since: datetime, until: datetime) -> dict[str, Request]:
    """Requests answered since `since`, by request id. A prediction captured twice counts once."""
    requests: dict[str, Request] = {}
    for line in _lines(objects, partial(names.captured, project), since, until):
        if datetime.fromisoformat(line["at"]) < since:
            continue
        request = requests.setdefault(line["request_id"], Request(line["variant"]))
        for item in line["instances"]:
            request.answers[item["prediction_id"]] = _answer(item)
    return requests


def _answer(item: Mapping[str, Any]) -> Answer:
    found: Answer = item.get("probabilities") or item.get("probability", item["prediction"])
    return found


def read_outcomes(objects: ObjectStore, project: str, *, since: datetime, until: datetime) -> dict[str, Outcome]:
    """Outcomes received since `since`, by prediction id; the one received last counts."""
    latest: dict[str, tuple[datetime, Outcome]] = {}
    for line in _lines(objects, partial(names.outcomes, project), since, until):
        received = datetime.fromisoformat(line["at"])
        known = latest.get(line["prediction_id"])
        outcome = line["outcome"] if isinstance(line["outcome"], str) else float(line["outcome"])
        if (isinstance(outcome, str) or math.isfinite(outcome)) and (known is None or known[0] <= received):
            latest[line["prediction_id"]] = (received, outcome)
    return {prediction_id: outcome for prediction_id, (_, outcome) in latest.items()}


def arm(requests: Mapping[str, Request], outcomes: Mapping[str, Outcome], *, variant: str, task: str) -> Arm:
    """The arm of that variant. A unit is the mean loss over a request's instances that have an outcome."""
    own = [request for request in requests.values() if request.variant == variant]
    known = ([loss(task, a, outcomes[i]) for i, a in request.answers.items() if i in outcomes] for request in own)
    lost = ([each for each in losses if each is not None] for losses in known)
    units = np.array([np.mean(losses) for losses in lost if losses])
    mean = float(units.mean()) if units.size else 0.0
    spread = float(units.var(ddof=1)) if units.size > 1 else 0.0
    return Arm(variant, len(own), Sample(units.size, mean, spread))


def _lines(
    objects: ObjectStore, folder: Callable[[str], str], since: datetime, until: datetime
) -> Iterator[dict[str, Any]]:
    for day in _days(since.date(), until.date()):
        for key in objects.keys(folder(day.isoformat())):
            body = objects.get(key)
            text = gzip.decompress(body) if key.endswith(".gz") else body
            yield from (json.loads(line) for line in text.splitlines() if line)


def _days(first: date, last: date) -> Iterator[date]:
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)
