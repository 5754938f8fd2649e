"""A storm of events: many contents, each told five times, shuffled, stale, by many threads at once."""

import json
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tidemill import names
from tidemill.data import moves, rebuild_index, uploads
from tidemill.errors import ConflictError

THREADS = 16
TIMES = 5


def deliver(shore: Any, event: dict[str, Any]) -> dict[str, Any]:
    """What the state machine does with an event: after a lost race it starts the state again."""
    while True:
        try:
            answer: dict[str, Any] = shore.walk(event)
            return answer
        except ConflictError:
            continue


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_1000_events_of_200_contents_give_200_dense_versions_and_lose_nothing(new_shore: Any, mode: str) -> None:
    contents = 200
    shore = new_shore(mode=mode)
    events = [shore.upload(f"{number}.csv", shore.good(number)) for number in range(contents)]
    storm = events * TIMES
    random.Random(11).shuffle(storm)
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda event: deliver(shore, event), storm))
    rows = shore.rows(names.DATASETS)
    assert [row["version"] for row in rows] == list(range(1, contents + 1))
    assert [row["parent"] for row in rows] == list(range(contents))
    states = Counter(row["state"] for row in shore.rows(names.UPLOADS))
    assert states == {uploads.ACCEPTED: contents}
    runs = {answer["run_id"] for answer in answers if answer.get("run_id")}
    assert runs == {f"tides-v{number:05d}" for number in range(1, contents + 1)}
    last = json.loads(shore.objects.get(names.dataset("tides", contents)))
    assert len(last["files"]) == (contents if mode == "append" else 1)
    for row in shore.rows(names.UPLOADS):
        assert {"pk": row["pk"], "sk": row["sk"], **json.loads(shore.objects.get(moves.fact_key(row)))} == row
    expected = rebuild_index.rows_of(shore.objects, "tides")
    assert not rebuild_index.difference(expected, shore.index, "tides")


def test_a_storm_over_few_paths_ends_with_the_latest_of_each(new_shore: Any) -> None:
    shore = new_shore()
    events = [shore.upload(f"{number % 7}.csv", shore.good(number)) for number in range(70)]
    storm = events * TIMES
    random.Random(12).shuffle(storm)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda event: deliver(shore, event), storm))
    rows = shore.rows(names.DATASETS)
    assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
    last = json.loads(shore.objects.get(names.dataset("tides", len(rows))))
    latest = {row["path"]: row["upload_id"] for row in shore.rows(names.FILES)}
    assert {file["path"]: file["upload_id"] for file in last["files"]} == latest
    newest = {
        uploads.upload_id(bucket=shore.BUCKET, key=e["key"], version_id=e["version_id"]) for e in events[-7:]
    }
    assert set(latest.values()) == newest
    settled = Counter(row["state"] for row in shore.rows(names.UPLOADS))
    assert set(settled) <= {uploads.ACCEPTED, uploads.SUPERSEDED}
    assert settled[uploads.ACCEPTED] == len(rows)
