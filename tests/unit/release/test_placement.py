"""Where a model goes when it is released: into its layer, or with a pointer to the bucket."""

import io
import json
import zipfile
from dataclasses import replace
from typing import Any

import pytest

from tidemill import canonical, names
from tidemill.errors import ArtifactCorrupt, ModelTooLarge, RecordNotFound
from tidemill.release import bundle, register_model

RUN = "tides-v00003"
FOLDER = names.model("tides", 1)


def serving(world: Any, **settings: Any) -> None:
    changed = world.problem.serving.model_copy(update=settings)
    world.problem = world.problem.model_copy(update={"serving": changed})


def needed(world: Any) -> int:
    """The bytes of the layer with the model."""
    with zipfile.ZipFile(io.BytesIO(world.objects.get(FOLDER + "bundle.zip"))) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def release(world: Any, release_id: str = RUN, room: int | None = None) -> str:
    """The number of the function version, its bundle being kept in `world.bundles`."""
    world.room = None if room is None else {"onnx": room}
    return world.publish(1, release_id)["function_version"]


def files(world: Any, key: str) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(world.objects.get(key))) as archive:
        return {name.removeprefix(bundle.PACKAGE): archive.read(name) for name in archive.namelist()}


@pytest.fixture
def registered(world: Any) -> Any:
    world.register(world.run(RUN))
    return world


def published(world: Any) -> list[str]:
    """The bundles that became layers, in their order."""
    return world.endpoints.bundles


@pytest.mark.parametrize("storage", ["layer", "auto"])
def test_a_model_that_just_fits_goes_into_its_layer(registered: Any, storage: str) -> None:
    serving(registered, storage=storage)
    release(registered, room=needed(registered))
    assert published(registered) == [FOLDER + "bundle.zip"]


def test_one_byte_more_and_it_stays_in_the_bucket(registered: Any) -> None:
    serving(registered, storage="auto")
    release(registered, room=needed(registered) - 1)
    (key,) = published(registered)
    assert key == names.release("tides", RUN) + "bundle.zip"
    found = files(registered, key)
    assert found.keys() == {"__init__.py", "model.json", "pointer.json"}
    assert found["model.json"] == registered.objects.get(FOLDER + "model.json")
    body = registered.objects.get(FOLDER + "model.onnx")
    assert json.loads(found["pointer.json"]) == {
        "key": FOLDER + "model.onnx",
        "version_id": "1",
        "sha256": canonical.sha256(body),
        "bytes": len(body),
    }


def test_one_byte_more_is_refused_with_the_setting_where_endpoints_may_read_nothing(registered: Any) -> None:
    with pytest.raises(ModelTooLarge, match=r"serving\.storage: auto.*deploy"):
        release(registered, room=needed(registered) - 1)
    assert published(registered) == []
    assert registered.index.get(names.pk("tides"), names.sk_release(RUN)) is None


def test_bucket_is_the_bucket_whatever_the_size(registered: Any) -> None:
    serving(registered, storage="bucket")
    release(registered)
    assert published(registered) == [names.release("tides", RUN) + "bundle.zip"]


def test_a_model_released_in_another_place_is_another_function_version(registered: Any) -> None:
    first = release(registered)
    serving(registered, storage="bucket")
    second = release(registered, "again")
    assert first != second
    serving(registered, storage="layer")
    assert release(registered, "back") == first


