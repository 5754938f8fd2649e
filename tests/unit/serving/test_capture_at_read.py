"""What is captured is delivered at least once, late, and among broken lines; every reader counts it once."""

import gzip
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.monitoring.conftest import DOCUMENT, NOON
from tidemill import names, projects
from tidemill.adapters.memory import MemoryObjects
from tidemill.monitoring.captured import Captured
from tidemill.release import experiment
from tidemill.serving import capture, intake
from tidemill.serving.deliver_capture import deliver_capture

PROJECT = projects.parse(DOCUMENT).name


def line(request_id: str, at: datetime = NOON, **more: Any) -> str:
    head = {"project": PROJECT, "at": at.isoformat(), "request_id": request_id, "variant": "2"}
    head |= {"model_version": 1, "entity_id": "anna"}
    instance = {"prediction_id": f"{request_id}.0", "prediction": 1.5, "features": {"wind": 3.0}}
    (text,) = capture.lines({**head, **more}, [instance])
    return text


def read(objects: MemoryObjects, since: datetime = NOON - timedelta(days=3)) -> tuple[set[str], set[str], int]:
    """The prediction ids that a release reads and those that windows read, and what the release could not read."""
    counted: Counter[str] = Counter()
    span: dict[str, Any] = {"since": since, "until": NOON, "counted": counted}
    requests = experiment.read_requests(objects, PROJECT, **span)
    window = Captured()
    for key in objects.keys(names.captured(PROJECT)):
        window.read(objects.get(key), project=PROJECT)
    return (
        {each for request in requests.values() for each in request.answers},
        set(window.predictions),
        counted.total(),
    )


def test_a_line_delivered_twice_in_different_company_counts_once() -> None:
    objects = MemoryObjects()
    deliver_capture([line("r"), line("s")], objects=objects)
    deliver_capture([line("s"), line("t")], objects=objects)
    deliver_capture([line("t"), line("t")], objects=objects)
    assert len(list(objects.keys(names.captured(PROJECT)))) == 3
    wanted = {"r.0", "s.0", "t.0"}
    assert read(objects) == (wanted, wanted, 0)


def test_a_line_of_yesterday_delivered_today_lies_under_yesterday_and_is_read() -> None:
    objects = MemoryObjects()
    deliver_capture([line("r")], objects=objects)
    before = read(objects)
    deliver_capture([line("s", NOON - timedelta(days=1)), line("t")], objects=objects)
    assert len(list(objects.keys(names.captured(PROJECT, "2026-03-19")))) == 1
    assert before == ({"r.0"}, {"r.0"}, 0)
    assert read(objects) == ({"r.0", "s.0", "t.0"}, {"r.0", "s.0", "t.0"}, 0)
    assert read(objects, since=NOON)[0] == {"r.0", "t.0"}


@pytest.mark.parametrize(
    "poison",
    [
        b"no gzip at all",
        gzip.compress(b"x" * 5000)[:40],
        gzip.compress(b"{half\n"),
        gzip.compress(b"[]\n"),
        gzip.compress(line("p").replace('"at"', '"when"').encode()),
        gzip.compress(line("p").replace('"prediction_id"', '"id"').encode()),
        gzip.compress(json.dumps({**json.loads(line("p")), "instances": 3}).encode()),
    ],
)
def test_a_broken_object_stops_no_reader_and_is_counted(poison: bytes) -> None:
    objects = MemoryObjects()
    deliver_capture([line("r")], objects=objects)
    objects.put_new(names.captured(PROJECT, "2026-03-20") + "poison.jsonl.gz", poison)
    assert read(objects) == ({"r.0"}, {"r.0"}, 1)


CORRUPT = ["TIDEMILL_CAPTURE, half a li", line("r")[:-3], '{"kind":"TIDEMILL_CAPTURE","x":"\ud83c"}']


def quarantined(objects: MemoryObjects) -> dict[str, bytes]:
    return {key: objects.get(key) for key in objects.keys(names.QUARANTINE)}


def test_corrupt_lines_are_kept_as_they_came() -> None:
    objects = MemoryObjects()
    for _ in range(2):
        counts = deliver_capture([CORRUPT[0], line("s"), CORRUPT[1], CORRUPT[2]], objects=objects, source="tides")
        assert counts == {"delivered": 1, "corrupt": 3}
    ((key, body),) = quarantined(objects).items()
    assert key.startswith("quarantine/tides/capture/")
    assert body.decode(errors="surrogatepass").splitlines() == CORRUPT
    assert len(objects.versions[key]) == 1


def test_what_a_corrupt_line_says_of_its_project_is_not_trusted() -> None:
    objects = MemoryObjects()
    deliver_capture([line("r", project="../other"), line("r", project="depths", variant=3)], objects=objects)
    assert [key.split("/")[1] for key in quarantined(objects)] == [intake.NO_PROJECT]


class Dies(MemoryObjects):
    """Its process is killed at one of its writes: before it, or after it, the reply lost."""

    def __init__(self, at: int, after: bool) -> None:
        super().__init__()
        self.left, self.after = at, after

    def put_new(self, key: str, body: bytes, *, content_type: str = "application/octet-stream") -> bool:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise KeyboardInterrupt
        done = super().put_new(key, body, content_type=content_type)
        if self.left == 0:
            raise KeyboardInterrupt
        return done


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("after", [False, True])
def test_a_delivery_that_was_killed_is_done_again_without_a_trace(at: int, after: bool) -> None:
    whole, killed = MemoryObjects(), Dies(at, after)
    sent = [line("r"), CORRUPT[0], line("s", NOON - timedelta(days=1))]
    deliver_capture(sent, objects=whole, source="tides")
    with pytest.raises(KeyboardInterrupt):
        deliver_capture(sent, objects=killed, source="tides")
    assert deliver_capture(sent, objects=killed, source="tides") == {"delivered": 2, "corrupt": 1}
    assert killed.versions == whole.versions and len(whole.versions) == 3


@pytest.mark.parametrize(
    ("group", "project"),
    [
        ("/aws/lambda/tidemill-dev-tides-predict", "tides"),
        ("/aws/lambda/tidemill-dev-my-tides-predict", "my-tides"),
        ("/aws/lambda/tidemill-test-tides-predict", "_"),
        ("/aws/lambda/tidemill-dev--predict", "_"),
        ("/aws/lambda/tidemill-dev-a/b-predict", "_"),
        ("", "_"),
    ],
)
def test_the_log_group_says_whose_endpoint_it_was(group: str, project: str) -> None:
    assert intake.project_of_logs("dev", group) == project


def test_the_days_are_those_of_utc() -> None:
    objects = MemoryObjects()
    deliver_capture([line("r", datetime(2026, 3, 20, 0, 30, tzinfo=UTC))], objects=objects)
    assert read(objects, since=datetime(2026, 3, 20, tzinfo=UTC))[0] == {"r.0"}


def test_an_object_that_expired_since_it_was_listed_stops_no_release(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = MemoryObjects()
    deliver_capture([line("r")], objects=objects)
    gone = names.captured(PROJECT, "2026-03-20") + "gone.jsonl.gz"
    keys = objects.keys
    monkeypatch.setattr(objects, "keys", lambda prefix, **more: [*keys(prefix, **more), gone])
    counted: Counter[str] = Counter()
    found = experiment.read_requests(objects, PROJECT, since=NOON, until=NOON, counted=counted)
    assert (set(found), counted) == ({"r"}, {"unreadable": 1})
