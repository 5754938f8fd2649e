"""Workflows, as its docstring promises, on every adapter."""

import pytest

from tidemill.ports import Workflows


def test_a_name_starts_once_for_each_machine(workflows: Workflows) -> None:
    payload = {"project": "tides", "dataset_version": 1, "options": {}}
    assert workflows.start("training", name="tides-v00001", payload=payload) is True
    assert workflows.start("release", name="tides-v00001", payload=payload) is True
    assert workflows.start("training", name="tides-v00002", payload=payload) is True


def test_a_name_that_was_used_with_other_input_starts_nothing(workflows: Workflows) -> None:
    assert workflows.start("training", name="tides-v00001", payload={"n": 1}) is True
    assert workflows.start("training", name="tides-v00001", payload={"n": 2}) is False


@pytest.mark.parametrize("payload", [{}, {"text": "é", "list": [1, None, {"x": 0.5}]}])
def test_any_json_object_is_an_input(workflows: Workflows, payload: dict[str, object]) -> None:
    assert workflows.start("training", name="tides-v00001", payload=payload) is True
