"""The data of a look before any exposure: both models' answers to the same requests, as pairs.

JudgeExperiment calls it for the plans `shadow` and `replay`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.projects.release import RATIOS
from tidemill.release import experiment
from tidemill.release.experiment import Arm, Request
from tidemill.release.losses import Answer, Measure, Outcome, loss
from tidemill.release.paired import Shadow
from tidemill.release.sequential import Sample


def compare(
    requests: Mapping[str, Request],
    answers: Sequence[Mapping[str, Any]],
    outcomes: Mapping[str, Outcome],
    *,
    variants: Sequence[str],
    measure: Measure,
) -> tuple[Arm, Arm, Sample]:
    """The arms on what both answered (challenger, champion), and the sample of the units' differences.

    Both losses of a prediction are by the same outcome. A unit counts where both have one: what is lost is summed
    over a request, or over all requests of an entity.
    """
    plain = replace(measure, covariate=None)
    ours: dict[str, Request] = {}
    theirs: dict[str, Request] = {}
    for request_id, given in _answered(requests, answers):
        request = requests[request_id]
        ours[request_id] = replace(request, variant=variants[0], answers=given)
        # Lines of the request that came later were not asked.
        theirs[request_id] = replace(request, answers={each: request.answers[each] for each in given})
    sides = (ours, theirs)
    (challenger,), (champion,) = (
        experiment.arms(side, outcomes, variants=[variant], measure=plain)
        for side, variant in zip(sides, variants, strict=True)
    )
    sums = [_sums(side, outcomes, plain) for side in sides]
    units = [unit for unit in sums[0] if unit in sums[1]]
    return challenger, champion, _sample([[side[unit] for unit in units] for side in sums], measure)


def shadow(
    plan: str, requests: Mapping[str, Request], answers: Sequence[Mapping[str, Any]], *, over: bool
) -> Shadow:
    """How many answers and errors there are, and how alike the answers are."""
    # A step that was resumed starts anew: what went wrong before is of requests that are none of it.
    errors = [line["error"] for line in answers if "error" in line and line["request_id"] in requests]
    equal, apart = [], []
    for request_id, given in _answered(requests, answers):
        known = requests[request_id].answers
        for identity, (ours, _) in given.items():
            equal.append(ours.said == known[identity][0].said)
            apart += _apart(ours, known[identity][0])
    return Shadow(
        plan=plan,
        answered=len(answers),
        requests=len(requests),
        errors=len(errors),
        first_error=errors[0] if errors else None,
        over=over,
        equal=sum(equal) / len(equal) if equal else None,
        largest=max(apart) if apart else None,
    )


def _answered(
    requests: Mapping[str, Request], answers: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, dict[str, tuple[Answer, float | None]]]]:
    """The challenger's answers to predictions that the champion made, by request; without its errors."""
    for line in answers:
        request = requests.get(line["request_id"])
        if request is not None and "instances" in line:
            yield (
                line["request_id"],
                {
                    item["prediction_id"]: (experiment.answer_of(item), None)
                    for item in line["instances"]
                    if item["prediction_id"] in request.answers
                },
            )


def _apart(one: Answer, other: Answer) -> list[float]:
    mine, yours = (each.probability if each.probability is not None else each.said for each in (one, other))
    if isinstance(mine, Mapping) and isinstance(yours, Mapping):
        return [abs(mine.get(name, 0.0) - yours.get(name, 0.0)) for name in {*mine, *yours}]
    if isinstance(mine, int | float) and isinstance(yours, int | float):
        return [abs(mine - yours)]
    return []


def _sums(
    requests: Mapping[str, Request], outcomes: Mapping[str, Outcome], measure: Measure
) -> dict[str, tuple[float, float]]:
    """What was lost, and of how much, in each unit with something to count."""
    found: dict[str, tuple[float, float]] = {}
    for request_id, request in requests.items():
        whole = measure.unit == "entity" and request.entity is not None
        unit = f"entity {request.entity}" if whole else f"request {request_id}"
        for identity, (answer, _) in request.answers.items():
            if identity not in outcomes:
                continue
            each = loss(measure.metric, answer, outcomes[identity], measure.costs)
            if each is not None:
                lost, counted = found.get(unit, (0.0, 0.0))
                found[unit] = (lost + each.lost, counted + each.counted)
    return found if measure.metric in RATIOS else {unit: each for unit, each in found.items() if each[1] > 0}


def _sample(sums: Sequence[Sequence[tuple[float, float]]], measure: Measure) -> Sample:
    """Of the differences of the units' mean losses; or of those of each unit's influence on both ratios, as
    `experiment` linearises them."""
    if not sums[0]:
        return Sample(0, 0.0, 0.0)
    sides = [np.array(side) for side in sums]
    as_ratio = measure.metric in RATIOS
    if as_ratio and any(side[:, 1].sum() == 0 for side in sides):
        return Sample(0, 0.0, 0.0)
    ours, theirs = (_values(side, as_ratio=as_ratio) for side in sides)
    values = ours - theirs
    spread = float(values.var(ddof=1)) if values.size > 1 else 0.0
    return Sample(len(values), float(values.mean()), spread, least=float(values.min()), most=float(values.max()))


def _values(side: NDArray[np.float64], *, as_ratio: bool) -> NDArray[np.float64]:
    lost, counted = side[:, 0], side[:, 1]
    if not as_ratio:
        return np.asarray(lost / counted)
    ratio = lost.sum() / counted.sum()
    return np.asarray(ratio + (lost - ratio * counted) / counted.mean())
