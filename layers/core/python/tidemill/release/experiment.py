"""The data of an experiment: captured predictions joined with outcomes, as units per arm.

JudgeExperiment calls it. A unit is a request, or an entity: its instances share an assignment, so they are not
independent. Only requests answered since the traffic last changed count, for the sample ratio and for the
comparison alike: pooled over steps with different weights, a drift of the loss over time would look like a
difference between the arms (Simpson's paradox), and the ratio would be against no one weight.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill import names
from tidemill.ports import ObjectStore
from tidemill.projects.release import RATIOS
from tidemill.release.losses import Answer, Measure, Outcome, loss
from tidemill.release.sequential import Covariate, Sample
from tidemill.serving import joining
from tidemill.serving.capture import sampled
from tidemill.serving.day_lines import BROKEN, UNREADABLE, lines


@dataclass
class Request:
    """What one request was answered, by whom, about whom, when: prediction id → what the loss is taken of, and the
    value of the covariate. `share` of its arm's requests are captured; `masked`: not with all features."""

    variant: str
    entity: str | None = None
    at: str = ""
    share: float = 1.0
    masked: bool = False
    answers: dict[str, tuple[Answer, float | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Arm:
    """One arm since the traffic last changed: all its requests, those with an outcome that counts (None in records
    from before it was counted), and the sample of its units. Where entities are assigned, they are counted in the
    place of requests: requests of one entity share its arm, so that their number says nothing of the weight."""

    variant: str
    requests: int
    sample: Sample
    answered: int | None = None


@dataclass
class _Unit:
    """What is summed of a request or an entity."""

    lost: float = 0.0
    counted: float = 0.0
    covariates: list[float] = field(default_factory=list)


def read_requests(
    objects: ObjectStore,
    project: str,
    *,
    since: datetime,
    until: datetime,
    covariate: str | None = None,
    variant: str | None = None,
    counted: Counter[str] | None = None,
) -> dict[str, Request]:
    """Requests answered since `since`, by request id; by that `variant` alone, if one is named. A prediction
    captured twice counts once. Lines that cannot be read are `counted`."""
    requests: dict[str, Request] = {}
    told: Counter[str] = Counter() if counted is None else counted
    for line in lines(objects, partial(names.captured, project), since=since, until=until, counted=told):
        try:
            fresh = _request(line, covariate)
            late = datetime.fromisoformat(fresh.at) >= since
            request_id = str(line["request_id"])
        except BROKEN:
            told[UNREADABLE] += 1
            continue
        if late and variant in (None, fresh.variant):
            requests.setdefault(request_id, replace(fresh, answers={})).answers.update(fresh.answers)
    return _evenly(requests)


def _request(line: Mapping[str, Any], covariate: str | None) -> Request:
    """What a line tells of a request: as a whole, or not at all."""
    answers = {item["prediction_id"]: (answer_of(item), _covariate(item, covariate)) for item in line["instances"]}
    share, masked = line.get("share") or 1.0, bool(line.get("masked"))
    return Request(line["variant"], line.get("entity_id"), line["at"], share, masked, answers)


def _evenly(requests: dict[str, Request]) -> dict[str, Request]:
    """Those of the smallest sample that a model among them captured: where the share was changed between two
    models, the ratio of the arms would else be that of the shares. Samples by request id hold the smaller ones."""
    least = min((request.share for request in requests.values()), default=1.0)
    return {identity: request for identity, request in requests.items() if sampled(identity, least)}


def answer_of(item: Mapping[str, Any]) -> Answer:
    """What a captured instance says."""
    return Answer(item["prediction"], item.get("probabilities") or item.get("probability"))


def _covariate(item: Mapping[str, Any], name: str | None) -> float | None:
    value = item.get("features", {}).get(name) if name else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def read_outcomes(
    objects: ObjectStore,
    project: str,
    *,
    since: datetime,
    until: datetime,
    requests: Mapping[str, Request] | None = None,
    counted: Counter[str] | None = None,
) -> dict[str, Outcome]:
    """Outcomes received since `since`, by prediction id; the one received last counts. Those that name an entity
    and a time belong to these `requests`. What could not be joined is `counted`, as `joining` says."""
    # Of a sample, the entity's latest prediction may be missing, also where another model captured everything.
    whole = all(request.share >= 1 for request in (requests or {}).values())
    asked = [
        joining.Asked(request.entity, datetime.fromisoformat(request.at), list(request.answers), whole)
        for request in (requests or {}).values()
        if request.entity is not None
    ]
    told: Counter[str] = Counter() if counted is None else counted
    found = joining.read(objects, project, since=since, until=until, asked=asked, counted=told)
    return {identity: Outcome(each.value, each.reward) for identity, each in found.items()}


def arms(
    requests: Mapping[str, Request],
    outcomes: Mapping[str, Outcome],
    *,
    variants: Sequence[str],
    measure: Measure,
) -> list[Arm]:
    """The arms of these variants. A unit is the mean loss over the instances that have an outcome, of a request or
    of all requests of an entity; a request without an entity is a unit of its own."""
    found = [_units(requests, outcomes, variant, measure) for variant in variants]
    covariates = [value for _, _, units in found for unit in units for value in unit.covariates]
    # A missing value tells nothing: the mean over both arms takes its place, which moves neither.
    usual = float(np.mean(covariates)) if covariates else None
    return [
        Arm(variant, total, _sample(units, usual, as_ratio=measure.metric in RATIOS), answered)
        for variant, (total, answered, units) in zip(variants, found, strict=True)
    ]


def _units(
    requests: Mapping[str, Request], outcomes: Mapping[str, Outcome], variant: str, measure: Measure
) -> tuple[int, int, list[_Unit]]:
    """How many requests (or entities, where they are assigned), how many of them with an outcome, and the units
    with something to count."""
    total: set[tuple[str, str]] = set()
    answered: set[tuple[str, str]] = set()
    units: dict[tuple[str, str], _Unit] = {}
    for request_id, request in requests.items():
        if request.variant != variant:
            continue
        alone, entity = ("request", request_id), ("entity", str(request.entity))
        assigned = entity if measure.assigned == "entity" and request.entity is not None else alone
        total.add(assigned)
        losses = [
            (found, value)
            for identity, (answer, value) in request.answers.items()
            if identity in outcomes
            and (found := loss(measure.metric, answer, outcomes[identity], measure.costs)) is not None
        ]
        if not losses:
            continue
        answered.add(assigned)
        unit = units.setdefault(
            entity if measure.unit == "entity" and request.entity is not None else alone, _Unit()
        )
        for found, value in losses:
            unit.lost, unit.counted = unit.lost + found.lost, unit.counted + found.counted
            unit.covariates += [] if value is None else [value]
    return len(total), len(answered), [unit for unit in units.values() if unit.counted > 0]


def _sample(units: Sequence[_Unit], usual: float | None, *, as_ratio: bool) -> Sample:
    """The sample of the units' mean losses; `as_ratio`: of the ratio of their sums, linearised by the delta method
    (Deng, Knoblich, Lu, "Applying the delta method in metric analytics", KDD 2018, section 3.2): its mean is the
    ratio, its variance that of each unit's influence on it."""
    if not units:
        return Sample(0, 0.0, 0.0)
    lost, counted = (np.array([getattr(unit, name) for unit in units]) for name in ("lost", "counted"))
    values = lost / counted
    if as_ratio:
        ratio = lost.sum() / counted.sum()
        values = ratio + (lost - ratio * counted) / counted.mean()
    found = Sample(
        len(units), float(values.mean()), _spread(values), least=float(values.min()), most=float(values.max())
    )
    if usual is None:
        return found
    known = np.array([np.mean(unit.covariates) if unit.covariates else usual for unit in units])
    shared = float(np.cov(values, known)[0, 1]) if len(units) > 1 else 0.0
    return replace(found, covariate=Covariate(float(known.mean()), _spread(known), shared))


def _spread(values: NDArray[np.float64]) -> float:
    return float(values.var(ddof=1)) if values.size > 1 else 0.0
