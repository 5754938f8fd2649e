"""`tidemill data diff` on two versions that the data stage made on moto."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.commands import data_diff
from cli.deployment import Deployment
from cli.project_file import read_project
from tidemill import names
from tidemill.data.accept_version import accept_version
from tidemill.data.compare_version import compare_version
from tidemill.data.register_version import register_version
from tidemill.data.validate_version import validate_version

Run = Callable[..., Any]
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
COLUMNS = (
    "flight,departed,late,departure_delay,scheduled_hour,scheduled_minutes,distance,airport_delay,route_loss,rain,"
    "carrier,origin"
)


def lines(first: int, last: int) -> list[str]:
    """Departures that follow the rules of projects/flights.yaml."""
    return [
        f"UA {i},2013-01-{i % 28 + 1:02d}T08:{i % 60:02d}:00,{i % 2},{i % 40},8,{100 + i % 90},{500 + i}.5,,2.5,0,"
        f"UA,{('EWR', 'JFK', 'LGA')[i % 3]}"
        for i in range(first, last)
    ]


@pytest.fixture
def versions(deployment: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Version 1, and version 2 with 3 rows added, 2 removed and 1 changed."""
    project = read_project("flights").model_copy(update={"min_rows": 10})
    new = [*lines(2, 60), *lines(60, 63)]
    new[5] = new[5].replace(",8,107,", ",9,107,")
    for number, part in enumerate((lines(0, 60), new), start=1):
        place, client = names.incoming("flights", "may.csv"), deployment.client("s3")
        body = "\n".join([COLUMNS, *part, ""]).encode()
        version_id = client.put_object(Bucket=deployment.bucket, Key=place, Body=body)["VersionId"]
        ports = {"objects": deployment.objects, "index": deployment.index}
        event = {"bucket": deployment.bucket, "key": place, "version_id": version_id, "sequencer": f"{number:04X}"}
        answer = register_version(**event, load_project=lambda name: project, **ports, clock=lambda: AT)
        batch = {"project": project, "batch_id": answer["batch_id"], **ports}
        assert validate_version(**batch)["outcome"] == "accepted"
        accept_version(**batch, clock=lambda: AT)
        compare_version(project=project, dataset_version=number, objects=deployment.objects)
    monkeypatch.setattr(data_diff, "state_directory", lambda: tmp_path / "state")


def test_the_rows_are_told(run: Run, versions: None) -> None:
    done = run("data", "diff", "flights", "1", "v2", "--key", "flight")
    assert done.exit_code == 0, done.stderr
    assert "3 rows added, 2 removed, 1 changed" in done.stdout
    assert "scheduled_hour: 8 → 9" in done.stdout
    assert "UA 62" in done.stdout


def test_json_is_all_that_is_printed(run: Run, versions: None) -> None:
    done = run("data", "diff", "flights", "1", "2", "-k", "flight", "--examples", "1", "--json")
    found = json.loads(done.stdout)
    assert (found["rows"]["added"], found["rows"]["removed"], found["rows"]["changed"]) == (3, 2, 1)
    assert [row["values"]["flight"] for row in found["rows"]["examples"]["added"]] == ["UA 60"]


def test_one_version_is_compared_with_its_parent(run: Run, versions: None) -> None:
    found = json.loads(run("data", "diff", "flights", "2", "--no-rows", "--json").stdout)
    assert (found["before"]["version"], found["after"]["version"], found["rows"]) == (1, 2, None)


def test_the_page_is_written_and_opened(
    run: Run, versions: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(data_diff.webbrowser, "open", opened.append)
    page = tmp_path / "pages" / "diff.html"
    assert run("data", "diff", "flights", "1", "2", "--html", str(page)).exit_code == 0
    assert "flights v1 → v2" in page.read_text(encoding="utf-8")
    assert opened == []
    assert run("data", "diff", "flights", "2", "--open").exit_code == 0
    kept = tmp_path / "state" / "dev" / "reports" / "flights-v1-v2.html"
    assert opened == [kept.as_uri()] and kept.is_file()


def test_the_exit_code_tells_a_difference_when_asked_to(run: Run, versions: None) -> None:
    assert run("data", "diff", "flights", "1", "2", "--exit-code").exit_code == 1
    same = run("data", "diff", "flights", "2", "2", "--exit-code")
    assert same.exit_code == 0
    assert "Nothing changed" in same.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("1", "9"), 1, "has no dataset version 9"),
        (("nothing",), 1, "nothing"),
        (("1",), 2, "version 1 of flights is the first and has no parent"),
        (("1", "2", "--key", "colour"), 1, "'colour' is not in both versions"),
    ],
)
def test_what_cannot_be_compared_is_said(
    run: Run, versions: None, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = run("data", "diff", "flights", *arguments)
    assert done.exit_code == code
    assert message in done.stderr
