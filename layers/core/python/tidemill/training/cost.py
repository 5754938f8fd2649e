"""What a run costs at list prices: dollars from GB-seconds, SageMaker's seconds, invocations and state
transitions. Pure functions.

Facts hold seconds and GB-seconds, which stay true; dollars are computed where they are shown. Free tiers,
discounts, storage and requests to S3 and DynamoDB are left out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Prices:
    """US dollars. `gb_second` by processor, the first price tier; `instance_hour` by SageMaker's instance type,
    for training on demand."""

    region: str
    at: str
    sources: tuple[str, ...]
    gb_second: Mapping[str, float]
    invocation: float
    transition: float
    instance_hour: Mapping[str, float]


PRICES = Prices(
    region="us-east-1",
    at="2026-11",
    sources=(
        "aws.amazon.com/lambda/pricing",
        "aws.amazon.com/step-functions/pricing",
        "aws.amazon.com/sagemaker/pricing",
    ),
    gb_second={"x86_64": 0.0000166667, "arm64": 0.0000133334},
    invocation=0.20 / 1_000_000,
    transition=0.025 / 1_000,  # Standard workflows
    instance_hour={
        "ml.m5.large": 0.115, "ml.m5.xlarge": 0.23, "ml.m5.2xlarge": 0.461, "ml.m5.4xlarge": 0.922,
        "ml.m5.12xlarge": 2.765, "ml.m5.24xlarge": 5.53,
        "ml.c5.xlarge": 0.204, "ml.c5.2xlarge": 0.408, "ml.c5.4xlarge": 0.816, "ml.c5.9xlarge": 1.836,
        "ml.c5.18xlarge": 3.672,
    },
)  # fmt: skip
_PROCESSORS = {"aarch64": "arm64", "arm64": "arm64"}

# The way of statemachines/training.asl.json, for a run that passes.
STEPS = 15
"""States outside the Map of a run that goes through."""
STEPS_OF_A_SLOT = 3
"""The last call of a slot, which finds no trial left: RunTrial, MoreTrials, SlotDone."""
STEPS_OF_A_TRIAL = 2
"""RunTrial, MoreTrials."""
FUNCTIONS = 6
"""Functions outside the Map, each called once."""


@dataclass(frozen=True)
class Cost:
    """What trials and the final fit took, and what that costs; GB-seconds are those of functions. The other
    functions' seconds are not recorded."""

    seconds: float
    gb_seconds: float
    instance_seconds: float
    invocations: int
    transitions: int
    dollars: float
    unpriced: tuple[str, ...] = ()
    """Instance types whose price is not listed, and not in `dollars`."""

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "prices": f"{PRICES.region}, {PRICES.at}"}


def of_gb_seconds(gb_seconds: float, processor: str = "x86_64", prices: Prices = PRICES) -> float:
    """Dollars for compute alone. `processor` as the platform calls it: x86_64, arm64 or aarch64."""
    return gb_seconds * prices.gb_second[_PROCESSORS.get(processor, "x86_64")]


def of_calls(
    gb_seconds: float,
    *,
    invocations: int,
    transitions: int,
    processor: str = "x86_64",
    prices: Prices = PRICES,
) -> float:
    """Dollars for functions that a state machine calls."""
    called = invocations * prices.invocation + transitions * prices.transition
    return of_gb_seconds(gb_seconds, processor, prices) + called


def of_work(fact: Mapping[str, Any], processor: str = "x86_64", prices: Prices = PRICES) -> float:
    """Dollars for what a trial or a final fit took, by its `gb_seconds`, or its `seconds` on an `instance` of
    SageMaker, or on as many as its rows were `parted` over. An instance that is not in the list counts as none;
    the start of a job is not counted."""
    instance = fact.get("instance")
    if instance is None:
        return of_gb_seconds(float(fact.get("gb_seconds", 0.0)), processor, prices)
    return _instance_seconds(fact) / 3600 * prices.instance_hour.get(instance, 0.0)


def _instance_seconds(fact: Mapping[str, Any]) -> float:
    return float(fact.get("seconds", 0.0)) * int(fact.get("parted", 1))


def of_run(
    trials: Iterable[Mapping[str, Any]], final: Mapping[str, Any] | None, *, slots: int, prices: Prices = PRICES
) -> Cost:
    """The cost of a run by its trials' facts, its `final.json` (None if it came to none) and its number of slots.
    A trial without time (its function was killed) counts as none."""
    trials, final = list(trials), final or {}
    spent = [*trials, final]
    on_lambda = [each for each in spent if "instance" not in each]
    calls = sum("instance" not in each for each in trials)
    seconds = sum(float(each.get("seconds", 0.0)) for each in spent)
    gb_seconds = sum(float(each.get("gb_seconds", 0.0)) for each in on_lambda)
    instance_seconds = sum(_instance_seconds(each) for each in spent if "instance" in each)
    instances = {str(each["instance"]) for each in spent if "instance" in each}
    invocations = FUNCTIONS + slots + calls
    transitions = STEPS + slots * STEPS_OF_A_SLOT + calls * STEPS_OF_A_TRIAL
    processor = str(final.get("machine", {}).get("processor", "x86_64"))
    work = sum(of_work(each, processor, prices) for each in spent)
    dollars = work + invocations * prices.invocation + transitions * prices.transition
    unpriced = tuple(sorted(instances - prices.instance_hour.keys()))
    return Cost(seconds, gb_seconds, instance_seconds, invocations, transitions, dollars, unpriced)
