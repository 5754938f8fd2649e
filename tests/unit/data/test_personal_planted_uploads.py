"""500 planted personal values, uploaded: with `refuse` none of them is in any object outside quarantine."""

import io
import random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.data.test_personal_planted import PLANTED, TEXTS, batch, clean, planted
from tidemill import names

EACH = 10


def parquet(shore: Any, rows: list[dict[str, Any]]) -> bytes:
    """Rows of the project, with nested and odd columns beside, as a Parquet file."""
    odd = batch(rows)
    lines = [line.split(",") for line in shore.lines(len(rows))]
    table = {
        "at": [line[0] for line in lines],
        "level": [float(line[1]) for line in lines],
        "gates": [int(line[2]) for line in lines],
        "wind": [line[3] for line in lines],
        "full": [int(line[4]) for line in lines],
    }
    whole = pa.table({**table, **dict(zip(odd.schema.names, odd.columns, strict=True))})
    buffer = io.BytesIO()
    pq.write_table(whole, buffer, compression="none", use_dictionary=False)
    return buffer.getvalue()


@pytest.mark.parametrize("part", range(EACH))
def test_each_planted_value_refuses_its_upload_and_stays_in_quarantine(shore: Any, part: int) -> None:
    draw, (rows, marks) = random.Random(part), planted()
    chosen = sorted(marks)[part::EACH]
    assert len(chosen) == PLANTED // EACH
    for number in chosen:
        others = [clean(draw, row) for row in range(20)]
        body = parquet(shore, [*others[:10], rows[number], *others[10:]])
        answer = shore.walk(shore.upload(f"{number}.parquet", body))
        assert (answer["outcome"], answer["code"]) == ("rejected", "personal_data"), marks[number]
    assert list(shore.objects.keys("objects/")) == list(shore.objects.keys(names.INCOMING)) == []
    kept = [key for key in shore.objects.keys(names.QUARANTINE) if "/file/" in key]
    assert len(kept) == len(chosen)
    bodies = [shore.objects.get(key) for key in shore.objects.keys("") if not key.startswith(names.QUARANTINE)]
    needles = {text.encode() for text in TEXTS if len(text) > 6}
    assert [needle for needle in needles for body in bodies if needle in body] == []


def test_clean_rows_become_a_version(shore: Any) -> None:
    draw = random.Random(7)
    answer = shore.walk(shore.upload("clean.parquet", parquet(shore, [clean(draw, row) for row in range(300)])))
    assert answer["outcome"] == "accepted", answer
