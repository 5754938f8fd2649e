"""What a release points to is what was registered: document, file, and a bundle that stands from before."""

import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from tidemill import canonical, names
from tidemill.errors import ArtifactCorrupt
from tidemill.release import bundle
from tidemill.serving.forms import FORMS

RUN = "tides-v00003"
FOLDER = names.model("tides", 1)
PACKED = names.release("tides", RUN) + "bundle.zip"


@pytest.fixture(params=FORMS)
def kept(world: Any, request: pytest.FixtureRequest) -> Any:
    """A registered model of each form, whose file stays in the bucket."""
    form = request.param
    world.register(world.run(RUN, form=None if form == "onnx" else form))
    changed = world.problem.serving.model_copy(update={"storage": "bucket"})
    world.problem = world.problem.model_copy(update={"serving": changed})
    world.file = f"model.{form}"
    return world


def refused(world: Any, match: str) -> None:
    with pytest.raises(ArtifactCorrupt, match=match):
        world.publish(1, RUN)
    assert world.endpoints.bundles == []
    assert world.index.get(names.pk("tides"), names.sk_release(RUN)) is None


@pytest.mark.parametrize("changes", [{"threshold": 0.9}, {"version": 2}, {"project": "wines"}, {"form": "pickle"}])
def test_a_changed_document_is_not_published(kept: Any, changes: dict[str, Any]) -> None:
    kept.objects.put(FOLDER + "model.json", canonical.dumps({**kept.fact(FOLDER + "model.json"), **changes}))
    refused(kept, "not the registered")


def test_a_pickle_with_its_digest_is_not_pointed_to(kept: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can write the registry's row as well."""
    body = pickle.dumps({"a": "model"})
    kept.objects.put(FOLDER + kept.file, body)
    monkeypatch.setattr("tidemill.stored.digest", lambda chunks: [*chunks] and kept.told)
    kept.told = kept.fact(FOLDER + "model.json")["sha256"][kept.file]
    refused(kept, "pickle of protocol")


def standing(world: Any, **changes: Any) -> bytes:
    pointer = {
        "key": FOLDER + world.file,
        "version_id": "1",
        "sha256": world.fact(FOLDER + "model.json")["sha256"][world.file],
        "bytes": len(world.objects.get(FOLDER + world.file)),
    }
    files = {"model.json": world.objects.get(FOLDER + "model.json")}
    return bundle.build({**files, "pointer.json": json.dumps({**pointer, **changes}).encode()})


BAD: dict[str, Callable[[Any], bytes]] = {
    "no archive": lambda world: b"x",
    "no pointer": lambda world: bundle.build({"model.json": b"{}"}),
    "a pointer that is none": lambda world: bundle.build({"pointer.json": b"{"}),
    "a pointer of other fields": lambda world: bundle.build({"pointer.json": b'{"key": "x"}'}),
    "a list": lambda world: bundle.build({"pointer.json": b"[]"}),
    "another key": lambda world: bundle.build({
        "model.json": world.objects.get(FOLDER + "model.json"),
        "pointer.json": canonical.dumps({
            "key": "elsewhere", "version_id": "1", "bytes": len(world.objects.get(FOLDER + world.file)),
            "sha256": world.fact(FOLDER + "model.json")["sha256"][world.file],
        }),
    }),
    "packed otherwise": standing,
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_bundle_that_stands_and_is_another_is_not_published(kept: Any, kind: str) -> None:
    kept.objects.put(PACKED, BAD[kind](kept))
    refused(kept, "cannot be read|not as it is packed")


def test_a_standing_pointer_to_an_earlier_version_of_the_same_file_is_published(kept: Any) -> None:
    good = kept.objects.get(FOLDER + kept.file)
    kept.publish(1, RUN)
    earlier = kept.objects.get(PACKED)
    kept.objects.put(FOLDER + kept.file, good)
    kept.objects.put(names.release("tides", "another") + "bundle.zip", earlier)
    assert kept.publish(1, "another")["function_version"] == "2"


def test_a_standing_pointer_to_a_version_that_is_another_file_is_not_published(kept: Any) -> None:
    good = kept.objects.get(FOLDER + kept.file)
    kept.objects.put(FOLDER + kept.file, b"x" * len(good))
    spoilt = kept.objects.head(FOLDER + kept.file).version_id
    pointer = {
        "key": FOLDER + kept.file,
        "version_id": spoilt,
        "sha256": canonical.sha256(good),
        "bytes": len(good),
    }
    files = {"model.json": kept.objects.get(FOLDER + "model.json"), "pointer.json": canonical.dumps(pointer)}
    kept.objects.put(PACKED, bundle.build(files))
    kept.objects.put(FOLDER + kept.file, good)
    refused(kept, "has SHA-256")