@pytest.mark.parametrize("setting", ["memory_mb", "temporary_storage_mb"])
def test_what_the_endpoint_cannot_hold_is_refused_with_the_setting(
    registered: Any, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving(registered, **{"storage": "bucket", "memory_mb": 1024, "temporary_storage_mb": 1024, setting: 512})
    head, larger = registered.objects.head, 512 << 20

    def sized(key: str, **more: Any) -> Any:
        found = head(key, **more)
        return replace(found, size=larger) if found and key == FOLDER + "model.onnx" else found

    monkeypatch.setattr(registered.objects, "head", sized)
    release(registered, "exactly")
    larger += 1
    with pytest.raises(ModelTooLarge, match=rf"serving\.{setting}` to more than 512"):
        release(registered)


@pytest.fixture
def by_skops(world: Any) -> Any:
    """A registered model that is served in its training form."""
    world.register(world.run(RUN, form="skops"))
    return world


def test_a_model_in_its_training_form_has_that_in_its_bundle_and_says_so(by_skops: Any, make_world: Any) -> None:
    found = files(by_skops, FOLDER + "bundle.zip")
    assert found.keys() == {"__init__.py", "model.json", "model.skops"}
    assert found["model.skops"] == by_skops.objects.get(FOLDER + "model.skops")
    assert json.loads(found["model.json"])["form"] == "skops"
    other = make_world()
    other.register(other.run(RUN))
    as_onnx = other.fact(FOLDER + "model.json")
    assert "form" not in as_onnx
    line = "| served in | its training form, as ONNX answers otherwise |"
    cards = [each.objects.get(FOLDER + "card.md").decode().splitlines() for each in (by_skops, other)]
    assert [line in card for card in cards] == [True, False]
    assert as_onnx["identity"] != json.loads(found["model.json"])["identity"]


def test_its_room_is_that_beside_other_layers_and_its_kind_names_it(by_skops: Any) -> None:
    serving(by_skops, storage="auto")
    by_skops.room = {"onnx": 0, "skops": needed(by_skops)}
    by_skops.publish(1, RUN)
    by_skops.room = {"onnx": 1 << 30, "skops": needed(by_skops) - 1}
    by_skops.publish(1, "again")
    assert by_skops.endpoints.kinds == ["skops", "skops bucket"]
    assert published(by_skops) == [FOLDER + "bundle.zip", names.release("tides", "again") + "bundle.zip"]
    pointer = json.loads(files(by_skops, published(by_skops)[1])["pointer.json"])
    assert pointer["key"] == FOLDER + "model.skops"


def test_kinds_of_onnx(registered: Any) -> None:
    release(registered)
    serving(registered, storage="bucket")
    release(registered, "again")
    assert registered.endpoints.kinds == ["", "bucket"]


def test_a_file_that_is_not_the_registered_one_is_not_pointed_to(registered: Any) -> None:
    serving(registered, storage="bucket")
    registered.objects.put(FOLDER + "model.onnx", b"swapped")
    with pytest.raises(ArtifactCorrupt, match=r"model\.onnx has SHA-256"):
        release(registered)
    assert published(registered) == []


def test_a_file_that_is_gone_is_not_pointed_to(registered: Any) -> None:
    serving(registered, storage="bucket")
    registered.objects.delete(FOLDER + "model.onnx")
    with pytest.raises(RecordNotFound, match="restore it"):
        release(registered)


def test_publication_to_the_bucket_survives_a_kill_at_any_call(make_world: Any, survive: Any) -> None:
    def make() -> Any:
        world = make_world()
        world.register(world.run(RUN))
        serving(world, storage="bucket")
        return world

    assert survive(make, release) > 8


def test_a_model_that_no_layer_can_hold_gets_no_bundle_and_is_checked_in_a_stream(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(register_model.bundle, "LIMIT", 100)
    monkeypatch.setattr(world.objects, "chunks", Streams(world.objects))
    world.register(world.run(RUN))
    assert not world.objects.exists(FOLDER + "bundle.zip")
    assert FOLDER + "model.onnx" in world.objects.chunks.read
    serving(world, storage="auto")
    release(world)
    assert published(world) == [names.release("tides", RUN) + "bundle.zip"]


def test_a_copy_that_no_layer_can_hold_and_that_is_not_the_registered_one_is_refused(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(register_model.bundle, "LIMIT", 100)
    world.run(RUN)
    copy = world.objects.copy_new

    def tampered(source: str, target: str, **more: Any) -> bool:
        return world.objects.put_new(target, b"x" * 200) if target.endswith(".onnx") else copy(source, target)

    monkeypatch.setattr(world.objects, "copy_new", tampered)
    with pytest.raises(ArtifactCorrupt, match=r"model\.onnx of tides v00001"):
        world.register(RUN)


def test_a_bundle_at_the_limit_is_made(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world.register(world.run(RUN))
    size = needed(world)
    for limit, made in ((size, True), (size - 1, False)):
        again = type(world)()
        monkeypatch.setattr(register_model.bundle, "LIMIT", limit)
        again.register(again.run(RUN))
        assert again.objects.exists(FOLDER + "bundle.zip") is made


class Streams:
    """Notes which keys are streamed."""

    def __init__(self, objects: Any) -> None:
        self.chunks, self.read = objects.chunks, set()

    def __call__(self, key: str, **more: Any) -> Any:
        self.read.add(key)
        return self.chunks(key, **more)
