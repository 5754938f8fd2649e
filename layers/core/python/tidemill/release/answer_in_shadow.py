"""AnswerInShadow: asks the challenger what the champion was asked, and keeps its answers; no caller sees them.

Before each look of the plans `shadow` (requests captured since the step began) and `replay` (those before the
release). The requests themselves were answered long before: to be in a shadow costs them nothing. Writes
`shadowed/<project>/<release>/…`; a request is answered once, whenever this is killed or tried again.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from tidemill import canonical
from tidemill.ports import Clock, Endpoints, Index, ObjectStore, Row
from tidemill.projects.release import UNEXPOSED
from tidemill.release import pointer as live
from tidemill.release import record, shadowed
from tidemill.release.shadowed import Asked

PER_LOOK = 1000
"""Requests that are answered before one look, so that it comes in time; the next look goes on with the others."""
RESERVE = timedelta(seconds=45)
"""Time that is kept back: another request is asked only if there is more."""


def answer_in_shadow(
    *,
    project: str,
    release_id: str,
    objects: ObjectStore,
    index: Index,
    endpoints: Endpoints,
    clock: Clock,
    left: Callable[[], timedelta],
) -> Row:
    """How many requests are `answered` by now, and how many `pending` are to be answered at later looks.

    Nothing is asked in steps with traffic, nor for a release that is settled or paused. `left` tells how long this
    function may still run. Raises RecordNotFound.
    """
    rules = record.rules(record.read(objects, project, release_id, record.PLAN))
    release, pointer = record.row(index, project, release_id), live.read(index, project)
    plan = rules.stages()[max(0, release["step"])].plan
    waits = release.get("since") is None or release.get("paused_at") is not None
    if release["state"] != "running" or waits or plan not in UNEXPOSED:
        return {"answered": 0, "pending": 0}
    since, until = shadowed.span(plan, rules, release, clock())
    most = rules.replay_requests if plan == "replay" else None
    variant = pointer["champion"]["function_version"]
    asked = shadowed.requests(objects, project, variant=variant, since=since, until=until, most=most)
    where = shadowed.folder(project, release_id, release["step"])
    known = {line["request_id"] for line in shadowed.answers(objects, where)}
    number = shadowed.chunks(objects, where)
    pending = [each for each in asked if each.request_id not in known]
    if most is not None:
        pending = pending[: max(0, most - len(known))]
    budget = PER_LOOK
    while pending and budget > 0 and left() > RESERVE:
        number += 1
        told: list[dict[str, Any]] = []
        for each in pending[: shadowed.CHUNK]:
            if told and left() <= RESERVE:
                break  # what was answered is kept: a challenger may be slow
            told.append(_answer(project, release["function_version"], each, endpoints))
        known |= {line["request_id"] for line in shadowed.keep(objects, where, number, told)}
        pending = [each for each in pending if each.request_id not in known]
        budget -= shadowed.CHUNK
    return {"answered": len(known), "pending": len(pending)}


def _answer(project: str, version: str, asked: Asked, endpoints: Endpoints) -> dict[str, Any]:
    """The challenger's predictions under the ids that the champion's have; or what went wrong, in words."""
    body: dict[str, Any] = {"instances": list(asked.rows.values())}
    if asked.entity_id is not None:
        body["entity_id"] = asked.entity_id
    found = endpoints.ask(project, version=version, body=body)
    if "predictions" not in found:
        return {"request_id": asked.request_id, "error": _told(found)}
    pairs = zip(asked.rows, found["predictions"], strict=True)
    answers = [{**item, "prediction_id": identity} for identity, item in pairs]
    return {"request_id": asked.request_id, "instances": answers}


def _told(found: Mapping[str, Any]) -> str:
    named = found.get("error") or found.get("errorType") or "no answer"
    return f"{named}: {found.get('message') or found.get('errorMessage') or canonical.dumps(found).decode()}"[:500]
