"""What a run costs, against the examples of the price pages and the state machine itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from tidemill.training import cost

MACHINE = Path(__file__).resolve().parents[3] / "statemachines" / "training.asl.json"


def test_a_million_invocations_of_a_gigabyte_second() -> None:
    # aws.amazon.com/lambda/pricing: $0.0000166667 a GB-second on x86, $0.0000133334 on Arm, $0.20 a million.
    assert cost.of_gb_seconds(1e6) == pytest.approx(16.6667)
    assert cost.of_gb_seconds(1e6, "arm64") == pytest.approx(13.3334)
    assert cost.PRICES.invocation * 1_000_000 == pytest.approx(0.20)
    assert cost.of_gb_seconds(1, "aarch64") == cost.of_gb_seconds(1, "arm64") < cost.of_gb_seconds(1, "x86_64")


def test_a_run_is_its_trials_and_its_final_fit() -> None:
    trials: list[dict[str, Any]] = [
        {"seconds": 10.0, "gb_seconds": 20.0},
        {"seconds": 30.0, "gb_seconds": 60.0},
        {"state": "failed"},
    ]
    final = {"seconds": 5.0, "gb_seconds": 20.0, "machine": {"processor": "aarch64"}}
    found = cost.of_run(trials, final, slots=2)
    assert (found.seconds, found.gb_seconds, found.invocations) == (45.0, 100.0, 6 + 2 + 3)
    assert found.transitions == 15 + 2 * 3 + 3 * 2
    expected = 100 * 0.0000133334 + 11 * 0.0000002 + 27 * 0.000025
    assert found.dollars == pytest.approx(expected)
    assert found.as_json()["prices"] == "us-east-1, 2026-11"
    assert cost.of_run([], None, slots=1).gb_seconds == 0


def test_a_machine_of_sagemaker_costs_by_its_time() -> None:
    hour = {"seconds": 3600.0, "gb_seconds": 3600.0 * 16}
    trials = [{**hour, "instance": "ml.m5.xlarge"}, {**hour, "instance": "ml.p9.huge"}, hour]
    found = cost.of_run(trials, None, slots=1)
    assert (found.gb_seconds, found.instance_seconds, found.unpriced) == (3600.0 * 16, 7200.0, ("ml.p9.huge",))
    assert found.invocations == 6 + 1 + 1
    by_hand = 0.23 + 3600 * 16 * 0.0000166667 + 8 * 0.0000002 + found.transitions * 0.000025
    assert found.dollars == pytest.approx(by_hand)
    assert cost.of_work(trials[0]) == 0.23
    assert cost.of_work(trials[1]) == 0.0
    final = {**trials[0], "parted": 3}
    assert cost.of_run([], final, slots=1).instance_seconds == 3 * 3600.0
    assert cost.of_work(final) == pytest.approx(3 * 0.23)


def test_the_steps_are_those_of_the_state_machine() -> None:
    machine = json.loads(MACHINE.read_text())
    assert len(_way(machine, {"MoreTrials": "SlotDone"})) == cost.STEPS
    slot = machine["States"]["SearchTrials"]["ItemProcessor"]
    assert len(_way(slot, {})) == cost.STEPS_OF_A_SLOT
    again = slot["States"]["MoreTrials"]["Choices"][0]["Next"]
    assert [again, slot["States"][again]["Next"]] == ["RunTrial", "MoreTrials"]
    assert cost.STEPS_OF_A_TRIAL == 2
    called = {name for name in _way(machine, {}) if "lambda" in machine["States"][name].get("Resource", "")}
    assert len(called) == cost.FUNCTIONS


def _way(machine: dict[str, Any], chosen: dict[str, str]) -> list[str]:
    """The states of a run that passes, one after the other."""
    passing = {"DecideRelease": "StartRelease", "WhereToSearch": "HowManySlots", "WhereToFit": "FitFinal"}
    name: str | None = machine["StartAt"]
    way = []
    while name is not None:
        way.append(name)
        state = machine["States"][name]
        name = passing.get(name) or chosen.get(name) or state.get("Next") or state.get("Default")
    return way
