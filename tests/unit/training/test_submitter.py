"""Who started a run is in its row: they cannot approve its model's release."""

from typing import Any


def test_who_started_a_run_is_in_its_row(new_mill: Any) -> None:
    mill = new_mill(search={"algorithms": ["linear"]})
    mill.step("prepare_data", by="arn:ada", trigger="manual")
    assert mill.row()["submitted_by"] == "arn:ada"


def test_a_run_that_nobody_started_names_nobody(new_mill: Any) -> None:
    mill = new_mill(search={"algorithms": ["linear"]})
    mill.step("prepare_data")
    assert "submitted_by" not in mill.row()
