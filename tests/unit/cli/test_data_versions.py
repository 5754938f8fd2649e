"""Tags, references, history and downloads on the command line, against a stage on moto."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.deployment import Deployment
from tidemill import Client, names
from tidemill.adapters.objects import S3Objects
from tidemill.data import versions
from tidemill.data.manifests import File, Manifest
from tidemill.ports import Put

Run = Callable[..., Any]
UPLOAD = "4cdf92b358a8283523a3"
FILES = {"january.csv": b"a,b\n1,2\n", "february.csv": b"a,b\n3,4\n5,6\n", "march.csv": b"a,b\n7,8\n"}


@pytest.fixture
def flights(deployment: Deployment) -> list[str]:
    """Versions 1 to 3 of flights, accepted on the 1st, 2nd and 3rd of March 2026 at noon, each of one more file;
    and an upload in quarantine. The identities."""
    identities, files = [], []
    for number, (path, body) in enumerate(FILES.items(), start=1):
        digest = hashlib.sha256(body).hexdigest()
        deployment.objects.put(names.content(digest), body)
        files.append(File(path=path, size=len(body), sha256=digest, rows=body.count(b"\n") - 1))
        document = versions.document(
            Manifest.of("flights", files), version=number, source=f"u{number}", reason=f"{path} is complete",
            author="unknown", at=datetime(2026, 3, number, 12, tzinfo=UTC), how={}, schema={},
        )  # fmt: skip
        identities.append(versions.write_manifest(deployment.objects, document))
        row = versions.row_of(document, identities[-1])
        upload = {
            "upload_id": f"u{number}",
            "key": f"incoming/flights/{path}",
            "state": "accepted",
            "at": row["at"],
        }
        deployment.index.transact(
            [
                Put(names.pk("flights"), names.sk_dataset(number), row),
                Put(names.pk("flights"), names.sk_upload(f"u{number}"), {**upload, "dataset_version": number}),
                Put(names.pk("flights"), names.COUNTER_DATASETS, {"value": number, "epoch": number}),
            ]
        )
    bad = {"upload_id": UPLOAD, "key": "incoming/flights/bad.csv", "state": "quarantined", "code": "not_csv"}
    row = {**bad, "at": "2026-03-02T13:00:00+00:00"}
    deployment.index.transact([Put(names.pk("flights"), names.sk_upload(UPLOAD), row)])
    return identities


def answered(done: Any) -> Any:
    assert done.exit_code == 0, (done.stderr, done.exception)
    return json.loads(done.stdout)


def refused(done: Any, code: int = 1) -> str:
    assert done.exit_code == code, (done.stdout, done.exception)
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


def test_a_tag_is_set_moved_and_removed(run: Run, flights: list[str]) -> None:
    assert run("data", "tag", "flights", "train", "1").stdout == "tag train of flights points to v1 (new)\n"
    moved = answered(run("data", "tag", "flights", "train", "latest", "-e", "1", "-r", "March is in", "--json"))
    assert (moved["version"], moved["previous"], moved["epoch"], moved["reason"]) == (3, 1, 2, "March is in")
    assert moved["by"].startswith("arn:aws:")
    assert run("data", "tag", "flights", "train", "3").stdout == "tag train of flights points to v3 already\n"
    answered(run("data", "tag", "flights", "prod", "train", "--expect", "none", "--json"))
    listed = answered(run("data", "tags", "flights", "--json"))
    assert {row["tag"]: row["version"] for row in listed["tags"]} == {"prod": 3, "train": 3}
    assert "March is in" in run("data", "tags", "flights").stdout
    removed = run("data", "untag", "flights", "train", "--expect", "v3")
    assert removed.stdout == "tag train of flights is removed; it pointed to v3\n"
    assert "removed already" in run("data", "untag", "flights", "train").stdout
    moves = answered(run("data", "tags", "flights", "--history", "train", "--json"))["moves"]
    assert [(move["previous"], move["version"]) for move in moves] == [(3, 0), (1, 3), (0, 1)]
    shown = run("data", "tags", "flights", "--history", "train").stdout
    assert [line.split()[:3] for line in shown.splitlines()[2:]] == [
        ["3", "v3", "removed"],
        ["2", "v1", "v3"],
        ["1", "-", "v1"],
    ]


def test_a_tag_that_moved_meanwhile_is_not_moved(run: Run, flights: list[str], deployment: Deployment) -> None:
    deployment.datasets.tag("flights", "train", 2)
    said = refused(run("data", "tag", "flights", "train", "3", "--expect", "1"))
    assert "expected to point to version 1, but it points to version 2" in said
    assert "expected to point to nothing" in refused(run("data", "tag", "flights", "train", "3", "-e", "none"))
    assert deployment.datasets.tags("flights") == {"train": 2}


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (("tag", "flights", "v2", "2"), 2, "'v2' would be read as a number"),
        (("tag", "flights", "Train", "2"), 2, "'Train' is no name for a tag"),
        (("tag", "flights", "train", "@yesterday"), 2, "'yesterday' is not a time; write it as"),
        (("tag", "flights", "train", "7"), 1, "no dataset version 7; it has versions 1 to 3"),
        (("untag", "flights", "train"), 1, "no tag 'train'; it has no tags yet"),
        (("tags", "flights", "--history", "train"), 1, "no tag 'train'"),
        (("pull", "flights@train"), 1, "no tag 'train'"),
        (("pull", "nope@3"), 1, "no project 'nope'"),
        (("show", "flights@2", "3"), 2, "'flights@2' names a version already; leave out '3'"),
        (
            ("show", "flights", "deadbeef00"),
            1,
            "begins with deadbeef00; `tidemill data log flights` lists them; nor",
        ),
        (("log", "flights", "--at", "noon"), 2, "'noon' is not a time"),
    ],
)
def test_what_is_wrong_is_told(run: Run, flights: list[str], command: Any, code: int, message: str) -> None:
    assert message in refused(run("data", *command), code)


def test_log_has_tags_and_can_look_back(run: Run, flights: list[str], deployment: Deployment) -> None:
    for day, version in ((1, 1), (3, 3)):
        at = datetime(2026, 3, day, 18, tzinfo=UTC)
        client = Client(objects=deployment.objects, index=deployment.index, by="me", clock=lambda at=at: at)
        client.tag("flights", "train", version)
    now = answered(run("data", "log", "flights", "--json"))
    assert [(row["version"], row["tags"]) for row in now["versions"]] == [(3, ["train"]), (2, []), (1, [])]
    then = answered(run("data", "log", "flights", "--at", "2026-03-02T12:30", "--json"))
    assert (then["at"], then["current"], then["tags"]) == ("2026-03-02T12:30:00Z", 2, {"train": 1})
    assert [(row["version"], row["tags"]) for row in then["versions"]] == [(2, []), (1, ["train"])]
    assert [row["upload_id"] for row in then["uploads"]] == ["u2", "u1"]
    assert (
        "At 2026-03-02T12:30:00Z v2 was current"
        in run("data", "log", "flights", "--at", "2026-03-02T12:30").stdout
    )
    before = run("data", "log", "flights", "--at", "2026-01-01").stdout
    assert "there was no version yet" in before
    assert answered(run("data", "log", "flights", "-n", "1", "--json"))["versions"][0]["version"] == 3


def test_graph(run: Run, flights: list[str], deployment: Deployment) -> None:
    deployment.datasets.tag("flights", "train", 2)
    shown = run("data", "log", "flights", "--graph").stdout.splitlines()
    assert [line.split("rows")[0].rstrip() for line in shown] == [
        "● v3         4",
        "│    + march.csv",
        "│    ✗ bad.csv  not_csv",
        "● v2  train  3",
        "│    + february.csv",
        "● v1         1",
        "     + january.csv",
    ]
    assert f"{flights[1][:8]}  2026-03-02 12:00  february.csv is complete" in shown[3]
    assert "none yet; upload a file" in run("data", "log", "diamonds", "--graph").stdout


def test_a_narrow_terminal_cuts_the_graph_instead_of_wrapping_it(flights: list[str]) -> None:
    from cli.main import app

    runner = CliRunner(env={"TIDEMILL_STAGE": "dev", "COLUMNS": "60", "NO_COLOR": "1"})
    shown = runner.invoke(app, ["data", "log", "flights", "--graph"]).stdout.splitlines()
    assert len(shown) == 7
    assert max(map(len, shown)) <= 60
    assert shown[0].endswith("…")
    tables = runner.invoke(app, ["data", "log", "flights"]).stdout
    assert UPLOAD[:12] in tables
    assert "2026-03-02 12:00" in tables


@pytest.mark.parametrize("words", [("flights@2",), ("flights", "v2"), ("flights@{2026-03-03}",)])
def test_show_takes_references(run: Run, flights: list[str], words: tuple[str, ...]) -> None:
    facts = answered(run("data", "show", *words, "--json"))
    assert (facts["version"], facts["identity"], facts["tags"]) == (2, flights[1], [])
    assert [file["path"] for file in facts["manifest"]["files"]] == ["february.csv", "january.csv"]
    shown = run("data", "show", *words).stdout
    assert flights[1] in shown
    assert "february.csv is complete" in shown


def test_show_without_a_reference_is_the_latest(run: Run, flights: list[str]) -> None:
    assert answered(run("data", "show", "flights", "--json"))["version"] == 3
    assert answered(run("data", "show", f"flights@{flights[0][:9]}", "--json"))["version"] == 1


@pytest.mark.parametrize("word", [UPLOAD, UPLOAD[:8]])
def test_show_takes_an_upload_or_its_beginning(run: Run, flights: list[str], word: str) -> None:
    assert answered(run("data", "show", "flights", word, "--json"))["upload_id"] == UPLOAD
    assert f"Upload {UPLOAD}" in run("data", "show", "flights", word).stdout


def test_pull(run: Run, flights: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "data"
    facts = answered(run("data", "pull", "flights@2", "-o", str(folder), "--json"))
    assert (facts["version"], facts["identity"]) == (2, flights[1])
    assert facts["fetched"] == ["february.csv", "january.csv"]
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".csv"} == {
        name: FILES[name] for name in ("january.csv", "february.csv")
    }
    (folder / "notes.txt").write_text("mine")
    done = run("data", "pull", "flights", "-o", str(folder), "--jobs", "2")
    assert done.stdout.startswith(
        f"flights v3 is in {folder}: 3 files, 28 bytes; 1 fetched (8 bytes), 2 there alrea"
    )
    assert "left as they are: notes.txt" in done.stderr
    (folder / "march.csv").write_text("changed")
    assert "no pull brought them: march.csv" in refused(run("data", "pull", "flights", "-o", str(folder)))
    assert "1 of them replaced" in run("data", "pull", "flights", "-o", str(folder), "--force").stdout
    assert (folder / "march.csv").read_bytes() == FILES["march.csv"]


def test_pull_goes_into_a_folder_of_the_project_s_name(
    run: Run, flights: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert answered(run("data", "pull", "flights@1", "--json"))["folder"] == "flights"
    assert (tmp_path / "flights" / "january.csv").exists()


def test_a_pull_that_is_stopped_goes_on_when_it_is_run_again(
    run: Run, flights: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = S3Objects.chunks

    def stop(self: S3Objects, key: str, **part: Any) -> Any:
        for chunk in original(self, key, **part):
            yield chunk[:3]
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(S3Objects, "chunks", stop)
        said = refused(run("data", "pull", "flights", "-o", str(tmp_path), "--jobs", "1"), 130)
    assert "run it again to go on" in said
    assert not list(tmp_path.glob("*.csv"))
    facts = answered(run("data", "pull", "flights", "-o", str(tmp_path), "--json"))
    assert facts["size"] - facts["received"] in (3, 6, 9)  # as many as had begun before the stop was heard


def test_pull_to_where_a_file_is(run: Run, flights: list[str], tmp_path: Path) -> None:
    (tmp_path / "flights").write_text("a file")
    said = refused(run("data", "pull", "flights", "-o", str(tmp_path / "flights")))
    assert "File exists; what is there stays" in said


def test_a_damaged_object_is_named(run: Run, flights: list[str], deployment: Deployment, tmp_path: Path) -> None:
    deployment.objects.put(names.content(hashlib.sha256(FILES["march.csv"]).hexdigest()), b"a,b\n7,9\n")
    said = refused(run("data", "pull", "flights", "-o", str(tmp_path)))
    assert "file 'march.csv': object objects/sha256/" in said
    assert (tmp_path / "january.csv").exists()
    assert not (tmp_path / ".tidemill-version.json").exists()
