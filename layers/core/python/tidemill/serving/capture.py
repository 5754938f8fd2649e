"""Capture lines: what was asked and answered, for standard output, where a log subscription picks them up.

What a project does not want captured ends here, before it is written: nothing behind can leave it out in time. The
settings are part of the model (`capture` of `model.json`), so that a request asks nobody for them.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tidemill import names
from tidemill.serving import compact

MAX_INSTANCES = 200
MAX_BYTES = 200_000  # CloudWatch Logs cuts an event at 256 KiB
HASHED = "hash-"
"""How the pseudonym of an entity begins."""
_DIGITS = 32


def captured(
    settings: Mapping[str, Any] | None,
    head: Mapping[str, Any],
    predictions: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
) -> Iterator[str]:
    """The lines of a request under these settings (None: all of it is captured); none if it is not sampled."""
    if settings is not None:
        if not sampled(head["request_id"], settings["share"]):
            return iter(())
        head, rows = _masked(settings, head, rows)
    return lines(head, [{**item, "features": row} for item, row in zip(predictions, rows, strict=True)])


def sampled(request_id: str, share: float) -> bool:
    """Whether a request is in a sample of this share: by its id alone, so that every sample holds the smaller
    ones, and whoever knows the id knows the answer."""
    if share >= 1:
        return True
    digest = hashlib.sha256(request_id.encode(errors="replace")).digest()
    return int.from_bytes(digest[:8]) < share * (1 << 64)


def pseudonym(project: str, entity: str) -> str:
    """The name under which an entity is known where its id may not be; of a pseudonym, itself. It is the same for
    each request, and another in each project. Who can list all ids can find the one behind it: no key is
    secret from who may read the model."""
    if entity.startswith(HASHED) and len(entity) == len(HASHED) + _DIGITS:
        return entity
    return HASHED + hashlib.sha256(f"{project}/{entity}".encode(errors="replace")).hexdigest()[:_DIGITS]


def _masked(
    settings: Mapping[str, Any], head: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any], Sequence[Mapping[str, Any]]]:
    """Head and rows without what is to be left out. The head says what that is: a feature that is not told is no
    missing value."""
    told = dict(head)
    if settings["share"] < 1:
        told["share"] = settings["share"]
    if settings["entity"] != "keep" and told["entity_id"] is not None:
        hashed = settings["entity"] == "hash"
        told["entity_id"] = pseudonym(head["project"], head["entity_id"]) if hashed else None
    if mask := settings["mask"]:
        told["masked"] = mask
        rows = [{name: value for name, value in row.items() if name not in mask} for row in rows]
    return told, rows


def lines(head: Mapping[str, Any], instances: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """JSON lines that hold all instances, each with `head`, none too long for a log event."""
    batch: list[str] = []
    size = 0
    for instance in instances:
        text = compact.text(instance)
        if batch and (len(batch) == MAX_INSTANCES or size + len(text) > MAX_BYTES):
            yield _line(head, batch)
            batch, size = [], 0
        batch.append(text)
        size += len(text) + 1
    if batch:
        yield _line(head, batch)


def _line(head: Mapping[str, Any], instances: Sequence[str]) -> str:
    opening = compact.text({"kind": names.CAPTURE_TERM, **head})
    return f'{opening[:-1]},"instances":[{",".join(instances)}]}}'
