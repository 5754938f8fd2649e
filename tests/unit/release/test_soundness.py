"""A release refuses artifacts that are not what was registered, moves no traffic for them, and counts them."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from functions.release import publish_version, register_model
from tidemill import canonical, names
from tidemill.errors import ArtifactCorrupt, ConflictError, RecordNotFound
from tidemill.release import bundle, soundness
from tidemill.settings import Settings

ONE, TWO = "tides-v00001", "tides-v00002"
AT = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
CONTEXT = SimpleNamespace(
    function_name="tidemill-test", memory_limit_in_mb=512, aws_request_id="0f3c",
    invoked_function_arn="arn:aws:lambda:eu-central-1:000000000000:function:tidemill-test",
)  # fmt: skip
Files = dict[str, bytes]
MODEL = bundle.PACKAGE + "model.onnx"


@pytest.fixture
def live(world: Any) -> Any:
    """Model 1 answers, model 2 is registered."""
    world.released(ONE)
    world.register(world.run(TWO))
    return world


def key(version: int) -> str:
    return names.model("tides", version) + "bundle.zip"


def unpacked(zipped: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: Files) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return buffer.getvalue()


def repack(change: Callable[[Files], None]) -> Callable[[Any], bytes]:
    def made(world: Any) -> bytes:
        files = unpacked(world.objects.get(key(2)))
        change(files)
        return packed(files)

    return made


def document(**changes: Any) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        files[bundle.DOCUMENT] = canonical.dumps({**json.loads(files[bundle.DOCUMENT]), **changes})

    return change


def consistent_pickle(files: Files) -> None:
    """Whoever puts a pickle in the model's place tells its digest, and the identity that follows."""
    files[MODEL] = pickle.dumps({"a": "model"})
    told = json.loads(files[bundle.DOCUMENT])
    told["sha256"]["model.onnx"] = canonical.sha256(files[MODEL])
    told["identity"] = soundness.identity(told)
    files[bundle.DOCUMENT] = canonical.dumps(told)


