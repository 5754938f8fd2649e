"""CompareVersion: what came with a version against what was there before."""

import json
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tidemill import names


def comparison(shore: Any, answer: dict[str, Any]) -> dict[str, Any]:
    assert answer["comparison_key"] == names.comparison("tides", answer["dataset_version"])
    return json.loads(shore.objects.get(answer["comparison_key"]))


def tides(seed: int, *, mean: float, rows: int = 400, winds: str = "NESW") -> list[str]:
    draw = np.random.default_rng(seed)
    return [
        f"2026-01-01,{level:.3f},{gates},{wind},{i % 2}"
        for i, (level, gates, wind) in enumerate(
            zip(
                draw.normal(mean, 1, rows).clip(-10, 10),
                draw.integers(0, 5, rows),
                draw.choice(list(winds), rows),
                strict=True,
            )
        )
    ]


def test_the_first_version_has_no_parent(shore: Any) -> None:
    found = comparison(shore, shore.walk(shore.upload("a.csv", shore.good())))
    assert (found["parent"], found["columns"]) == (0, [])
    assert "no parent" in found["note"]


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_a_shift_of_the_new_rows_is_found_in_both_modes(new_shore: Any, mode: str) -> None:
    shore = new_shore(mode=mode)
    before, after = tides(1, mean=0), tides(2, mean=2, winds="NNES")
    shore.walk(shore.upload("a.csv", shore.csv(before)))
    found = comparison(shore, shore.walk(shore.upload("b.csv", shore.csv(after))))
    assert (found["version"], found["parent"], found["rows"]["compared"]) == (2, 1, 400)
    assert found["files"]["added"] == ["b.csv"]
    assert found["files"]["removed"] == ([] if mode == "append" else ["a.csv"])
    columns = {column["feature"]: column for column in found["columns"]}
    assert set(columns) == {"level", "gates", "wind", "full"}
    assert {"level", "wind"} <= set(found["shifted"])
    assert "gates" not in found["shifted"]
    levels = [[float(line.split(",")[1]) for line in lines] for lines in (before, after)]
    expected = stats.ks_2samp(*levels).statistic
    assert columns["level"]["statistic"] == pytest.approx(expected, abs=2 / 255)


def test_rows_of_the_same_kind_have_not_shifted(shore: Any) -> None:
    for file, seed in (("a.csv", 3), ("b.csv", 4)):
        answer = shore.walk(shore.upload(file, shore.csv(tides(seed, mean=0))))
    assert comparison(shore, answer)["shifted"] == []


def test_a_replaced_file_is_told(shore: Any) -> None:
    for seed in (5, 6):
        answer = shore.walk(shore.upload("a.csv", shore.csv(tides(seed, mean=0))))
    assert comparison(shore, answer)["files"] == {"added": [], "replaced": ["a.csv"], "removed": []}
