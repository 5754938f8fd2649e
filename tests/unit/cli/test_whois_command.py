"""`tidemill whois` on a stage with one captured request."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from cli.deployment import Deployment
from tidemill import names

Run = Callable[..., Any]
DAY = "2026-05-04"


@pytest.fixture
def captured(deployment: Deployment, put: Any) -> str:
    """The prediction id of an answer of model 2."""
    model = {"version": 2, "run_id": "flights-v00007", "dataset_version": 7, "identity": "ab" * 32}
    put(names.sk_model(2), **model)
    put(names.sk_approval("flights-v00007"), state="approved", by="arn:bob")
    answer = {"prediction_id": "r1.0", "prediction": 1, "probability": 0.62, "features": {"delay": 5}}
    line = {
        "request_id": "r1", "at": f"{DAY}T12:00:00+00:00", "variant": "3", "model_version": 2,
        "entity_id": "N14228", "instances": [answer],
    }  # fmt: skip
    body = gzip.compress(json.dumps(line).encode())
    deployment.objects.put(f"{names.captured('flights', DAY)}a.jsonl.gz", body)
    return "r1.0"


def test_an_answer_is_told_with_where_it_came_from(run: Run, captured: str) -> None:
    done = run("whois", captured, "--day", DAY)
    assert done.exit_code == 0, done.stderr
    told = " ".join(done.stdout.split())
    for words in ("version 2 (abababababab), function version 3", "flights-v00007", "arn:bob", "probability 0.62"):
        assert words in told
    assert "older than the moves that are kept" in told
    facts = json.loads(run("whois", captured, "--project", "flights", "--day", DAY, "--json").stdout)
    assert (facts["project"], facts["model"]["dataset_version"], facts["entity_id"]) == ("flights", 7, "N14228")
    assert facts["answer"]["features"] == {"delay": 5}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("r1.0", "--day", "2026-05-03"), "no captured request of any project has 'r1.0'"),
        (("r1.0", "--day", "2026-05-05", "--days", "1"), "in the 1 days up to 2026-05-05"),
        (("r1.0", "--day", "May"), "--day 'May' is no date"),
        (("r1.0", "--project", "boats"), "no project 'boats'"),
        (("score-1.0",), "is of a batch"),
    ],
)
def test_what_cannot_be_found_is_told(run: Run, captured: str, arguments: tuple[str, ...], words: str) -> None:
    done = run("whois", *arguments)
    assert done.exit_code != 0
    assert words in " ".join(done.stderr.split())
