"""What happened to data and models as OpenLineage events, for catalogues such as Marquez or DataHub.

AcceptVersion writes those of each version it accepts; `tidemill data lineage --openlineage` prints all of a
project. The form is spec 2-0-2 (https://openlineage.io/spec/2-0-2/OpenLineage.json) with the facets linked to
below. Events follow from facts alone, ids too (UUID version 5, RFC 9562): the same fact always makes the same
event, to the byte.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from tidemill import canonical, names
from tidemill.ports import ObjectStore, Row

Event = dict[str, Any]
Facets = dict[str, Any]
Stage = Literal["START", "COMPLETE", "FAIL"]

PRODUCER = "urn:tidemill:openlineage:1"
JOBS = "tidemill"
STORE = "s3://tidemill"
"""The namespace of data sets where the bucket is not known; else `s3://<bucket>`, as the naming spec has it."""
ACCEPT, ERASE, TRAIN = "data.accept", "data.erase", "training"
ERASURE = "erasure-"
"""How the source of a version begins that an erasure made."""

_RUN_EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = "https://openlineage.io/spec/facets/"
_IDS = uuid.uuid5(uuid.NAMESPACE_URL, PRODUCER)


def run_id(project: str, job: str, identifier: str) -> str:
    """The UUID of a run: of the batch `identifier` in `data.accept`, of the run `identifier` in `training`."""
    return str(uuid.uuid5(_IDS, f"{project}/{job}/{identifier}"))


def acceptance(document: Mapping[str, Any], *, arrived: str, store: str = STORE) -> list[Event]:
    """START and COMPLETE of the run that made a dataset version, from its manifest: the uploads that came
    (`arrived`: when, ISO 8601) are its inputs; of an erasure, the version before."""
    project, source = document["project"], document["source"]
    erased = source.startswith(ERASURE)
    job = ERASE if erased else ACCEPT
    inputs = [dataset(project, document["parent"], store)] if erased else _uploads(document, store)
    made = dataset(project, document["version"], store)
    made["facets"]["schema"] = _schema(document["schema"])
    complete = {**made, "outputFacets": {"outputStatistics": _statistics(document)}}
    run = {"runId": run_id(project, job, source)}
    return [
        _event("START", arrived, run, project, job, inputs, [made]),
        _event("COMPLETE", document["created"], run, project, job, inputs, [complete]),
    ]


def refusal(row: Row, *, store: str = STORE) -> list[Event]:
    """START and FAIL of a batch, or of an upload by itself, that came into no version, from its row."""
    project = row["project"]
    identifier = row["upload_id"] if "upload_id" in row else row["batch_id"]
    name = row["key"] if "key" in row else names.incoming(project, f"{row['folder']}/")
    inputs = [_dataset(store, name, str(row.get("version_id", identifier)))]
    plain = {"runId": run_id(project, ACCEPT, identifier)}
    why = str(row.get("reason") or row.get("error") or row["state"])
    failed = {**plain, "facets": {"errorMessage": _error(why)}}
    return [
        _event("START", row["at"], plain, project, ACCEPT, inputs, []),
        _event("FAIL", row.get("ended_at") or row["at"], failed, project, ACCEPT, inputs, []),
    ]


def training(row: Row, *, project: str, source: str | None, store: str = STORE) -> list[Event]:
    """START of a training run, and its end if it has one, from its row. `source`: the batch whose version it was
    started for, None for a run that was started otherwise. A run that was refused is complete without a model."""
    run: dict[str, Any] = {"runId": run_id(project, TRAIN, row["run_id"])}
    if source is not None:
        run["facets"] = {"parent": _parent(project, source)}
    inputs = [dataset(project, row["dataset_version"], store)]
    events = [_event("START", row["at"], run, project, TRAIN, inputs, [])]
    ended = row.get("ended_at")
    if row["state"] == "failed" and ended:
        told = {"errorMessage": _error(str(row.get("reason") or row.get("error")))}
        failed = {**run, "facets": {**run.get("facets", {}), **told}}
        events.append(_event("FAIL", ended, failed, project, TRAIN, inputs, []))
    elif ended:
        models = [row["model_version"]] if row.get("model_version") else []
        outputs = [_dataset(store, f"models/{project}", str(number)) for number in models]
        events.append(_event("COMPLETE", ended, run, project, TRAIN, inputs, outputs))
    return events


def dataset(project: str, version: int, store: str) -> dict[str, Any]:
    """The training data of a project as a data set of a catalogue, at one of its versions."""
    return _dataset(store, f"datasets/{project}", str(version))


def key(project: str, event: Event) -> str:
    """Where the event is written."""
    return names.lineage(project, event["eventTime"][:10], f"{event['run']['runId']}-{event['eventType'].lower()}")


def write(objects: ObjectStore, project: str, events: Iterable[Event]) -> None:
    """Write the events, each once."""
    for event in events:
        objects.put_new(key(project, event), canonical.dumps(event), content_type="application/json")


def _event(
    stage: Stage,
    at: str,
    run: Mapping[str, Any],
    project: str,
    job: str,
    inputs: Sequence[Mapping[str, Any]],
    outputs: Sequence[Mapping[str, Any]],
) -> Event:
    return {
        "eventType": stage,
        "eventTime": at,
        "producer": PRODUCER,
        "schemaURL": _RUN_EVENT,
        "run": dict(run),
        "job": _job(project, job),
        "inputs": list(inputs),
        "outputs": list(outputs),
    }


def _job(project: str, job: str) -> dict[str, Any]:
    return {"namespace": JOBS, "name": f"{project}.{job}"}


def _dataset(store: str, name: str, version: str) -> dict[str, Any]:
    source = _facet("DatasourceDatasetFacet", "1-0-1", name=store, uri=store)
    at = _facet("DatasetVersionDatasetFacet", "1-0-1", datasetVersion=version)
    return {"namespace": store, "name": name, "facets": {"dataSource": source, "version": at}}


def _uploads(document: Mapping[str, Any], store: str) -> list[dict[str, Any]]:
    """The uploads that came with the version. Their ids stand for their object versions, being digests."""
    came = set(document["how"].get("added", ()))
    files = [file for file in document["files"] if file["path"] in came]
    return [_dataset(store, names.incoming(document["project"], f["path"]), f["upload_id"]) for f in files]


def _schema(columns: Mapping[str, Any]) -> Facets:
    fields = [{"name": name, "type": str(rule["type"])} for name, rule in sorted(columns.items())]
    return _facet("SchemaDatasetFacet", "1-1-1", fields=fields)


def _statistics(document: Mapping[str, Any]) -> Facets:
    size = {"rowCount": document["rows"], "size": document["bytes"], "fileCount": len(document["files"])}
    return _facet("OutputStatisticsOutputDatasetFacet", "1-0-2", **size)


def _parent(project: str, source: str) -> Facets:
    job = ERASE if source.startswith(ERASURE) else ACCEPT
    run = {"runId": run_id(project, job, source)}
    return _facet("ParentRunFacet", "1-0-1", run=run, job=_job(project, job))


def _error(message: str) -> Facets:
    return _facet("ErrorMessageRunFacet", "1-0-1", message=message, programmingLanguage="Python")


def _facet(kind: str, spec: str, /, **content: Any) -> Facets:
    return {"_producer": PRODUCER, "_schemaURL": f"{_FACETS}{spec}/{kind}.json#/$defs/{kind}", **content}
