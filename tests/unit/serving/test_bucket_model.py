"""A model that its layer points to: fetched once, checked always, and never used by half."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

from tests.unit.serving.test_predict_handler import COLD, FILE, ROOT
from tidemill.adapters import model_bucket
from tidemill.adapters.memory import MemoryObjects
from tidemill.errors import ArtifactCorrupt, ModelUnreachable
from tidemill.serving import bucket_model
from tidemill.serving.bucket_model import Pointer, fetched
from tidemill.serving.faults import Faults
from tidemill.serving.model import load, load_served

KEY = "models/tides/v00007/model.onnx"
BODY = bytes(range(256)) * 40
ROW = {"delay": 5, "carrier": "UA"}


class Bucket(MemoryObjects):
    """Gives its objects in pieces, and counts how often it is asked; `at` is told the number of each piece before
    it is given."""

    def __init__(self, body: bytes = BODY) -> None:
        super().__init__()
        self.asked = 0
        self.at: Any = lambda piece: None
        self.put(KEY, body)

    def chunks(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> Iterator[bytes]:
        self.asked += 1
        body = self.get(key, version_id=version_id)
        for piece, place in enumerate(range(0, len(body), 1000)):
            self.at(piece)
            yield body[place : place + 1000]


def pointer(body: bytes = BODY, **changes: Any) -> Pointer:
    known = {"key": KEY, "version_id": "1", "sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}
    return Pointer(**{**known, **changes})


def kept(folder: Path) -> set[str]:
    """What lies in the folder, but for locks."""
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def test_a_file_is_fetched_once_and_kept(tmp_path: Path) -> None:
    bucket = Bucket()
    for _ in range(2):
        path = fetched(pointer(), folder=tmp_path / "models", objects=bucket)
        assert path.read_bytes() == BODY
    assert bucket.asked == 1
    assert kept(tmp_path / "models") == {pointer().sha256}


def test_the_version_that_is_pointed_to_is_read_whatever_came_later(tmp_path: Path) -> None:
    bucket = Bucket()
    bucket.put(KEY, b"another model")
    assert fetched(pointer(), folder=tmp_path, objects=bucket).read_bytes() == BODY


@pytest.mark.parametrize(
    "stored",
    [
        BODY[:-1],
        BODY[:3000],
        b"",
        BODY + b"\0",
        BODY * 3,
        BODY[:5000] + bytes([BODY[5000] ^ 1]) + BODY[5001:],
        b"PK\x03\x04 another model",
    ],
    ids=["a byte short", "cut", "empty", "a byte long", "long", "a bit", "swapped"],
)
def test_what_is_not_the_registered_file_is_refused_and_not_left_behind(tmp_path: Path, stored: bytes) -> None:
    with pytest.raises(ArtifactCorrupt, match="restore that object version"):
        fetched(pointer(), folder=tmp_path, objects=Bucket(stored))
    assert kept(tmp_path) == set()


def test_a_size_that_does_not_go_with_the_digest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactCorrupt, match="registered are 10,239"):
        fetched(pointer(bytes=len(BODY) - 1), folder=tmp_path, objects=Bucket())
    assert kept(tmp_path) == set()


def test_of_a_file_that_is_too_long_no_more_is_read_than_shows_it(tmp_path: Path) -> None:
    bucket, pieces = Bucket(BODY * 100), []
    bucket.at = pieces.append
    with pytest.raises(ArtifactCorrupt):
        fetched(pointer(), folder=tmp_path, objects=bucket)
    assert len(pieces) == len(BODY) // 1000 + 1


@pytest.mark.parametrize("spoilt", [BODY[:-1], b"\1" + BODY[1:]], ids=["cut", "changed"])
def test_a_kept_file_that_was_spoilt_is_fetched_again(tmp_path: Path, spoilt: bytes) -> None:
    bucket = Bucket()
    fetched(pointer(), folder=tmp_path, objects=bucket).write_bytes(spoilt)
    assert fetched(pointer(), folder=tmp_path, objects=bucket).read_bytes() == BODY
    assert bucket.asked == 2


def test_a_spoilt_file_makes_room_before_another_is_fetched(tmp_path: Path) -> None:
    bucket = Bucket()
    path = fetched(pointer(), folder=tmp_path, objects=bucket)
    path.write_bytes(b"spoilt")
    there: list[bool] = []
    bucket.at = lambda piece: there.append(path.exists())
    fetched(pointer(), folder=tmp_path, objects=bucket)
    assert not any(there)


def test_a_file_that_is_gone_is_unreachable(tmp_path: Path) -> None:
    bucket = Bucket()
    bucket.delete(KEY)
    with pytest.raises(ModelUnreachable, match="restore it"):
        fetched(pointer(), folder=tmp_path, objects=bucket)


def test_a_stream_that_breaks_leaves_nothing_and_the_next_start_succeeds(tmp_path: Path) -> None:
    bucket = Bucket()

    def broken(piece: int) -> None:
        if piece == 5:
            raise ModelUnreachable("the connection is gone")

    bucket.at = broken
    with pytest.raises(ModelUnreachable):
        fetched(pointer(), folder=tmp_path, objects=bucket)
    assert kept(tmp_path) == set()
    bucket.at = lambda piece: None
    assert fetched(pointer(), folder=tmp_path, objects=bucket).read_bytes() == BODY


def test_a_full_disk_names_the_setting(tmp_path: Path) -> None:
    bucket = Bucket()

    def full(piece: int) -> None:
        raise OSError(28, "No space left on device")

    bucket.at = full
    with pytest.raises(ModelUnreachable, match="temporary_storage_mb"):
        fetched(pointer(), folder=tmp_path, objects=bucket)
    assert kept(tmp_path) == set()


KILLED = """
import os, sys
from pathlib import Path
from tidemill.serving.bucket_model import Pointer, fetched

