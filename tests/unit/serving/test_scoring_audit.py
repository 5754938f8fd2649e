"""What an audit trail says of a batch scoring; and which of its rows had features imputed."""

import json
from typing import Any

import pytest

from tests.unit.serving.conftest import Trained, files_of
from tests.unit.serving.harbour import AT, MODEL, PROJECT, Harbour, Killed
from tidemill import names
from tidemill.errors import RequestInvalid


def entries(harbour: Harbour) -> list[dict[str, Any]]:
    return harbour.index.query(names.pk(PROJECT), names.AUDIT)


def test_who_asked_for_which_files_and_what_became_of_it_is_in_the_audit_trail(harbour: Harbour) -> None:
    body = harbour.csv(20) + b"x,1,1,AA,A1\n"
    file = harbour.put("june.csv", body)
    scoring_id = harbour.ask(file, by="arn:anna")
    (asked,) = entries(harbour)
    subject = f"scoring {scoring_id}"
    assert (asked["action"], asked["subject"], asked["by"]) == ("serving.scoring_requested", subject, "arn:anna")
    assert asked["details"] == {"model": MODEL, "files": 1, "paths": ["june.csv"], "bytes": len(body), "keep": []}
    harbour.walk(scoring_id)
    (closed,) = [entry for entry in entries(harbour) if entry["action"] == "serving.scoring_closed"]
    told = closed["details"]
    assert (closed["subject"], told["asked_by"], told["model"]) == (subject, "arn:anna", MODEL)
    assert (told["rows"], told["scored"], told["errors"], told["files"]) == (21, 20, 1, 1)


def test_asking_and_closing_again_is_the_same_entry(harbour: Harbour) -> None:
    file = harbour.put("june.csv", harbour.csv())
    for _ in range(2):
        harbour.walk(harbour.ask(file))
    assert len(entries(harbour)) == 2 and {entry["at"] for entry in entries(harbour)} == {AT.isoformat()}


def test_a_close_that_was_killed_before_its_entry_is_made_good(harbour: Harbour) -> None:
    scoring_id = harbour.ask(harbour.put("june.csv", harbour.csv()))
    ids = {"project": PROJECT, "scoring_id": scoring_id}
    for part in harbour.step("plan_scoring", **ids)["parts"]:
        harbour.step("score_part", **part)
    for moment in range(60):
        try:
            harbour.step("close_scoring", harbour.kill_at(moment), **ids)
            break
        except Killed:
            continue
    actions = [entry["action"] for entry in entries(harbour)]
    assert sorted(actions) == ["serving.scoring_closed", "serving.scoring_requested"]
    assert moment > 4


def test_an_entry_that_was_never_written_is_written_when_it_is_asked_again(
    harbour: Harbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = harbour.put("june.csv", harbour.csv())
    with monkeypatch.context() as broken:
        broken.setattr(harbour.index, "transact", lambda changes: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            harbour.ask(file, by="arn:anna")
    assert entries(harbour) == []
    harbour.ask(file, by="arn:bert")
    assert [entry["by"] for entry in entries(harbour)] == ["arn:anna"]


def imputing(trained: Trained) -> Harbour:
    files = files_of(trained)
    document = json.loads(files["model.json"])
    document["serving"] = {"missing": "impute", "out_of_range": "impute"}
    return Harbour({**files, "model.json": json.dumps(document).encode()})


def test_the_output_tells_which_features_were_imputed(classifier: Trained) -> None:
    rows = ["5,1,3,AA,A1", ",1,3,XX,A1", "9999,1,,AA,", "x,1,3,AA,A1"]
    harbour = imputing(classifier)
    file = harbour.put("june.csv", "\n".join(["delay,stops,wind,carrier,gate", *rows, ""]).encode())
    result, found = harbour.score(file)
    assert [row["imputed"] for row in found] == [None, ["delay", "carrier"], ["delay"], None]
    assert (result["scored"], found[3]["prediction"]) == (3, None)


def test_a_model_that_imputes_nothing_says_so(harbour: Harbour) -> None:
    _, found = harbour.score(harbour.put("june.csv", harbour.csv()))
    assert {row["imputed"] for row in found} == {None}


def test_a_column_that_is_kept_cannot_be_called_so(harbour: Harbour) -> None:
    with pytest.raises(RequestInvalid, match="imputed"):
        harbour.ask(harbour.put("june.csv", harbour.csv()), keep=["imputed"])
