"""All OpenLineage events of a project, or those about one dataset version, made from what is known now.

`tidemill data lineage --openlineage` prints them for a catalogue. They are the ones that were written as facts
when things happened (`openlineage`), and those of refusals and trainings, which nobody writes.
"""

from collections.abc import Iterator
from typing import Any

from tidemill import names
from tidemill.data import openlineage, uploads, versions
from tidemill.data.openlineage import Event
from tidemill.ports import Index, ObjectStore, Row

_REFUSED = (uploads.QUARANTINED, uploads.FAILED)


def of_project(
    project: str, *, objects: ObjectStore, index: Index, store: str, version: int | None = None
) -> list[Event]:
    """The events in the order of their times, of equal times in the order of their ids, START first. With a
    `version`, those of its acceptance and of the runs that learned from it. Raises RecordNotFound."""
    numbers = versions.numbers(objects, project) if version is None else [version]
    documents = {number: versions.read_fact(objects, project, number) for number in numbers}
    events = [
        *_accepted(documents, project, index, store),
        *(_refused(project, index, store) if version is None else ()),
        *_trained(documents, project, index, store),
    ]
    return sorted(events, key=_order)


def _accepted(documents: dict[int, Any], project: str, index: Index, store: str) -> Iterator[Event]:
    for document in documents.values():
        row = batch_row(index, project, document["source"]) or {}
        yield from openlineage.acceptance(document, arrived=row.get("at", document["created"]), store=store)


def batch_row(index: Index, project: str, source: str) -> Row | None:
    """The row of the batch, or of the single upload, that became a version; None of an erasure."""
    pk = names.pk(project)
    return index.get(pk, names.sk_batch(source)) or index.get(pk, names.sk_upload(source))


def _refused(project: str, index: Index, store: str) -> Iterator[Event]:
    pk = names.pk(project)
    alone = [row for row in index.query(pk, names.UPLOADS) if not row.get("batch_id")]
    for row in [*alone, *index.query(pk, names.BATCHES)]:
        if row["state"] in _REFUSED:
            yield from openlineage.refusal(row, store=store)


def _trained(documents: dict[int, Any], project: str, index: Index, store: str) -> Iterator[Event]:
    for row in index.query(names.pk(project), names.RUNS):
        document = documents.get(row.get("dataset_version", 0))
        if document is not None:
            source = document["source"] if row.get("trigger") == "data" else None
            yield from openlineage.training(row, project=project, source=source, store=store)


def _order(event: Event) -> tuple[str, str, bool]:
    return event["eventTime"], event["run"]["runId"], event["eventType"] != "START"
