"""Points of a tuning job stay in their ranges, in every scaling, and a refused range says why."""

import pytest

from local.extensions.sagemaker.search import Search
from local.extensions.sagemaker.shapes import Refused


def search(strategy="Random", **ranges):
    config = {
        "Strategy": strategy,
        "RandomSeed": 3,
        "ParameterRanges": ranges,
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "m"},
    }
    return Search(config)


def integer(scaling="Auto", low="1", high="1000"):
    return [{"Name": "n", "MinValue": low, "MaxValue": high, "ScalingType": scaling}]


def drawn(found, count=200):
    return [found.ask(str(number)) for number in range(count)]


def test_integers_are_integers_within_their_range() -> None:
    points = [int(point["n"]) for point in drawn(search(IntegerParameterRanges=integer()))]
    assert min(points) >= 1
    assert max(points) <= 1000


def test_a_logarithmic_range_is_drawn_by_order_of_magnitude() -> None:
    linear = [int(point["n"]) for point in drawn(search(IntegerParameterRanges=integer()))]
    logarithmic = [int(point["n"]) for point in drawn(search(IntegerParameterRanges=integer("Logarithmic")))]
    assert sum(value <= 31 for value in linear) < 20
    assert sum(value <= 31 for value in logarithmic) > 60


def test_a_reverse_logarithmic_range_is_drawn_towards_one() -> None:
    ranges = integer("ReverseLogarithmic", "0.0", "0.999")
    points = [float(point["n"]) for point in drawn(search(ContinuousParameterRanges=ranges))]
    assert all(0 <= value <= 0.999 for value in points)
    assert sum(value > 0.9 for value in points) > 100


def test_bayesian_goes_where_the_objective_is_best() -> None:
    ranges = [{"Name": "n", "MinValue": "0", "MaxValue": "1"}]
    found = search("Bayesian", ContinuousParameterRanges=ranges)
    points = []
    for number in range(60):
        value = float(found.ask(str(number))["n"])
        found.tell(str(number), -abs(value - 0.7), pruned=False)
        points.append(value)
    assert sum(abs(value - 0.7) < 0.1 for value in points[40:]) > 10


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"IntegerParameterRanges": integer(low="5", high="1")}, "MinValue is above MaxValue"),
        ({"IntegerParameterRanges": integer("Logarithmic", low="0")}, "needs MinValue > 0"),
        ({"ContinuousParameterRanges": integer("ReverseLogarithmic", high="2")}, r"within \[0, 1\)"),
        ({"IntegerParameterRanges": integer(low="0.5")}, "invalid literal"),
        ({}, "at least one range"),
    ],
)
def test_a_range_that_cannot_be_drawn_from_is_refused(ranges, message) -> None:
    with pytest.raises(Refused, match=message):
        search(**ranges)


def test_a_grid_of_numbers_is_refused_as_on_aws() -> None:
    with pytest.raises(Refused, match="categorical parameter ranges only"):
        search("Grid", IntegerParameterRanges=integer())
