"""The events hold to the published form, follow from facts, and are written once."""

import itertools
import json
import uuid
from datetime import datetime
from typing import Any

import pytest

from tidemill import canonical, names
from tidemill.data import lineage_events, openlineage, versions
from tidemill.ports import Put

STORE = "s3://tides-data"
# What OpenLineage.json 2-0-2 requires (its `$defs`), and the facets that it links to.
REQUIRED = {
    "RunEvent": {"run", "job", "eventTime", "producer", "schemaURL"},
    "Run": {"runId"},
    "Job": {"namespace", "name"},
    "Dataset": {"namespace", "name"},
    "BaseFacet": {"_producer", "_schemaURL"},
    "SchemaDatasetFacet": {"fields"},
    "DatasetVersionDatasetFacet": {"datasetVersion"},
    "DatasourceDatasetFacet": {"name", "uri"},
    "OutputStatisticsOutputDatasetFacet": {"rowCount"},
    "ParentRunFacet": {"run", "job"},
    "ErrorMessageRunFacet": {"message", "programmingLanguage"},
}
FACETS = {
    "schema": "SchemaDatasetFacet",
    "version": "DatasetVersionDatasetFacet",
    "dataSource": "DatasourceDatasetFacet",
    "outputStatistics": "OutputStatisticsOutputDatasetFacet",
    "parent": "ParentRunFacet",
    "errorMessage": "ErrorMessageRunFacet",
}
STAGES = {"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"}


def require_valid(event: dict[str, Any]) -> None:
    """Every required field is there, ids are UUIDs, times have an offset, facets are the ones their names say."""
    assert event.keys() >= REQUIRED["RunEvent"]
    assert event["eventType"] in STAGES
    assert datetime.fromisoformat(event["eventTime"]).tzinfo is not None
    assert event["schemaURL"] == "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
    assert uuid.UUID(event["run"]["runId"]).version == 5
    assert event["job"].keys() >= REQUIRED["Job"]
    require_facets(event["run"].get("facets", {}))
    for dataset in [*event["inputs"], *event["outputs"]]:
        assert dataset.keys() >= REQUIRED["Dataset"]
        require_facets(dataset.get("facets", {}))
        require_facets(dataset.get("outputFacets", {}))
    assert all("outputFacets" not in dataset for dataset in event["inputs"])


def require_facets(facets: dict[str, Any]) -> None:
    for name, facet in facets.items():
        kind = FACETS[name]
        assert facet.keys() >= REQUIRED["BaseFacet"] | REQUIRED[kind]
        assert facet["_schemaURL"].startswith("https://openlineage.io/spec/facets/")
        assert facet["_schemaURL"].endswith(f"/{kind}.json#/$defs/{kind}")
        assert all(field["name"] for field in facet.get("fields", ()))


def written(shore: Any) -> list[dict[str, Any]]:
    return [json.loads(shore.objects.get(key)) for key in shore.objects.keys("lineage/tides/")]


