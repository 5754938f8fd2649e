"""What a project's settings keep out of the capture: whole requests, features, the entity's id."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.serving.test_endpoint import AT, GOOD, event
from tidemill import projects
from tidemill.adapters.memory import MemoryObjects
from tidemill.errors import ProjectInvalid
from tidemill.projects.serving import capture_carried
from tidemill.serving import capture
from tidemill.serving.deliver_capture import deliver_capture
from tidemill.serving.endpoint import respond
from tidemill.serving.model import Model

SETTINGS = {"share": 1, "mask": [], "entity": "keep"}
PREDICTIONS = "Predictions"


def lines(model: Model, body: Any, request_id: str = "r1", **settings: Any) -> list[str]:
    """What a model under these settings writes about a request."""
    written: list[str] = []
    told = replace(model, document={**model.document, "capture": {**SETTINGS, **settings}})
    given = {"model": lambda: told, "request_id": request_id, "variant": "9", "at": AT, "write": written.append}
    response = respond(event(json.dumps(body)), **given)
    assert response["statusCode"] == 200
    return written


def captured(model: Model, body: Any, **settings: Any) -> dict[str, Any]:
    line, metrics = lines(model, body, **settings)
    assert deliver_capture([line, metrics], objects=MemoryObjects())["corrupt"] == 0
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_masked_feature_never_leaves_and_the_line_says_so(model: Model) -> None:
    found = captured(model, {"instances": [GOOD, GOOD]}, mask=["delay", "carrier"])
    assert [set(item["features"]) for item in found["instances"]] == [{"stops", "wind", "gate"}] * 2
    assert found["masked"] == ["delay", "carrier"]
    assert "12.5" not in json.dumps(found)


def test_a_masked_request_is_answered_as_any_other(model: Model) -> None:
    whole = captured(model, {"instances": [GOOD]})["instances"][0]
    masked = captured(model, {"instances": [GOOD]}, mask=["delay"])["instances"][0]
    assert masked["probability"] == whole["probability"] and "masked" not in captured(model, {"instances": [GOOD]})


def test_a_request_is_captured_whole_or_not_at_all_and_counted_in_any_case(model: Model) -> None:
    body = {"instances": [{"delay": n, "carrier": "AA"} for n in range(250)]}
    seen = 0
    for number in range(60):
        *found, metrics = lines(model, body, f"request-{number}", share=0.5)
        instances = [item for line in found for item in json.loads(line)["instances"]]
        assert len(instances) in (0, 250)
        assert all(json.loads(line)["share"] == 0.5 for line in found)
        assert json.loads(metrics)[PREDICTIONS] == 250
        assert bool(found) == capture.sampled(f"request-{number}", 0.5)
        seen += bool(found)
    assert 15 < seen < 45


def test_a_share_of_nothing_captures_nothing(model: Model) -> None:
    (metrics,) = lines(model, {"instances": [GOOD]}, share=0)
    assert json.loads(metrics)[PREDICTIONS] == 1


def test_samples_have_their_share_and_hold_the_smaller_ones() -> None:
    ids = [f"{number:08x}-request" for number in range(20_000)]
    small, large = ({each for each in ids if capture.sampled(each, share)} for share in (0.1, 0.3))
    assert small < large
    assert abs(len(small) - 2000) < 5 * (20_000 * 0.1 * 0.9) ** 0.5
    assert all(capture.sampled(each, 1) for each in ids) and not any(capture.sampled(each, 0) for each in ids)


def test_an_entity_is_kept_hashed_or_dropped(model: Model) -> None:
    body = {"instances": [GOOD], "entity_id": "anna@example.org"}
    kept, hashed, dropped = (captured(model, body, entity=word)["entity_id"] for word in ("keep", "hash", "drop"))
    assert (kept, dropped) == ("anna@example.org", None)
    assert hashed == capture.pseudonym("tides", "anna@example.org") and "anna" not in hashed
    assert captured(model, {"instances": [GOOD]}, entity="hash")["entity_id"] is None


def test_a_pseudonym_stays_itself_and_is_another_in_each_project() -> None:
    once = capture.pseudonym("tides", "anna")
    assert capture.pseudonym("tides", once) == once
    assert len({once, capture.pseudonym("depths", "anna"), capture.pseudonym("tides", "bert")}) == 3
    assert capture.pseudonym("tides", "hash-but-no-hash") != "hash-but-no-hash"


def project(**changes: Any) -> projects.Project:
    columns = {"high": {"type": "integer"}, "moon": {"type": "number"}, "name": {"type": "category"}}
    columns |= {"boat": {"type": "category"}}
    document = {"name": "tides", "description": "High?", "task": "classification", "target": "high"}
    return projects.parse({**document, "columns": columns, "features": ["moon", "name"], **changes})


def test_nothing_is_carried_of_what_is_so_by_default() -> None:
    assert capture_carried(project()) == {}
    assert project().serving.carried() == {}


def test_columns_with_personal_data_are_masked_in_any_case() -> None:
    quality = {"personal_columns": ["name", "boat"]}
    told = {"share": 1, "mask": ["name"], "entity": "hash"}
    assert capture_carried(project(quality=quality, entity="boat")) == {"capture": told}
    kept = project(quality=quality, entity="boat", serving={"capture": {"entity": "keep", "mask": ["moon"]}})
    assert capture_carried(kept) == {"capture": {"share": 1, "mask": ["moon", "name"], "entity": "keep"}}


def test_the_capture_is_no_part_of_how_requests_are_imputed() -> None:
    serving = {"missing": "impute", "capture": {"share": 0.1}}
    assert project(serving=serving).serving.carried() == {
        "serving": {"missing": "impute", "out_of_range": "refuse"}
    }


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"serving": {"capture": {"mask": ["boat"]}}}, "are no features"),
        ({"serving": {"capture": {"share": 1.5}}}, "serving.capture.share"),
        ({"serving": {"capture": {"entity": "forget"}}}, "serving.capture.entity"),
        ({"serving": {"capture": {"mask": ["moon"]}}, "rollout": {"covariate": "moon"}}, "is masked"),
        ({"serving": {"capture": {"entity": "drop"}}, "rollout": {"unit": "entity"}}, "take hash"),
        ({"serving": {"outcomes": {"within_hours": 2161}}}, "within_hours"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ProjectInvalid, match=told):
        project(**changes)