class Bucket:
    def chunks(self, key, version_id):
        for piece in range(11):
            if piece == int(sys.argv[2]):
                os.kill(os.getpid(), 9)
            yield bytes(1000)

fetched(Pointer("key", "1", sys.argv[3], 10240), folder=Path(sys.argv[1]), objects=Bucket())
"""


@pytest.mark.parametrize("piece", [1, 10], ids=["early", "before the last piece"])
def test_a_start_that_was_killed_leaves_no_model_and_no_lock(tmp_path: Path, piece: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(piece), pointer().sha256],
        env={**os.environ, "PYTHONPATH": str(ROOT / "layers" / "core" / "python")},
    )
    assert done.returncode == -9
    assert kept(tmp_path) == {f"{pointer().sha256}.part"}
    bucket = Bucket()
    assert fetched(pointer(), folder=tmp_path, objects=bucket).read_bytes() == BODY
    assert bucket.asked == 1
    assert kept(tmp_path) == {pointer().sha256}


def test_of_two_threads_one_fetches_and_the_other_waits(tmp_path: Path) -> None:
    bucket, begun, go_on = Bucket(), threading.Event(), threading.Event()

    def hold(piece: int) -> None:
        begun.set()
        assert go_on.wait(60)

    bucket.at = hold
    found: list[bytes] = []

    def start() -> None:
        found.append(fetched(pointer(), folder=tmp_path, objects=bucket).read_bytes())

    first = threading.Thread(target=start)
    first.start()
    assert begun.wait(60)
    second = threading.Thread(target=start)
    second.start()
    second.join(0.3)
    assert second.is_alive()  # without the lock it would read pieces, too, and wait in `hold`
    assert bucket.asked == 1
    go_on.set()
    for thread in (first, second):
        thread.join(60)
    assert found == [BODY, BODY]
    assert bucket.asked == 1


@pytest.fixture
def pointing(deployed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """The layer holds a pointer, the bucket the model."""
    body = (deployed / "model.onnx").read_bytes()
    (deployed / "model.onnx").unlink()
    (deployed / "pointer.json").write_text(json.dumps(pointer(body).as_json()))
    monkeypatch.setattr(bucket_model.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    return Bucket(body)


def test_the_model_that_is_pointed_to_answers_as_one_in_the_layer(pointing: Bucket, model: Any) -> None:
    found = load(bucket=lambda: pointing)
    rows = found.features.rows([ROW], Faults()).values
    assert found.predict(found.features.columns(rows)) == model.predict(model.features.columns(rows))
    load(bucket=lambda: pointing)
    assert pointing.asked == 1


def test_a_pointer_to_another_model_is_refused_before_anything_is_read(pointing: Bucket, deployed: Path) -> None:
    pointing.put(KEY, b"another")
    (deployed / "pointer.json").write_text(json.dumps(pointer(b"another", version_id="2").as_json()))
    with pytest.raises(ArtifactCorrupt, match="not to the registered"):
        load(bucket=lambda: pointing)
    assert pointing.asked == 0


@pytest.mark.parametrize("text", [None, "{", "[]", '{"key": "only"}'])
def test_a_layer_with_neither_model_nor_pointer_is_corrupt(
    pointing: Bucket, deployed: Path, text: str | None
) -> None:
    if text is None:
        (deployed / "pointer.json").unlink()
    else:
        (deployed / "pointer.json").write_text(text)
    with pytest.raises(ArtifactCorrupt, match=r"nor a pointer|is missing"):
        load(bucket=lambda: pointing)


def test_a_registered_file_that_is_no_model_is_corrupt(pointing: Bucket, deployed: Path) -> None:
    document = json.loads((deployed / "model.json").read_text())
    changed = {**document, "sha256": {"model.onnx": pointer(b"no model").sha256}}
    (deployed / "model.json").write_text(json.dumps(changed))
    (deployed / "pointer.json").write_text(json.dumps(pointer(b"no model", version_id="2").as_json()))
    pointing.put(KEY, b"no model")
    with pytest.raises(ArtifactCorrupt, match="cannot be loaded"):
        load(bucket=lambda: pointing)


def test_who_has_no_bucket_says_so(pointing: Bucket) -> None:
    with pytest.raises(ModelUnreachable, match="ask the endpoint"):
        load()


def test_an_endpoint_that_was_deployed_to_read_nothing_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIDEMILL_DATA_BUCKET", raising=False)
    with pytest.raises(ModelUnreachable, match=r"serving\.storage: auto"):
        model_bucket.model_bucket()


class Refusing:
    """A client whose calls fail."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def get_object(self, **request: Any) -> Any:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject"),
        ReadTimeoutError(endpoint_url="bucket"),
        ConnectionResetError(),
    ],
    ids=["denied", "slow", "reset"],
)
def test_what_the_bucket_refuses_is_told_with_the_setting(tmp_path: Path, error: Exception) -> None:
    bucket = model_bucket.ModelBucket(Refusing(error), "bucket")
    with pytest.raises(ModelUnreachable, match=r"serving\.storage"):
        fetched(pointer(), folder=tmp_path, objects=bucket)
    assert kept(tmp_path) == set()


