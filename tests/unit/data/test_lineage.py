"""Where versions and models come from, and what came of them."""

from typing import Any

import pytest

from tidemill import names
from tidemill.data import lineage
from tidemill.errors import RecordNotFound
from tidemill.ports import Put


def trained(shore: Any, version: int, model: int | None = None, *, run_id: str = "") -> str:
    """The rows that a training run of a version leaves, and those of its model and release."""
    run_id, pk = run_id or f"tides-v{version:05d}", names.pk("tides")
    state = "passed" if model else "refused"
    run = {"run_id": run_id, "dataset_version": version, "state": state, "at": shore.AT.isoformat()}
    puts = [Put(pk, names.sk_run(run_id), run | ({"model_version": model} if model else {}))]
    if model:
        made = {"version": model, "run_id": run_id, "dataset_version": version, "state": "champion"}
        puts.append(Put(pk, names.sk_model(model), made | {"at": shore.AT.isoformat()}))
        release = {"release_id": run_id, "model": model, "state": "promoted", "at": shore.AT.isoformat()}
        puts.append(Put(pk, names.sk_release(run_id), release))
    shore.index.transact(puts)
    return run_id


def history(shore: Any) -> None:
    """Two versions, the first of a file with a bad row; a model of each, and a run of the first that came to
    nothing."""
    bad = "yesterday,1,1,N,1"
    shore.walk(shore.upload("a.csv", shore.csv([*shore.lines(200), bad])))
    shore.walk(shore.upload("b.csv", shore.good(2)))
    trained(shore, 1, 1)
    trained(shore, 1, run_id="tides-v00001-manual")
    trained(shore, 2, 2)


def of_version(shore: Any, number: int) -> dict[str, Any]:
    return lineage.of_version("tides", number, objects=shore.objects, index=shore.index)


def test_a_version_has_its_files_with_their_uploads(shore: Any) -> None:
    history(shore)
    files = of_version(shore, 2)["files"]
    assert [(f["path"], f["rows"], f["rows_left_out"]) for f in files] == [("a.csv", 200, 1), ("b.csv", 20, 0)]
    for file, path in zip(files, ("a.csv", "b.csv"), strict=True):
        assert file["upload"]["key"] == names.incoming("tides", path)
        assert file["upload"]["version_id"] == "1"
        assert file["upload"]["state"] == "accepted"
        assert file["upload"]["at"] == shore.AT.isoformat()


def test_a_version_has_its_ancestors_nearest_first(shore: Any) -> None:
    history(shore)
    shore.walk(shore.upload("c.csv", shore.good(3)))
    assert [row["version"] for row in of_version(shore, 3)["ancestors"]] == [2, 1]
    assert of_version(shore, 1)["ancestors"] == []


def test_a_version_knows_what_learned_from_it_and_nothing_else(shore: Any) -> None:
    history(shore)
    first, second = of_version(shore, 1), of_version(shore, 2)
    assert {run["run_id"] for run in first["runs"]} == {"tides-v00001", "tides-v00001-manual"}
    assert [model["version"] for model in first["models"]] == [1]
    assert [release["model"] for release in first["releases"]] == [1]
    assert [run["run_id"] for run in second["runs"]] == ["tides-v00002"]
    assert [model["version"] for model in second["models"]] == [2]


def test_a_model_leads_back_to_the_uploads(shore: Any) -> None:
    history(shore)
    facts = lineage.of_model("tides", 2, objects=shore.objects, index=shore.index)
    assert facts["run"]["run_id"] == "tides-v00002"
    assert facts["dataset"]["version"] == 2
    assert [file["upload"]["key"] for file in facts["files"]] == ["incoming/tides/a.csv", "incoming/tides/b.csv"]
    assert [release["state"] for release in facts["releases"]] == ["promoted"]


def test_files_beyond_a_few_are_asked_for_at_once_and_give_the_same(new_shore: Any, monkeypatch: Any) -> None:
    shore = new_shore()
    history(shore)
    few = of_version(shore, 2)
    monkeypatch.setattr(lineage, "_ONE_BY_ONE", 1)
    assert of_version(shore, 2) == few


def test_author_and_reason_of_an_upload_are_told(shore: Any) -> None:
    history(shore)
    [row] = [row for row in shore.rows(names.UPLOADS) if row["key"].endswith("b.csv")]
    shore.index.rows[row["pk"], row["sk"]] |= {"author": "Ada", "reason_given": "the missing week"}
    [file] = [file for file in of_version(shore, 2)["files"] if file["path"] == "b.csv"]
    assert (file["upload"]["author"], file["upload"]["reason_given"]) == ("Ada", "the missing week")


def test_what_does_not_exist_is_not_found(shore: Any) -> None:
    history(shore)
    with pytest.raises(RecordNotFound, match="version 9"):
        of_version(shore, 9)
    with pytest.raises(RecordNotFound, match="model 9"):
        lineage.of_model("tides", 9, objects=shore.objects, index=shore.index)
