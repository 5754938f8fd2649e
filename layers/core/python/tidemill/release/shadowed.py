"""What the challenger would have answered: the requests of a step before any exposure, and its answers as facts.

AnswerInShadow writes them, JudgeExperiment reads them. Requests are taken in the order of their time, in chunks
that are numbered and written once: who comes after a kill finds the chunks that are there, and goes on with the
requests that are in none of them.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from tidemill import canonical, names, stored
from tidemill.ports import ObjectStore
from tidemill.projects import Rollout
from tidemill.serving.day_lines import BROKEN, UNREADABLE, lines

CHUNK = 100
"""Requests in one object of answers: what is asked again, at most, after a kill."""


@dataclass
class Asked:
    """A captured request: what it asked, by prediction id."""

    request_id: str
    at: str
    entity_id: str | None
    rows: dict[str, Mapping[str, Any]] = field(default_factory=dict)


def folder(project: str, release_id: str, step: int) -> str:
    """The challenger's answers at a step (from 0) of a release."""
    return f"shadowed/{project}/{release_id}/step-{step + 1:02d}/"


def span(plan: str, rules: Rollout, release: Mapping[str, Any], now: datetime) -> tuple[datetime, datetime]:
    """Between which times the requests of a step were made. `shadow`: since it began; `replay`: before the
    release."""
    if plan == "shadow":
        return datetime.fromisoformat(release["since"]), now
    began = datetime.fromisoformat(release["at"])
    return began - timedelta(days=rules.replay_days), began


def requests(
    objects: ObjectStore, project: str, *, variant: str, since: datetime, until: datetime, most: int | None = None
) -> list[Asked]:
    """What that variant was asked in that time, in the order of time; of more than `most` the latest. Lines that
    cannot be read are left out, and those from which features are masked: nobody can be asked them again."""
    found: dict[str, Asked] = {}
    told: Counter[str] = Counter()
    for line in lines(objects, partial(names.captured, project), since=since, until=until, counted=told):
        try:
            at, request_id = datetime.fromisoformat(line["at"]), str(line["request_id"])
            rows = {item["prediction_id"]: item["features"] for item in line["instances"]}
            counts = line["variant"] == variant and since <= at < until and not line.get("masked")
        except BROKEN:
            told[UNREADABLE] += 1
            continue
        if counts:
            asked = found.setdefault(request_id, Asked(request_id, line["at"], line.get("entity_id")))
            asked.rows |= rows
    ordered = sorted(found.values(), key=lambda asked: (datetime.fromisoformat(asked.at), asked.request_id))
    return ordered if most is None else ordered[-most:]


def answers(objects: ObjectStore, where: str) -> Iterator[dict[str, Any]]:
    """All answers at a step: `request_id` and `instances` (as captured, without features), or `error`."""
    for key in objects.keys(where):
        yield from (json.loads(line) for line in objects.get(key).splitlines())


def chunks(objects: ObjectStore, where: str) -> int:
    """How many chunks there are. They are numbered without a gap, as each is written after the one before."""
    return sum(1 for _ in objects.keys(where))


def keep(objects: ObjectStore, where: str, number: int, told: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Write a chunk unless it is written, and give what is."""
    body = b"".join(canonical.dumps(line) + b"\n" for line in told)
    standing = stored.keep_bytes(objects, f"{where}{number:06d}.jsonl", body, content_type="application/jsonl")
    return [json.loads(line) for line in standing.splitlines()]