def test_the_function_answers_from_the_bucket(
    pointing: Bucket, deployed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.unit.serving.test_predict_handler import imported, invoke

    monkeypatch.setenv("TIDEMILL_DATA_BUCKET", "data")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="data")
        client.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
        version = client.put_object(Bucket="data", Key=KEY, Body=pointing.get(KEY))["VersionId"]
        client.put_object(Bucket="data", Key=KEY, Body=b"written over")
        told = {**json.loads((deployed / "pointer.json").read_text()), "version_id": version}
        (deployed / "pointer.json").write_text(json.dumps(told))
        response = invoke(imported(), {"instances": [ROW]})
        assert response["statusCode"] == 200, response["body"]
        # Now it is kept: an environment that starts again asks nobody.
        client.delete_object(Bucket="data", Key=KEY, VersionId=version)
        assert invoke(imported(), {"instances": [ROW]})["statusCode"] == 200


def test_a_model_that_cannot_be_had_is_answered_with_503_and_asked_for_again(
    pointing: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.unit.serving.test_predict_handler import imported, invoke

    there: list[Any] = []

    def bucket() -> Any:
        if not there:
            raise ModelUnreachable("not now")
        return pointing

    monkeypatch.setattr(model_bucket, "model_bucket", bucket)
    function = imported()
    response = invoke(function, {"instances": [ROW]})
    assert (response["statusCode"], json.loads(response["body"])["error"]) == (503, "ModelUnreachable")
    there.append(True)
    assert invoke(function, {"instances": [ROW]})["statusCode"] == 200


def test_a_model_in_its_layer_imports_nothing_of_this(deployed: Path) -> None:
    path = os.pathsep.join([str(ROOT / "layers" / "core" / "python"), str(deployed.parent)])
    done = subprocess.run(
        [sys.executable, "-c", COLD, str(FILE), json.dumps({"instances": [ROW]})],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = json.loads(done.stdout.splitlines()[-1])["modules"]
    assert not {"tidemill.serving.bucket_model", "tidemill.adapters", "boto3", "fcntl"} & set(modules)


def test_a_pickle_from_the_bucket_is_refused_before_anything_opens_it(
    pointing: Bucket, deployed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = pickle.dumps({"a": "model"})
    document = json.loads((deployed / "model.json").read_text())
    told = pointer(body, version_id="2")  # whoever put it there told its digest
    (deployed / "model.json").write_text(json.dumps({**document, "sha256": {"model.onnx": told.sha256}}))
    (deployed / "pointer.json").write_text(json.dumps(told.as_json()))
    pointing.put(KEY, body)
    monkeypatch.setattr("tidemill.serving.onnx_session.session", lambda *_: pytest.fail("it was parsed"))
    with pytest.raises(ArtifactCorrupt, match=r"model\.onnx is a pickle of protocol"):
        load(bucket=lambda: pointing)


def test_the_model_that_is_pointed_to_must_be_of_the_endpoint_s_project(pointing: Bucket) -> None:
    assert load_served(project="tides", bucket=lambda: pointing).document["project"] == "tides"
    with pytest.raises(ArtifactCorrupt, match="not of 'wines'"):
        load_served(project="wines", bucket=lambda: pointing)
