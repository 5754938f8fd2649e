"""`tidemill data lineage`, `models lineage` and `data subjects` against a stage on moto."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from cli.commands import subjects as command
from cli.deployment import Deployment
from tidemill import canonical, names, projects
from tidemill.data import versions
from tidemill.data.manifests import File, Manifest

AT = "2025-03-01T12:00:00+00:00"
CSV = b"tail,late\nN1,0\nN2,1\nN1,1\n"
PROJECT = projects.parse(
    {
        "name": "flights",
        "description": "Is it late?",
        "task": "classification",
        "target": "late",
        "entity": "tail",
        "columns": {"tail": {"type": "category"}, "late": {"type": "integer"}},
        "features": ["tail"],
    }
)
Run = Callable[..., Any]


@pytest.fixture
def flights(deployment: Deployment, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of one file, its upload, and the model that learned from it."""
    monkeypatch.setattr(command.project_file, "read_project", lambda name: PROJECT)
    digest = canonical.sha256(CSV)
    deployment.objects.put(names.content(digest), CSV)
    file = File(path="may.csv", size=len(CSV), sha256=digest, rows=3, upload_id="0f3a")
    document = {
        **{"version": 1, "parent": 0, "reason": "first", "author": "Ada", "created": AT, "source": "0f3a"},
        "content": "c0ffee", "project": "flights", "rows": 3, "bytes": len(CSV), "how": {},
        "schema": {"tail": {"type": "category"}, "late": {"type": "integer"}},
        "files": [file.model_dump(mode="json")], "profile": "",
    }  # fmt: skip
    assert Manifest.model_validate(document).rows == 3
    identity = versions.write_manifest(deployment.objects, document)
    deployment.objects.put(names.dataset("flights", 1), canonical.dumps(document))
    put(names.COUNTER_DATASETS, value=1, epoch=1)
    put(names.sk_dataset(1), **versions.row_of(document, identity))
    upload = {"upload_id": "0f3a", "key": "incoming/flights/may.csv", "version_id": "x1", "state": "accepted"}
    row = {**upload, "author": "Ada", "at": AT, "file": file.model_dump(mode="json")}
    put(names.sk_upload("0f3a"), **row)
    put(names.sk_run("flights-v00001"), run_id="flights-v00001", dataset_version=1, state="passed", at=AT)
    model = {"version": 1, "run_id": "flights-v00001", "dataset_version": 1, "state": "champion", "at": AT}
    put(names.sk_model(1), **model)
    release = {"release_id": "flights-v00001", "model": 1, "state": "promoted", "at": AT}
    put(names.sk_release("flights-v00001"), **release)


def test_a_versions_lineage_is_a_tree(run: Run, flights: None) -> None:
    shown = run("data", "lineage", "flights").stdout
    for part in ("dataset v1", "may.csv", "upload 0f3a by Ada", "run flights-v00001", "model v1", "promoted"):
        assert part in shown
    facts = json.loads(run("data", "lineage", "flights", "1", "--json").stdout)
    assert facts["files"][0]["upload"]["version_id"] == "x1"
    assert [model["version"] for model in facts["models"]] == [1]


def test_a_models_lineage_is_a_tree(run: Run, flights: None) -> None:
    shown = run("models", "lineage", "flights", "1").stdout
    for part in ("model v1", "run flights-v00001", "dataset v1", "may.csv", "upload 0f3a"):
        assert part in shown
    assert json.loads(run("models", "lineage", "flights", "1", "--json").stdout)["dataset"]["version"] == 1


def test_lineage_of_nothing_says_what_to_do(run: Run) -> None:
    done = run("data", "lineage", "flights")
    assert done.exit_code == 1
    assert "tidemill data push" in done.stderr
    done = run("models", "lineage", "flights", "3")
    assert done.exit_code == 1
    assert "tidemill models list flights" in done.stderr


def test_a_subject_is_found(run: Run, flights: None) -> None:
    shown = run("data", "subjects", "find", "flights", "--value", "N1").stdout
    assert "2 rows in 1 contents read" in shown
    assert "may.csv" in shown
    assert "champion" in shown
    facts = json.loads(run("data", "subjects", "find", "flights", "--value", "N1", "--json").stdout)
    assert (facts["column"], facts["rows"]) == ("tail", 2)
    assert facts["versions"][0]["files"][0]["rows"] == 2


def test_a_subject_that_cannot_be_is_wrong_usage(run: Run, flights: None) -> None:
    done = run("data", "subjects", "find", "flights", "--value", "x", "--column", "late")
    assert done.exit_code == 2
    assert "cannot be in it" in done.stderr


def test_events_for_catalogues_are_json_lines(run: Run, deployment: Deployment, flights: None) -> None:
    done = run("data", "lineage", "flights", "--openlineage")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["eventType"] for event in events].count("START") == 2
    assert {event["job"]["name"] for event in events} == {"flights.data.accept", "flights.training"}
    namespaces = {each["namespace"] for event in events for each in [*event["inputs"], *event["outputs"]]}
    assert namespaces == {f"s3://{deployment.bucket}"}


def test_a_dry_run_of_an_erasure_tells_and_an_erasure_erases(
    run: Run, deployment: Deployment, flights: None
) -> None:
    asked = ("data", "subjects", "erase", "flights", "--value", "N1", "--reason", "request 12")
    assert "would be erased: 2 rows" in run(*asked, "--dry-run").stdout
    done = run(*asked, "--yes", "--json")
    assert done.exit_code == 0, done.stderr
    [erasure] = json.loads(done.stdout)["erasures"]
    assert (erasure["made"][0]["version"], erasure["models"], erasure["kept"]) == (2, [1], {})
    [file] = versions.files_of(versions.read_fact(deployment.objects, "flights", 2))
    assert deployment.objects.get(names.content(file.sha256)) == b"tail,late\nN2,1\n"
    assert not deployment.objects.exists(names.content(canonical.sha256(CSV)))
    assert "nothing holds this subject" in run(*asked, "--yes").stdout
    assert "rows erased" in run("data", "lineage", "flights", "2").stdout


def test_an_erasure_is_asked_about_and_never_names_the_subject(run: Run, flights: None) -> None:
    named = run("data", "subjects", "erase", "flights", "--value", "N1", "--reason", "N1 asked for it", "--yes")
    assert named.exit_code == 2
    assert "word it otherwise" in named.stderr
    unasked = run("data", "subjects", "erase", "flights", "--value", "N1", "--reason", "request 12")
    assert unasked.exit_code == 1
    assert run("data", "subjects", "find", "flights", "--value", "N1", "--json").exit_code == 0