def stages(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {event["eventType"]: event for event in events}


def events(shore: Any, version: int | None = None) -> list[dict[str, Any]]:
    return lineage_events.of_project(
        "tides", objects=shore.objects, index=shore.index, store=STORE, version=version
    )


def run(shore: Any, version: int, **more: Any) -> None:
    row = {"run_id": f"r{version}", "dataset_version": version, "at": shore.AT.isoformat(), "state": "running"}
    shore.index.transact([Put(names.pk("tides"), names.sk_run(row["run_id"]), {**row, **more})])


def test_an_acceptance_writes_its_events_once(shore: Any) -> None:
    event = shore.upload("a.csv", shore.good(1))
    shore.walk(event)
    first = written(shore)
    assert set(stages(first)) == {"START", "COMPLETE"}
    for each in first:
        require_valid(each)
    shore.walk(event)
    shore.step("accept_version", batch_id=shore.rows(names.UPLOADS)[0]["upload_id"])
    assert written(shore) == first
    assert all(key.startswith("lineage/tides/2026-03-01/") for key in shore.objects.keys("lineage/"))


def test_inputs_are_the_uploads_that_came_and_the_output_is_the_version(shore: Any) -> None:
    shore.walk(shore.upload("a.csv", shore.good(1)))
    shore.walk(shore.upload("b.csv", shore.good(2)))
    complete = stages(events(shore, 2))["COMPLETE"]
    [upload] = [row for row in shore.rows(names.UPLOADS) if row["key"].endswith("b.csv")]
    [came] = complete["inputs"]
    assert (came["namespace"], came["name"]) == (STORE, "incoming/tides/b.csv")
    assert came["facets"]["version"]["datasetVersion"] == upload["upload_id"]
    [made] = complete["outputs"]
    assert (made["name"], made["facets"]["version"]["datasetVersion"]) == ("datasets/tides", "2")
    fact = versions.read_fact(shore.objects, "tides", 2)
    statistics = made["outputFacets"]["outputStatistics"]
    assert (statistics["rowCount"], statistics["size"], statistics["fileCount"]) == (40, fact["bytes"], 2)
    fields = {field["name"]: field["type"] for field in made["facets"]["schema"]["fields"]}
    assert fields == {
        "at": "timestamp",
        "full": "integer",
        "gates": "integer",
        "level": "number",
        "wind": "category",
    }


def test_every_file_of_a_batch_is_an_input(shore: Any) -> None:
    shore.register(shore.upload("may/a.csv", shore.good(1)))
    shore.register(shore.upload("may/b.csv", shore.good(2)))
    shore.walk(shore.upload("may/_SUCCESS", b""))
    assert [each["name"] for each in stages(written(shore))["START"]["inputs"]] == [
        "incoming/tides/may/a.csv",
        "incoming/tides/may/b.csv",
    ]


def test_a_refused_upload_fails_with_its_reason(shore: Any) -> None:
    shore.walk(shore.upload("a.csv", shore.csv(["yesterday,1,1,N,1"] * 20)))
    told = stages(events(shore))
    assert set(told) == {"START", "FAIL"}
    for each in told.values():
        require_valid(each)
    [row] = shore.rows(names.UPLOADS)
    assert told["FAIL"]["run"]["facets"]["errorMessage"]["message"] == row["reason"]
    assert told["FAIL"]["inputs"][0]["facets"]["version"]["datasetVersion"] == "1"
    assert told["FAIL"]["outputs"] == []


@pytest.mark.parametrize(
    ("row", "stage", "outputs"),
    [
        ({"state": "passed", "model_version": 3}, "COMPLETE", ["models/tides"]),
        ({"state": "refused"}, "COMPLETE", []),
        ({"state": "failed", "reason": "failed: RunFailed: one class only"}, "FAIL", []),
    ],
)
def test_a_run_learns_from_a_version_and_makes_a_model(
    shore: Any, row: dict[str, Any], stage: str, outputs: list[str]
) -> None:
    shore.walk(shore.upload("a.csv", shore.good(1)))
    run(shore, 1, trigger="data", ended_at="2026-03-01T12:30:00+00:00", **row)
    trained = [event for event in events(shore, 1) if event["job"]["name"] == "tides.training"]
    assert [event["eventType"] for event in trained] == ["START", stage]
    for event in trained:
        require_valid(event)
        assert [each["name"] for each in event["inputs"]] == ["datasets/tides"]
    assert [each["name"] for each in trained[1]["outputs"]] == outputs
    parent = trained[0]["run"]["facets"]["parent"]
    accepted = next(event for event in events(shore, 1) if event["job"]["name"] == "tides.data.accept")
    assert parent["run"]["runId"] == accepted["run"]["runId"]
    assert parent["job"] == accepted["job"]
    if stage == "FAIL":
        assert trained[1]["run"]["facets"]["errorMessage"]["message"] == row["reason"]


def test_a_run_that_goes_on_has_only_begun_and_one_started_by_hand_has_no_parent(shore: Any) -> None:
    shore.walk(shore.upload("a.csv", shore.good(1)))
    run(shore, 1, trigger="manual")
    [begun] = [event for event in events(shore, 1) if event["job"]["name"] == "tides.training"]
    assert begun["eventType"] == "START"
    assert "facets" not in begun["run"]


def test_what_is_told_now_is_what_was_written_then(shore: Any) -> None:
    for number in (1, 2, 3):
        shore.walk(shore.upload(f"{number}.csv", shore.good(number)))
    told = lineage_events.of_project("tides", objects=shore.objects, index=shore.index, store=openlineage.STORE)
    assert sorted(map(canonical.dumps, told)) == sorted(map(canonical.dumps, written(shore)))


def test_ids_tell_projects_jobs_and_batches_apart() -> None:
    ids = {openlineage.run_id(*each) for each in itertools.product(("a", "b"), ("data.accept", "training"), "xy")}
    assert len(ids) == 8
    assert openlineage.run_id("a", "training", "x") == openlineage.run_id("a", "training", "x")
