"""Outcomes joined with predictions, at read: by prediction id, or by entity and time. The one place that says how.

Outcomes come late, again and corrected: of all that are about a prediction the one received last counts. One that
names an entity and a time is about the latest prediction for that entity at or before the time, if it was made
within the hours that were set when the outcome came. Where that is not one prediction, nothing is guessed: it is
counted, and stays where it is for the next look.
"""

import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from tidemill import names
from tidemill.ports import ObjectStore
from tidemill.serving.capture import pseudonym
from tidemill.serving.day_lines import BROKEN, UNREADABLE, lines

BY_ENTITY = "by_entity"
AMBIGUOUS = "ambiguous"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Asked:
    """A request about an entity: when it was answered, its predictions' ids, and whether all requests of its model
    are captured: among a sample the latest one may be missing."""

    entity: str
    at: datetime
    predictions: Sequence[str]
    all_captured: bool = True


@dataclass(frozen=True)
class Told:
    """What is said to have happened, and when that was received."""

    value: float | str
    reward: float | None
    received: datetime


@dataclass(frozen=True)
class _About:
    """An outcome about an entity at a time."""

    entity: str
    happened: datetime
    within: timedelta
    told: Told


def read(
    objects: ObjectStore,
    project: str,
    *,
    since: datetime,
    until: datetime,
    asked: Iterable[Asked],
    counted: Counter[str],
) -> dict[str, Told]:
    """Outcomes received in these days, by prediction id. `asked`: the requests to which those about entities may
    belong. `counted` gets how many were joined BY_ENTITY, how many are AMBIGUOUS or UNKNOWN, and how many lines
    are UNREADABLE."""
    folder = partial(names.outcomes, project)
    return join(project, lines(objects, folder, since=since, until=until, counted=counted), asked, counted)


def join(
    project: str, found: Iterable[Mapping[str, Any]], asked: Iterable[Asked], counted: Counter[str]
) -> dict[str, Told]:
    """Outcome lines by prediction id."""
    latest: dict[str, Told] = {}
    about: dict[tuple[str, datetime], _About] = {}
    for line in found:
        try:
            told = _told(line)
            entity = _about(project, line, told) if "entity_id" in line else None
            prediction_id = "" if entity else str(line["prediction_id"])
        except BROKEN:
            counted[UNREADABLE] += 1
            continue
        if entity is None:
            _keep(latest, prediction_id, told)
        else:
            # The same event told again is a correction of it, and counts once.
            place = entity.entity, entity.happened
            known = about.get(place)
            if known is None or known.told.received <= told.received:
                about[place] = entity
    timeline = _timeline(project, asked) if about else {}
    # In the order of events: of two that are received together about one prediction, the later one counts.
    for _, each in sorted(about.items(), key=lambda item: item[0][1]):
        prediction, word = _prediction(each, timeline.get(each.entity, []))
        counted[word] += 1
        if prediction is not None:
            _keep(latest, prediction, each.told)
    return latest


def _keep(latest: dict[str, Told], prediction_id: str, told: Told) -> None:
    known = latest.get(prediction_id)
    if known is None or known.received <= told.received:
        latest[prediction_id] = told


def _told(line: Mapping[str, Any]) -> Told:
    received, value = datetime.fromisoformat(line["at"]), line["outcome"]
    if not isinstance(value, str):
        value = float(value)
        if not math.isfinite(value):
            raise ValueError("no finite number")
    return Told(value, line.get("reward"), received)


def _about(project: str, line: Mapping[str, Any], told: Told) -> _About:
    within, happened = timedelta(hours=line["within"]), datetime.fromisoformat(line["happened"])
    if happened.tzinfo is None:
        raise ValueError("a time without its zone")
    return _About(pseudonym(project, line["entity_id"]), happened, within, told)


def _timeline(project: str, asked: Iterable[Asked]) -> dict[str, list[tuple[datetime, Asked]]]:
    """The requests about each entity, in the order of time. Whether ids were hashed when they were captured or
    when the outcome came makes no difference: they are compared as pseudonyms."""
    found: defaultdict[str, list[tuple[datetime, Asked]]] = defaultdict(list)
    for each in asked:
        found[pseudonym(project, each.entity)].append((each.at, each))
    for requests in found.values():
        requests.sort(key=lambda pair: pair[0])
    return found


def _prediction(about: _About, requests: Sequence[tuple[datetime, Asked]]) -> tuple[str | None, str]:
    """The one prediction that an outcome is about, or None, and what is counted."""
    place = bisect_right(requests, about.happened, key=lambda pair: pair[0])
    if not place:
        return None, UNKNOWN
    at, latest = requests[place - 1]
    if about.happened - at > about.within or not latest.all_captured:
        return None, UNKNOWN
    together = place > 1 and requests[place - 2][0] == at
    if together or len(latest.predictions) != 1:
        return None, AMBIGUOUS
    return latest.predictions[0], BY_ENTITY
