"""Registering a run's model: the folder, the number, the evidence; once, whatever happens on the way."""

import io
import json
import re
import zipfile
from html import unescape
from typing import Any

import pytest

from tidemill import canonical, names, projects
from tidemill.errors import ArtifactCorrupt, RecordNotFound, RunFailed
from tidemill.release import bundle

RUN = "tides-v00003"
CARDS = ("card.md", "card.html", "card.json")


def test_a_model_version_is_a_folder_with_its_evidence(world: Any) -> None:
    assert world.register(world.run(RUN)) == 1
    folder = names.model("tides", 1)
    keys = {key.removeprefix(folder) for key in world.objects.keys(folder)}
    assert keys == {"model.json", "model.onnx", "model.skops", "profile.json", *CARDS, "bundle.zip"}
    document = world.fact(folder + "model.json")
    assert {name: document[name] for name in ("project", "version", "run_id", "dataset_version", "task")} == {
        "project": "tides",
        "version": 1,
        "run_id": RUN,
        "dataset_version": 3,
        "task": "classification",
    }
    assert document["metrics"] == {"log_loss": 0.41, "auc": 0.8}
    assert document["threshold"] == 0.35
    for name, digest in document["sha256"].items():
        assert canonical.sha256(world.objects.get(folder + name)) == digest
    row = world.row(names.sk_model(1))
    assert (row["state"], row["run_id"], row["identity"]) == ("registered", RUN, document["identity"])
    assert world.row(names.sk_run(RUN))["model_version"] == 1


def test_a_model_carries_the_settings_of_the_capture(world: Any) -> None:
    world.problem = projects.parse(
        {**world.problem.model_dump(mode="json"), "serving": {"capture": {"share": 0.5, "mask": ["harbour"]}}}
    )
    document = world.fact(names.model("tides", world.register(world.run(RUN))) + "model.json")
    assert document["capture"] == {"share": 0.5, "mask": ["harbour"], "entity": "keep"}


def test_numbers_are_dense_and_a_run_keeps_its_own(world: Any) -> None:
    runs = [world.run(f"tides-v0000{n}") for n in (1, 2, 3)]
    assert [world.register(run) for run in runs] == [1, 2, 3]
    assert [world.register(run) for run in runs] == [1, 2, 3]
    assert world.row(names.COUNTER_MODELS)["value"] == 3


def test_the_identity_is_that_of_the_content(world: Any) -> None:
    for run in ("tides-v00001", "tides-v00002"):
        world.register(world.run(run))
    first, second = (world.fact(names.model("tides", n) + "model.json")["identity"] for n in (1, 2))
    assert first != second
    again = type(world)()
    again.register(again.run("tides-v00001"))
    assert again.fact(names.model("tides", 1) + "model.json")["identity"] == first


@pytest.mark.parametrize("name", ["model.onnx", "model.skops", "profile.json"])
def test_an_artifact_that_is_not_the_recorded_one_is_not_registered(world: Any, name: str) -> None:
    world.run(RUN)
    world.objects.put(f"{names.run('tides', RUN)}final/{name}", b"something else")
    with pytest.raises(ArtifactCorrupt, match=name):
        world.register(RUN)
    assert list(world.objects.keys("models/")) == []


def test_a_run_that_did_not_pass_is_not_registered(world: Any) -> None:
    with pytest.raises(RunFailed, match="over_champion refused"):
        world.register(world.run(RUN, passed=False))


def test_a_run_that_does_not_exist(world: Any) -> None:
    with pytest.raises(RecordNotFound, match="list the project's runs"):
        world.register("tides-v00099")


def test_registration_survives_a_kill_at_any_call(make_world: Any, survive: Any) -> None:
    def make() -> Any:
        world = make_world()
        world.register(world.run("tides-v00002"))
        world.run(RUN)
        return world

    assert survive(make, lambda world: world.register(RUN)) > 10


def test_a_registration_that_died_is_finished_by_the_next_one(
    make_world: Any, killed: type[BaseException]
) -> None:
    # Killed anywhere and never tried again, the first run leaves no gap and no mixture of two models.
    calls = 0
    while True:
        world = make_world()
        world.run("tides-v00001")
        world.run("tides-v00002")
        world.life.calls = calls
        try:
            world.register("tides-v00001")
        except killed:
            pass
        else:
            break
        number = world.register("tides-v00002")
        assert sorted({key.split("/")[2] for key in world.objects.keys("models/")}) == [
            f"v{n:05d}" for n in range(1, number + 1)
        ]
        for version in range(1, number + 1):
            folder = names.model("tides", version)
            run_id = world.row(names.sk_model(version))["run_id"]
            assert world.fact(folder + "model.json")["run_id"] == run_id
            assert world.objects.get(folder + "model.onnx") == f"model.onnx of {run_id}".encode()
        assert world.register("tides-v00001") in (1, 2)
        assert world.row(names.COUNTER_MODELS)["value"] == 2
        calls += 1
    assert calls > 10


def test_the_bundle_is_a_layer_and_always_the_same_bytes(world: Any) -> None:
    world.register(world.run(RUN))
    folder = names.model("tides", 1)
    zipped = world.objects.get(folder + "bundle.zip")
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        package = "python/tidemill_model/"
        assert archive.namelist() == [package + name for name in ("__init__.py", "model.json", "model.onnx")]
        assert archive.read(package + "model.onnx") == world.objects.get(folder + "model.onnx")
        document = json.loads(archive.read(package + "model.json"))
        assert document == world.fact(folder + "model.json")
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}
    files = {"model.json": canonical.dumps(document), "model.onnx": world.objects.get(folder + "model.onnx")}
    assert bundle.build(dict(reversed(files.items()))) == zipped


def test_the_page_and_the_facts_of_the_card_say_what_the_card_says(world: Any) -> None:
    world.register(world.run(RUN))
    folder = names.model("tides", 1)
    text, page, facts = (world.objects.get(folder + name).decode() for name in CARDS)
    told = re.sub(r"<[^>]*>", " ", page.split("</style>")[1])
    for word in set(re.findall(r"[A-Za-z0-9.]{4,}", text)):
        assert word in unescape(told), word
    assert page.count("<table>") == text.count("\n| ---") == page.count("</table>")
    assert told.count("|") == 1  # within a cell
    assert "`" not in told
    known = json.loads(facts)
    assert known["model"] == json.loads(world.objects.get(folder + "model.json"))
    assert known["evaluation"]["gates"]
    assert known["problem"]["target"] == "high"


def test_the_card_tells_people_what_the_model_is(world: Any) -> None:
    world.register(world.run(RUN))
    card = world.objects.get(names.model("tides", 1) + "card.md").decode()
    for line in (
        "# tides v00001",
        "Will the tide be high?",
        "| log_loss | 0.41 |  | 0.61 | 0.43 |",
        "| auc | 0.8 |  |  |  |",
        "| over_baseline | passed | 33 % better |",
        "| champion | waived | worse (waived: a rehearsal \\| by hand) |",
        "| harbour | category | yes | a, b |",
        "| moon | number | no | from 0 |",
        "| trained on | dataset version 3 |",
        f"| run | {RUN} |",
    ):
        assert line in card.splitlines()


def test_what_a_run_says_of_serving_travels_with_the_model(world: Any) -> None:
    imputing = {"missing": "impute", "out_of_range": "refuse"}
    world.run("r1")
    world.run("r2", serving=imputing)
    first, second = (world.fact(names.model("tides", world.register(run)) + "model.json") for run in ("r1", "r2"))
    assert "serving" not in first
    assert second["serving"] == imputing
