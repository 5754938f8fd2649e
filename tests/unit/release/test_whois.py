"""From a prediction id to the model, its data and run, its approver, and who else answered at that moment."""

import gzip
import json
from datetime import timedelta
from typing import Any

import pytest

from tidemill import names
from tidemill.errors import RecordNotFound, RequestInvalid
from tidemill.release import whois

ONE, TWO = "tides-v00001", "tides-v00002"


def keep(world: Any, name: str, *lines: Any, back: int = 0) -> str:
    """Capture lines under a day; what is no object is written as it is."""
    day = (world.now - timedelta(days=back)).date().isoformat()
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    key = f"{names.captured('tides', day)}{name}.jsonl.gz"
    world.objects.put(key, gzip.compress(text.encode()))
    return key


def line(world: Any, request_id: str, *, variant: str = "2", model: int = 1, rows: int = 2) -> dict[str, Any]:
    items = [{"prediction_id": f"{request_id}.{row}", "prediction": 1, "features": {}} for row in range(rows)]
    told = {"request_id": request_id, "variant": variant, "model_version": model, "at": world.now.isoformat()}
    return {**told, "entity_id": None, "instances": items}


def search(world: Any, prediction_id: str, days: int = 90) -> Any:
    return whois.captured(world.objects, "tides", prediction_id, last=world.now.date(), days=days)


def test_the_line_is_found_among_others_on_its_day(world: Any) -> None:
    keep(world, "a", line(world, "r1"), line(world, "r12"), back=3)
    key = keep(world, "b", line(world, "r2"), line(world, "r1234"), back=3)
    found = search(world, "r2.1")
    assert found is not None
    assert (found[0], found[1]["request_id"]) == (key, "r2")
    assert search(world, "r1.0")[1]["request_id"] == "r1"
    assert search(world, "r2.2") is None, "the request had two rows"
    assert search(world, "r123.0") is None
    assert search(world, "r2.1", days=3) is None, "it is a day older"
    assert search(world, "r2.1", days=4) == found


def test_what_cannot_be_read_hides_nothing(world: Any) -> None:
    broken = keep(world, "a", "{")
    world.objects.put(broken, b"\x1f\x8b cut off")
    odd = ['"r9"', '{"request_id": "r9"}', '{"request_id": "r9", "instances": 3}', "{r9", '{"x": "r9"}']
    keep(world, "b", *odd, line(world, "r9"))
    assert search(world, "r9.0")[1]["instances"][0]["prediction_id"] == "r9.0"


@pytest.mark.parametrize("wrong", ["", "r1", ".0", "r1.", "r1.x", "score-2026.7"])
def test_what_is_no_prediction_id_is_refused(world: Any, wrong: str) -> None:
    with pytest.raises(RequestInvalid, match="prediction id"):
        search(world, wrong)


def test_where_it_came_from_is_told_as_it_was_at_that_moment(world: Any) -> None:
    early = line(world, "r0")
    world.now += timedelta(hours=1)
    world.released(ONE)
    world.now += timedelta(hours=1)
    world.experiment(TWO)
    world.shift(TWO, 0)
    world.now += timedelta(hours=1)
    asked = line(world, "r1", variant="3", model=2)
    world.now += timedelta(hours=1)
    world.settle(TWO, "promote", "fine")
    found = whois.origin(world.index, "tides", asked)
    row = world.row(names.sk_model(2))
    assert found["model"] == {"version": 2, **{n: row[n] for n in ("identity", "run_id", "dataset_version")}}
    assert found["release"] == {"release_id": TWO, "state": "promoted", "approved_by": None}
    assert (found["role"], found["then"]["champion"]["model"], found["then"]["weight"]) == ("challenger", 1, 0.1)
    assert whois.origin(world.index, "tides", {**asked, "variant": "2", "model_version": 1})["role"] == "champion"
    older = whois.origin(world.index, "tides", early)
    assert (older["role"], older["then"]) == (None, None)
    with pytest.raises(RecordNotFound, match="rebuild"):
        whois.origin(world.index, "tides", {**asked, "model_version": 9})


def test_who_approved_is_told(make_world: Any) -> None:
    world = make_world(approval="required")
    world.run(ONE)
    world.register(ONE)
    world.ask(ONE)
    assert whois.origin(world.index, "tides", line(world, "r1"))["release"]["approved_by"] is None
    world.decide(ONE, "approve", by="arn:bob")
    assert whois.origin(world.index, "tides", line(world, "r1"))["release"]["approved_by"] == "arn:bob"
