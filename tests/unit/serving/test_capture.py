"""Capture lines fit into log events."""

import json

from tidemill.serving import capture


def test_no_line_is_longer_than_a_log_event_may_be() -> None:
    instances = [{"prediction_id": f"r.{n}", "features": {"text": "x" * 5000}} for n in range(100)]
    lines = list(capture.lines({"project": "tides"}, instances))
    assert max(map(len, lines)) < 256 * 1024
    assert [item for line in lines for item in json.loads(line)["instances"]] == instances
    assert all(json.loads(line)["kind"] == "TIDEMILL_CAPTURE" for line in lines)


def test_nothing_predicted_is_nothing_captured() -> None:
    assert list(capture.lines({"project": "tides"}, [])) == []
