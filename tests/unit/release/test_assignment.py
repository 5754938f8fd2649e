"""Entities stay on their arm, and arms grow in one direction."""

import math

import pytest
from scipy.stats import chisquare

from tidemill.release.assignment import arm, point

ENTITIES = [f"customer-{number}" for number in range(10_000)]


def test_the_share_is_the_weight() -> None:
    share = sum(arm(entity, "flights-v00002", [0.1]) for entity in ENTITIES) / len(ENTITIES)
    assert abs(share - 0.10) <= 0.0078  # the 99 % interval


def test_the_same_entity_is_always_on_the_same_arm() -> None:
    first, second = ([arm(entity, "flights-v00002", [0.3]) for entity in ENTITIES[:500]] for _ in range(2))
    assert first == second
    # printf '14:flights-v00002customer-0' | sha256sum: another program, or another release of this one, agrees.
    assert point("customer-0", "flights-v00002") == int("452593773fc45", 16) / 16**13


@pytest.mark.parametrize("steps", [([0.01], [0.1], [0.5], [1.0]), ([0.1, 0.05], [0.1, 0.3], [0.2, 0.5])])
def test_more_weight_moves_entities_to_the_challengers_alone(steps: tuple[list[float], ...]) -> None:
    before = [0] * len(ENTITIES)
    for weights in steps:
        after = [arm(entity, "flights-v00002", weights) for entity in ENTITIES]
        moved = {(old, new) for old, new in zip(before, after, strict=True) if old != new}
        assert moved and all(old == 0 for old, _ in moved)
        before = after
    less = [arm(entity, "flights-v00002", steps[0]) for entity in ENTITIES]
    assert {new for old, new in zip(before, less, strict=True) if old != new} == {0}


def test_more_weight_of_one_challenger_does_not_touch_the_others() -> None:
    few, many = ([arm(entity, "x", [0.2, weight]) for entity in ENTITIES] for weight in (0.1, 0.3))
    assert [each == 1 for each in few] == [each == 1 for each in many]
    assert few.count(1) / len(ENTITIES) == pytest.approx(0.2, abs=0.0104)
    assert many.count(2) / len(ENTITIES) == pytest.approx(0.3, abs=0.0119)


def test_another_salt_mixes_the_entities_anew() -> None:
    one, other = ([arm(entity, salt, [0.5]) for entity in ENTITIES] for salt in ("a-v00002", "a-v00003"))
    both = sum(a and b for a, b in zip(one, other, strict=True)) / len(ENTITIES)
    assert both == pytest.approx(0.25, abs=2.58 * math.sqrt(0.25 * 0.75 / len(ENTITIES)))


def test_the_points_are_uniform() -> None:
    counts = [0] * 50
    for entity in ENTITIES:
        counts[int(point(entity, "s") * 50)] += 1
    assert chisquare(counts).pvalue > 0.001
    assert point("b", "sa") != point("ab", "s")


def test_without_challengers_the_champion_answers_and_weights_have_a_limit() -> None:
    assert arm("x", "s", []) == 0
    assert {arm(entity, "s", [0.0]) for entity in ENTITIES[:100]} == {0}
    assert {arm(entity, "s", [1.0]) for entity in ENTITIES[:100]} == {1}
    with pytest.raises(ValueError, match=r"weight 0.6 of 2 challengers is not in \[0, 0.5\]"):
        arm("x", "s", [0.6, 0.1])