def flipped(world: Any) -> bytes:
    body = bytearray(world.objects.get(key(2)))
    body[len(body) // 2] ^= 1
    return bytes(body)


BAD: dict[str, tuple[Callable[[Any], bytes], str]] = {
    "tampered: a byte": (flipped, "cannot be read|SHA-256"),
    "tampered: the model": (repack(lambda files: files.update({MODEL: b"\x08other"})), "SHA-256"),
    "tampered: the threshold": (repack(document(threshold=0.99)), "not the registered"),
    "tampered: the threshold, with its identity": (
        repack(lambda f: document(threshold=0.99, identity=soundness.identity(
            {**json.loads(f[bundle.DOCUMENT]), "threshold": 0.99}))(f)),
        "not the registered",
    ),
    "tampered: the number": (repack(document(version=9)), "not the registered"),
    "tampered: the identity": (repack(document(identity="0" * 64)), "not the registered"),
    "tampered: the package's code": (
        repack(lambda files: files.update({bundle.INIT: b"import os\n"})), "not .* as they are packed",
    ),
    "tampered: a module more": (
        repack(lambda files: files.update({"python/sitecustomize.py": b"import os\n"})), "as they are packed",
    ),
    "tampered: a file less": (repack(lambda files: files.pop(MODEL)), "as they are packed"),
    "tampered: no document": (repack(lambda files: files.update({bundle.DOCUMENT: b"[1]"})), "is no object"),
    "tampered: no JSON": (repack(lambda files: files.update({bundle.DOCUMENT: b"{"})), "cannot be read"),
    "truncated": (lambda world: world.objects.get(key(2))[:-30], "cannot be read"),
    "truncated: empty": (lambda world: b"", "cannot be read"),
    "swapped: another version's": (lambda world: world.objects.get(key(1)), "not the registered"),
    "swapped: its number too": (
        lambda world: packed({**unpacked(world.objects.get(key(1))), bundle.DOCUMENT: canonical.dumps(
            {**json.loads(unpacked(world.objects.get(key(1)))[bundle.DOCUMENT]), "version": 2})}),
        "not the registered",
    ),
    "swapped: another project's": (repack(document(project="wines")), "not the registered"),
    "pickled: with its digest": (repack(consistent_pickle), "pickle of protocol"),
    "pickled: beside the model": (
        repack(lambda files: files.update({"python/tidemill_model/weights.pkl": b"x"})), "named as a pickle",
    ),
    "pickled: instead of the bundle": (lambda world: pickle.dumps({}), "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_bundle_is_not_published_and_the_champion_goes_on(live: Any, kind: str) -> None:
    made, match = BAD[kind]
    live.objects.put(key(2), made(live))
    before = (live.endpoints.alias("tides"), dict(live.pointer), list(live.endpoints.published["tides"]))
    with pytest.raises(ArtifactCorrupt, match=match):
        live.publish(2, TWO)
    assert (live.endpoints.alias("tides"), dict(live.pointer), live.endpoints.published["tides"]) == before
    # What the machine does next.
    assert live.settle(TWO, "roll_back", "the release failed: ArtifactCorrupt")["state"] == "not_started"
    assert live.endpoints.alias("tides").version == "2"


def test_a_sound_bundle_is_published(live: Any) -> None:
    assert live.publish(2, TWO)["function_version"] == "3"


def test_a_model_that_was_not_registered_is_not_published(live: Any) -> None:
    with pytest.raises(RecordNotFound, match="v00009 of 'tides' is not registered"):
        live.publish(9, TWO)


@pytest.mark.parametrize("name", ["model.onnx", "model.skops", "profile.json"])
@pytest.mark.parametrize("kind", ["tampered", "truncated", "swapped"])
def test_a_bad_artifact_is_not_registered(world: Any, name: str, kind: str) -> None:
    world.released(ONE)
    world.run(TWO)
    at = f"{names.run('tides', TWO)}final/{name}"
    sound = world.objects.get(at)
    swapped = world.objects.get(f"{names.run('tides', ONE)}final/model.onnx")
    bad = {"tampered": sound + b"!", "truncated": sound[:-1], "swapped": swapped}[kind]
    world.objects.put(at, bad)
    with pytest.raises(ArtifactCorrupt, match=name):
        world.register(TWO)
    assert world.row(names.COUNTER_MODELS)["value"] == 1
    assert world.endpoints.alias("tides").version == "2"


@pytest.mark.parametrize("name", ["model.onnx", "model.skops", "profile.json"])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_is_not_registered_even_with_its_digest(world: Any, name: str, protocol: int) -> None:
    world.run(TWO)
    folder, body = names.run("tides", TWO), pickle.dumps({"a": "model"}, protocol)
    world.objects.put(f"{folder}final/{name}", body)
    final = world.fact(f"{folder}final/final.json")
    final["sha256"][name] = canonical.sha256(body)
    world.objects.put(f"{folder}final/final.json", canonical.dumps(final))
    with pytest.raises(ArtifactCorrupt, match=f"{name} of run .* is a pickle"):
        world.register(TWO)
    assert list(world.objects.keys("models/")) == []


def test_the_identity_hears_of_everything_that_makes_the_model(live: Any) -> None:
    told = live.fact(names.model("tides", 2) + "model.json")
    about = {"identity", "version", "run_id", "dataset_version", "metrics", "baseline", "gates", "max_instances"}
    assert set(told) - about - {"created"} <= set(soundness.CONTENT)
    assert soundness.identity(told) == told["identity"]
    for name in soundness.CONTENT:
        assert soundness.identity({**told, name: "another"}) != told["identity"]
    for name in about:
        assert soundness.identity({**told, name: "another"}) == told["identity"]


def test_a_refusal_is_counted_and_goes_on() -> None:
    written: list[str] = []
    with (
        pytest.raises(ArtifactCorrupt),
        soundness.counted("tides", stage="dev", clock=lambda: AT, write=written.append),
    ):
        raise ArtifactCorrupt("changed")
    (line,) = [json.loads(text) for text in written]
    (declared,) = line["_aws"]["CloudWatchMetrics"]
    assert declared["Dimensions"] == [["project"], ["project", "stage"]]
    assert (line["project"], line["stage"], line["ArtifactsRefused"]) == ("tides", "dev", 1)
    with (
        pytest.raises(ConflictError),
        soundness.counted("tides", stage="dev", clock=lambda: AT, write=written.append),
    ):
        raise ConflictError("someone was first")
    with soundness.counted("tides", stage="dev", clock=lambda: AT, write=written.append):
        pass
    assert len(written) == 1


@pytest.mark.parametrize("module", [register_model, publish_version], ids=["register_model", "publish_version"])
def test_the_functions_count_what_they_refuse(
    live: Any, module: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    live.run("tides-v00003")
    live.objects.put(f"{names.run('tides', 'tides-v00003')}final/model.onnx", b"other")
    live.objects.put(key(2), b"other")
    ports = ("objects", "index", "endpoints", "guards")
    wiring = SimpleNamespace(**{name: (lambda port: lambda: port)(getattr(live, name)) for name in ports})
    monkeypatch.setattr(module, "wiring", wiring)
    monkeypatch.setattr(module, "settings", lambda: SimpleNamespace(model_room={}), raising=False)
    monkeypatch.setattr(module, "now", live.clock)
    monkeypatch.setattr(module, "settings", lambda: Settings(stage="dev", bucket="b", table="t"))
    monkeypatch.setattr(module, "projects", SimpleNamespace(load=lambda name: live.problem))
    event = {"project": "tides", "run_id": "tides-v00003", "release_id": TWO, "model_version": 2}
    with pytest.raises(ArtifactCorrupt):
        module.handler(event, CONTEXT)
    assert '"ArtifactsRefused":1' in capsys.readouterr().out
