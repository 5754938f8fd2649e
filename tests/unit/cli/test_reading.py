"""What the commands show, from ports in memory."""

import json
from typing import Any

import pytest

from cli import reading
from cli.errors import NotFound
from tidemill import names
from tidemill.adapters.memory import MemoryIndex, MemoryObjects
from tidemill.ports import Put

PROJECT = "flights"
CHAMPION = {"model": 1, "function_version": "2"}
CHALLENGER = {"model": 2, "function_version": "3"}


@pytest.fixture
def index() -> MemoryIndex:
    return MemoryIndex()


@pytest.fixture
def objects() -> MemoryObjects:
    return MemoryObjects()


def put(index: MemoryIndex, sk: str, **row: Any) -> None:
    index.transact([Put(names.pk(PROJECT), sk, row)])


def write(objects: MemoryObjects, key: str, value: Any) -> None:
    objects.put(key, json.dumps(value).encode())


def test_log_is_newest_first(index: MemoryIndex) -> None:
    for number in (1, 2, 3):
        put(index, names.sk_dataset(number), version=number)
        put(index, names.sk_upload(f"{3 - number}-id"), upload_id=f"{3 - number}-id", at=f"2025-01-0{number}")
    facts = reading.log(index, PROJECT, limit=2)
    assert [row["version"] for row in facts["versions"]] == [3, 2]
    assert [row["at"] for row in facts["uploads"]] == ["2025-01-03", "2025-01-02"]
    assert not {"pk", "sk"} & facts["versions"][0].keys()


def test_another_project_is_not_seen(index: MemoryIndex) -> None:
    put(index, names.sk_run("flights-v00001"), run_id="flights-v00001", at="2025-01-01")
    assert reading.runs(index, "diamonds") == []


@pytest.mark.parametrize(
    ("pointer", "shares"),
    [
        ({}, {}),
        ({"champion": CHAMPION, "challenger": None, "weight": 0.0}, {1: 1.0}),
        ({"champion": CHAMPION, "challenger": CHALLENGER, "weight": 0.1}, {1: 0.9, 2: 0.1}),
        ({"champion": CHAMPION, "challenger": CHALLENGER, "weight": 0.0}, {1: 1.0}),
    ],
)
def test_shares_add_up(index: MemoryIndex, pointer: dict[str, Any], shares: dict[int, float]) -> None:
    if pointer:
        put(index, names.POINTER_LIVE, epoch=4, **pointer)
    assert reading.live_shares(reading.live(index, PROJECT)) == pytest.approx(shares)


def test_models_carry_their_share(index: MemoryIndex) -> None:
    put(index, names.POINTER_LIVE, epoch=1, champion=CHAMPION, challenger=CHALLENGER, weight=0.3)
    for number in (1, 2, 3):
        put(index, names.sk_model(number), version=number)
    found = {row["version"]: row["share"] for row in reading.models(index, PROJECT)}
    assert found == pytest.approx({3: 0.0, 2: 0.3, 1: 0.7})


def test_release_is_the_latest_with_its_looks(index: MemoryIndex, objects: MemoryObjects) -> None:
    for release_id, at in (("flights-v00002", "2025-01-02"), ("flights-v00001-manual-x", "2025-01-03")):
        put(index, names.sk_release(release_id), release_id=release_id, at=at, state="running")
    folder = names.release(PROJECT, "flights-v00001-manual-x")
    for number in (1, 2):
        write(objects, f"{folder}look-{number:04d}.json", {"look": number})
    facts = reading.release(index, objects, PROJECT)
    assert facts["release"]["release_id"] == "flights-v00001-manual-x"
    assert [look["look"] for look in facts["looks"]] == [1, 2]
    assert facts["decision"] is None


def test_run_without_evaluation_yet(index: MemoryIndex, objects: MemoryObjects) -> None:
    put(index, names.sk_run("r"), run_id="r", state="running", at="2025-01-01")
    write(objects, names.run(PROJECT, "r") + "trials/0003.json", {"trial": 3, "value": 0.2})
    facts = reading.run(index, objects, PROJECT, "r")
    assert facts["trials_done"] == [{"trial": 3, "value": 0.2}]
    assert facts["evaluation"] is None


def test_trials_are_read_once(objects: MemoryObjects) -> None:
    key = names.run(PROJECT, "r") + "trials/0000.json"
    write(objects, key, {"trial": 0})
    known: dict[str, Any] = {}
    assert reading.trials(objects, PROJECT, "r", known) == [{"trial": 0}]
    objects.versions[key] = [b"not read again"]
    assert reading.trials(objects, PROJECT, "r", known) == [{"trial": 0}]


def test_quarantined_upload_has_its_reason(index: MemoryIndex, objects: MemoryObjects) -> None:
    put(index, names.sk_upload("u"), upload_id="u", state="quarantined", code="not_csv")
    write(objects, names.quarantine(PROJECT, "u") + "reason.json", {"reason": "the file is binary"})
    assert reading.upload(index, objects, PROJECT, "u")["quarantine"]["reason"] == "the file is binary"


def test_report_is_of_the_latest_checked_window(index: MemoryIndex, objects: MemoryObjects) -> None:
    for number, state in ((1, "checked"), (2, "checked"), (3, "closed")):
        put(
            index,
            names.sk_window(f"{number:05d}"),
            window_id=f"{number:05d}",
            state=state,
            to=f"2025-01-0{number}",
        )
    write(objects, names.window(PROJECT, "00002") + "report.json", {"drifted": True})
    facts = reading.window(index, objects, PROJECT)
    assert (facts["window_id"], facts["findings"]) == ("00002", {"drifted": True})
    assert reading.window(index, objects, PROJECT, "00001")["findings"] is None


def test_windows_are_newest_first_by_number(index: MemoryIndex) -> None:
    """The second holds late captures of a day before the first."""
    put(index, names.sk_window("00001"), window_id="00001", state="checked", to="2025-01-02")
    put(index, names.sk_window("00002"), window_id="00002", state="checked", to="2025-01-01")
    found = reading.windows(index, PROJECT)
    assert [row["window_id"] for row in found] == ["00002", "00001"]
    assert not {"pk", "sk"} & found[0].keys()


@pytest.mark.parametrize(
    ("look", "where"),
    [
        (lambda i, o: reading.version(i, o, PROJECT, 7), "data log"),
        (lambda i, o: reading.upload(i, o, PROJECT, "u"), "data log"),
        (lambda i, o: reading.run(i, o, PROJECT, "r"), "runs list"),
        (lambda i, o: reading.model(i, o, PROJECT, 1), "models list"),
        (lambda i, o: reading.release(i, o, PROJECT), "data push"),
        (lambda i, o: reading.release(i, o, PROJECT, "r"), "release status"),
        (lambda i, o: reading.window(i, o, PROJECT), "monitor run"),
    ],
)
def test_what_is_missing_is_told_with_a_remedy(
    index: MemoryIndex, objects: MemoryObjects, look: Any, where: str
) -> None:
    with pytest.raises(NotFound, match=where):
        look(index, objects)
