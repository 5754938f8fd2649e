"""What a project has already is not uploaded again: `tidemill data push`, against a stage on moto."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.deployment import Deployment
from tidemill import names
from tidemill.data import versions
from tidemill.data.manifests import File, Manifest
from tidemill.data.uploads import upload_id
from tidemill.ports import Put

Run = Callable[..., Any]
FILES = {"may/1.csv": b"a,b\n1,2\n", "may/2.csv": b"a,b\n3,4\n", "may/deep/3.csv": b"a,b\n5,6\n"}


@pytest.fixture
def push(run: Run, deployment: Deployment, tmp_path: Path) -> Callable[..., Any]:
    """Both projects have version 1 of FILES, which lie in a folder here. Pushes; what was said, and what is in
    `incoming/` of the project."""
    for project in ("flights", "diamonds"):
        files = [
            File(path=path, size=len(body), sha256=hashlib.sha256(body).hexdigest(), rows=1)
            for path, body in FILES.items()
        ]
        document = versions.document(
            Manifest.of(project, files), version=1, source="u", reason="", author="unknown",
            at=datetime(2026, 3, 1, tzinfo=UTC), how={}, schema={},
        )  # fmt: skip
        row = versions.row_of(document, versions.write_manifest(deployment.objects, document))
        pk = names.pk(project)
        deployment.index.transact(
            [Put(pk, names.sk_dataset(1), row), Put(pk, names.COUNTER_DATASETS, versions.counter(1))]
        )
    for path, body in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(body)

    def pushed(project: str, what: str, *options: str) -> tuple[dict[str, Any], set[str]]:
        done = run("data", "push", project, str(tmp_path / what), *options, "--json")
        assert done.exit_code == 0, (done.stderr, done.exception)
        below = names.incoming(project, "")
        return json.loads(done.stdout), {key.removeprefix(below) for key in deployment.objects.keys(below)}

    return pushed


@pytest.mark.parametrize("project", ["flights", "diamonds"])
def test_a_folder_that_the_newest_version_has_is_not_uploaded(push: Any, project: str) -> None:
    assert push(project, "may") == (
        {"project": project, "files": 0, "unchanged": 3,
         "upload": {"state": "unchanged", "dataset_version": 1}},
        set(),
    )  # fmt: skip


def test_a_person_is_told_so_and_how_to_upload_it_all_the_same(run: Run, push: Any, tmp_path: Path) -> None:
    done = run("data", "push", "flights", str(tmp_path / "may"))
    assert done.exit_code == 0
    assert done.stdout == (
        "nothing to upload: version 1 of flights has all 3 files (--all uploads all the same)\n"
    )


def test_of_a_folder_what_is_news_is_uploaded(push: Any, tmp_path: Path) -> None:
    (tmp_path / "may" / "2.csv").write_bytes(b"a,b\n3,5\n")
    (tmp_path / "may" / "4.csv").write_bytes(b"a,b\n7,8\n")
    told, there = push("flights", "may")
    assert there == {"may/2.csv", "may/4.csv", "may/_SUCCESS"}
    assert (told["files"], told["unchanged"]) == (2, 2)


def test_everything_is_uploaded_on_demand(push: Any) -> None:
    told, there = push("flights", "may", "--all")
    assert there == {*FILES, "may/_SUCCESS"}
    assert (told["files"], told["unchanged"]) == (3, 0)


def test_where_versions_replace_each_other_it_is_all_or_nothing(push: Any, tmp_path: Path) -> None:
    (tmp_path / "may" / "2.csv").write_bytes(b"a,b\n3,5\n")
    told, there = push("diamonds", "may")
    assert there == {*FILES, "may/_SUCCESS"}
    assert told["unchanged"] == 0


def test_where_versions_replace_each_other_a_removed_file_is_news(push: Any, tmp_path: Path) -> None:
    (tmp_path / "may" / "2.csv").unlink()
    assert push("diamonds", "may")[1] == {"may/1.csv", "may/deep/3.csv", "may/_SUCCESS"}
    assert push("flights", "may")[1] == set()


def test_the_same_content_under_another_name_is_news(push: Any, tmp_path: Path) -> None:
    assert push("flights", "may", "--name", "june")[1] == {
        *(p.replace("may", "june") for p in FILES),
        "june/_SUCCESS",
    }


def test_a_file_by_itself_is_compared_by_its_name(push: Any, tmp_path: Path) -> None:
    assert push("flights", "may/1.csv", "--name", "may/1.csv")[1] == set()
    assert push("flights", "may/1.csv")[1] == {"1.csv"}


@pytest.mark.parametrize(
    ("state", "sent"), [(None, True), ("registered", True), ("failed", True), ("accepted", False)]
)
def test_what_was_uploaded_since_and_is_undecided_is_uploaded_again(
    push: Any, deployment: Deployment, state: str | None, sent: bool
) -> None:
    """Another content of 2.csv is on its way (noticed or not); whoever pushes the old one now wants that back."""
    place = {"Bucket": deployment.bucket, "Key": "incoming/flights/may/2.csv"}
    version = deployment.client("s3").put_object(**place, Body=b"a,b\n9,9\n")["VersionId"]
    if state:
        identifier = upload_id(bucket=place["Bucket"], key=place["Key"], version_id=version)
        row = {"upload_id": identifier, "state": state}
        deployment.index.transact([Put(names.pk("flights"), names.sk_upload(identifier), row)])
    told, _ = push("flights", "may")
    assert told["files"] == (1 if sent else 0)
