"""The Python client: over ports, and over a stage on moto; what it gives is what was accepted."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pyarrow as pa
import pytest
from moto import mock_aws
from pyarrow import parquet

import tidemill
from tidemill import Client, dataset, env_names, names
from tidemill.data import read
from tidemill.dataset_rows import Verified
from tidemill.errors import ArtifactCorrupt, ConflictError, RecordNotFound, RequestInvalid
from tidemill.ports import Put

REGION = "eu-central-1"
LIBRARY = Path(tidemill.__file__).parents[1]


@pytest.fixture
def filled(new_shore: Any) -> Any:
    """Two versions: a.csv, then a.csv and may/b.csv."""
    shore = new_shore()
    shore.walk(shore.upload("a.csv", shore.good(1)))
    shore.walk(shore.upload("b.csv", shore.good(2)))
    return shore


@pytest.fixture
def client(filled: Any) -> Client:
    return Client(objects=filled.objects, index=filled.index, by="a person", clock=lambda: filled.AT)


def test_importing_tidemill_brings_neither_the_client_nor_boto3() -> None:
    script = "import sys, tidemill; before = set(sys.modules); tidemill.Client; print(sorted(before))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(LIBRARY)},
    )
    loaded = done.stdout
    assert "'tidemill'" in loaded
    assert not any(f"'{name}" in loaded for name in ("boto3", "botocore", "pandas", "pydantic", "tidemill.client"))
    with pytest.raises(AttributeError, match="no attribute 'Clint'"):
        _ = tidemill.Clint


def test_making_a_client_brings_no_pandas() -> None:
    script = "import sys; from tidemill import Client; Client('dev'); print('pandas' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(LIBRARY)},
    )
    assert done.stdout.strip() == "False"


def test_a_dataset_is_found_by_every_reference(client: Client) -> None:
    newest = client.dataset("tides")
    assert (newest.version, newest.parent, newest.rows, newest.project) == (2, 1, 40, "tides")
    assert [file.path for file in newest.files()] == ["a.csv", "b.csv"]
    assert newest.size == sum(file.size for file in newest.files())
    client.tag("tides", "train", 1)
    same = [client.dataset(*words).version for words in (("tides", 1), ("tides", "train"), ("tides@train",))]
    assert same == [1, 1, 1]
    assert client.dataset("tides", newest.identity[:8]).identity == newest.identity
    assert [found.version for found in client.datasets("tides")] == [2, 1]
    assert repr(newest) == f"<tidemill.Dataset tides v2: 40 rows, {newest.identity[:12]}>"
    with pytest.raises(RecordNotFound, match="versions 1 to 2"):
        client.dataset("tides@7")


def test_tags_are_moved_by_compare_and_set(client: Client) -> None:
    moved = client.tag("tides", "train", 1, expected=None, reason="first")
    assert (moved["version"], moved["by"], moved["reason"]) == (1, "a person", "first")
    client.tag("tides", "train", "latest", expected="train")
    assert client.tags("tides") == {"train": 2}
    with pytest.raises(ConflictError, match="points to version 2"):
        client.tag("tides", "train", 1, expected=1)
    assert client.untag("tides", "train", expected=2)["previous"] == 2
    assert client.tags("tides") == {}
    assert [move["version"] for move in client.tag_history("tides", "train")] == [1, 2, 0]
    for look in (client.untag, client.tag_history):
        with pytest.raises(RecordNotFound, match="no tag 'other'"):
            look("tides", "other")


def test_a_tag_s_past_is_seen(filled: Any) -> None:
    for days, version in ((0, 1), (2, 2)):
        at = filled.AT + timedelta(days=days)
        Client(objects=filled.objects, index=filled.index, by="me", clock=lambda at=at: at).tag(
            "tides", "t", version
        )
    client = Client(objects=filled.objects, index=filled.index)
    assert client.dataset("tides@t@{2026-03-02}").version == 1
    assert client.dataset("tides", "t").version == 2


def test_an_opened_file_is_verified_before_a_byte_is_given(client: Client, filled: Any) -> None:
    newest = client.dataset("tides")
    with newest.open("b.csv") as body:
        assert body.read() == filled.good(2)
        body.seek(3)
        assert io.BufferedReader(body).read(4) == filled.good(2)[3:7]  # type: ignore[arg-type]
    with pytest.raises(RecordNotFound, match=r"no file 'b\.cvs'; did you mean 'b\.csv'"):
        newest.open("b.cvs")
    filled.objects.versions[names.content(newest.files()[1].sha256)] = [filled.good(3)]
    with pytest.raises(ArtifactCorrupt, match=r"file 'b\.csv' of tides v2"):
        newest.open("b.csv")
    with pytest.raises(ArtifactCorrupt, match=r"file 'b\.csv'"):
        newest.to_pandas()


def test_a_large_file_does_not_stay_in_memory(
    client: Client, filled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "IN_MEMORY", 10)
    with client.dataset("tides").open("a.csv") as body:
        assert body._rolled  # type: ignore[attr-defined]
        assert body.read() == filled.good(1)


def test_a_manifest_that_was_changed_is_refused(client: Client, filled: Any) -> None:
    newest = client.dataset("tides")
    key = names.manifest("tides", newest.identity)
    document = json.loads(filled.objects.get(key))
    filled.objects.versions[key] = [json.dumps({**document, "files": document["files"][:1]}).encode()]
    with pytest.raises(ArtifactCorrupt, match="was changed after it was accepted"):
        newest.files()


def test_rows_are_read_as_the_training_reads_them(client: Client, filled: Any) -> None:
    newest = client.dataset("tides")
    expected = read.read_dataset(filled.objects, newest.manifest, filled.project)
    expected["wind"] = expected["wind"].astype("str")
    pd.testing.assert_frame_equal(newest.to_pandas(), expected)
    pd.testing.assert_frame_equal(newest.to_pandas(["wind", "level"]), expected[["wind", "level"]])
    table = newest.to_arrow(["gates", "at"])
    assert (table.num_rows, table.column_names) == (40, ["gates", "at"])
    assert table.schema.field("at").type == pa.timestamp("us", tz="UTC")
    with pytest.raises(RequestInvalid, match=r"there is no 'tide'; tides v2 has at, full, gates"):
        newest.to_pandas(["tide"])


def test_columns_that_only_some_files_have_are_there_too(filled: Any) -> None:
    lines = [f"{line},{number}" for number, line in enumerate(filled.lines(start=5))]
    filled.walk(filled.upload("c.csv", filled.csv(lines, header="at,level,gates,wind,full,moon")))
    frame = Client(objects=filled.objects, index=filled.index).dataset("tides").to_pandas()
    assert list(frame) == ["at", "level", "gates", "wind", "full", "moon"]
    assert frame["moon"].isna().sum() == 40
    assert frame["moon"].dropna().tolist() == list(range(20))


def test_files_of_other_formats_are_read_as_well(filled: Any) -> None:
    before = Client(objects=filled.objects, index=filled.index).dataset("tides").to_arrow()
    more = before.slice(0, 15).set_column(1, "level", pa.array([9.5] * 15))
    body = io.BytesIO()
    parquet.write_table(more, body, row_group_size=4)
    filled.walk(filled.upload("c.parquet", body.getvalue()))
    newest = Client(objects=filled.objects, index=filled.index).dataset("tides")
    assert newest.version == 3
    assert newest.to_arrow().slice(40).to_pylist() == more.to_pylist()
    assert newest.to_arrow(["level"]).slice(40).to_pylist() == [{"level": 9.5}] * 15


def test_bytes_are_read_in_any_order_and_one_file_is_held_at_a_time(client: Client, filled: Any) -> None:
    newest = client.dataset("tides")
    one, two = (names.content(file.sha256) for file in newest.files())
    with Verified(newest) as objects:
        assert b"".join(objects.chunks(one)) == filled.good(1)
        assert b"".join(objects.chunks(two, start=5, end=12)) == filled.good(2)[5:12]
        assert b"".join(objects.chunks(two, start=3)) == filled.good(2)[3:]
        assert list(objects.chunks(two, start=10_000)) == list(objects.chunks(two, start=9, end=9)) == []
        held = objects._body
    assert held is not None
    assert held.closed


def test_how_rows_are_read_can_be_given(filled: Any) -> None:
    def count(version: Any, columns: Any) -> pa.Table:
        return pa.table({"files": [len(version.files())], "columns": [columns]})

    client = Client(objects=filled.objects, index=filled.index, read=count)
    assert client.dataset("tides", 2).to_arrow(["wind"]).to_pylist() == [{"files": 2, "columns": ["wind"]}]


def test_download(client: Client, tmp_path: Path, filled: Any) -> None:
    done = client.dataset("tides@1").download(tmp_path / "tides")
    assert done.fetched == ("a.csv",)
    assert (tmp_path / "tides" / "a.csv").read_bytes() == filled.good(1)
    receipt = json.loads((tmp_path / "tides" / ".tidemill-version.json").read_text())
    assert (receipt["version"], receipt["identity"]) == (1, client.dataset("tides", 1).identity)


@pytest.fixture
def stage(filled: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Stage `dev` on moto with what the shore holds."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", env_names.ENV_STAGE, env_names.ENV_ENDPOINT):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        s3, dynamodb, ssm = (boto3.client(service) for service in ("s3", "dynamodb", "ssm"))
        s3.create_bucket(Bucket="data", CreateBucketConfiguration={"LocationConstraint": REGION})
        dynamodb.create_table(
            TableName="index",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        for thing, value in (("data-bucket", "data"), ("table", "index"), ("endpoint/tides", "x")):
            ssm.put_parameter(Name=names.parameter("dev", thing), Value=value, Type="String")
        client = Client("dev")
        for key in filled.objects.keys(""):
            client.objects.put(key, filled.objects.get(key))
        for (pk, sk), row in filled.index.rows.items():
            client.index.transact([Put(pk, sk, row)])
        yield "dev"


def test_a_deployed_stage_is_found_by_its_parameters(stage: str, tmp_path: Path, filled: Any) -> None:
    client = Client(stage)
    assert client.projects() == ["tides"]
    newest = client.dataset("tides")
    assert (newest.version, len(newest.to_pandas())) == (2, 40)
    moved = client.tag("tides", "train", "latest", expected=None)
    assert moved["by"].startswith("arn:aws:")
    assert client.dataset("tides@train").version == 2
    newest.download(tmp_path)
    assert (tmp_path / "b.csv").read_bytes() == filled.good(2)


def test_the_stage_comes_from_the_environment(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(env_names.ENV_STAGE, stage)
    assert Client().dataset("tides").version == 2
    assert repr(Client()) == "<tidemill.Client of stage 'dev'>"


def test_a_stage_that_is_not_there(stage: str) -> None:
    with pytest.raises(RecordNotFound, match=r"stage 'prod' is not deployed .*/tidemill/prod/.*--stage prod"):
        Client("prod").dataset("tides")


@pytest.mark.parametrize(
    ("stage", "given", "environment", "endpoint"),
    [
        ("local", None, {}, "http://127.0.0.1:4566"),
        ("local", None, {"AWS_ENDPOINT_URL": "http://a:1"}, "http://a:1"),
        ("local", None, {"AWS_ENDPOINT_URL": "http://a:1", "TIDEMILL_ENDPOINT": "http://b:2"}, "http://b:2"),
        ("local", "http://c:3", {"TIDEMILL_ENDPOINT": "http://b:2"}, "http://c:3"),
        ("dev", "http://c:3", {}, "http://c:3"),
        ("dev", None, {}, f"https://s3.{REGION}.amazonaws.com"),
    ],
)
def test_where_a_stage_is_looked_for(
    stage: str, given: str | None, environment: dict[str, str], endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", env_names.ENV_ENDPOINT):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    s3 = Client(stage, endpoint=given)._client("s3")
    assert s3.meta.endpoint_url == endpoint
    signer = s3._request_signer._credentials.access_key
    assert signer == ("test" if stage == "local" else "somebody")
