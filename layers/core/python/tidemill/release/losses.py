"""What one prediction costs, once its outcome is known: what an experiment compares. Less is better throughout.

A loss is a pair: what was lost, over what it is counted. The latter is 1 but for precision and recall, which are
about some predictions only: of those said to be 1 the ones that were 0 (1 - precision), of those that were 1 the
ones said to be 0 (1 - recall).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tidemill.projects.recipe import Costs
from tidemill.projects.release import Metric

# Probabilities are float32; closer to 0 or 1 than this they are rounding, and one wrong certainty would outweigh
# a day of traffic. A prediction's log loss is at most 13.8.
CLIP = 1e-6


@dataclass(frozen=True)
class Measure:
    """What is compared, as it was when the release began."""

    metric: Metric
    costs: Costs = field(default_factory=Costs)
    unit: str = "request"
    covariate: str | None = None
    assigned: str = "request"
    """What is put on an arm, and so is what the shares are counted of: requests, or entities."""


@dataclass(frozen=True)
class Answer:
    """What was said: a number, or the name of a class; and the probability of 1, or of each class by its name."""

    said: float | str
    probability: float | Mapping[str, float] | None = None


@dataclass(frozen=True)
class Outcome:
    """What happened: a number, or the name of a class; and what it was worth, where the caller said so."""

    value: float | str
    reward: float | None = None


@dataclass(frozen=True)
class Loss:
    """`lost` of `counted`."""

    lost: float
    counted: float = 1.0


def loss(metric: Metric, answer: Answer, outcome: Outcome, costs: Costs) -> Loss | None:
    """The loss of an answer; None where it has none.

    A reward has none unless it was sent. The others have none where the answer is about numbers and the outcome is
    a class, or the other way round: then the project's target was changed in between, and they are not about the
    same.
    """
    if metric == "reward":
        return None if outcome.reward is None else Loss(-outcome.reward)
    said, was = answer.said, outcome.value
    named = isinstance(answer.probability, Mapping) or isinstance(said, str)
    if named != isinstance(was, str):
        return None
    if metric == "accuracy":
        return Loss(float(said != was))
    if metric == "log_loss":
        return _log_loss(answer, outcome)
    if isinstance(said, str) or isinstance(was, str):
        return None
    return NUMERIC[metric](float(said), was, costs)


def _log_loss(answer: Answer, outcome: Outcome) -> Loss | None:
    chances, was = answer.probability, outcome.value
    if isinstance(chances, Mapping):
        return Loss(class_log_loss(chances, str(was)))
    return None if chances is None or isinstance(was, str) else Loss(log_loss(chances, was))


def _cost(said: float, was: float, costs: Costs) -> Loss:
    return Loss((costs.false_positive if said == 1 else costs.false_negative) if said != was else 0.0)


NUMERIC: Mapping[str, Callable[[float, float, Costs], Loss]] = {
    "squared_error": lambda said, was, _: Loss(squared_error(said, was)),
    "absolute_error": lambda said, was, _: Loss(abs(said - was)),
    "cost": _cost,
    "precision": lambda said, was, _: Loss(float(said == 1 and was != 1), float(said == 1)),
    "recall": lambda said, was, _: Loss(float(was == 1 and said != 1), float(was == 1)),
}


def class_log_loss(probabilities: Mapping[str, float], outcome: str) -> float:
    """-ln of the probability given to the class that it was; a class that the model does not know had none."""
    return -math.log(min(max(probabilities.get(outcome, 0.0), CLIP), 1 - CLIP))


def log_loss(probability: float, outcome: float) -> float:
    """-ln of the probability given to what happened; `probability` is that of outcome 1, `outcome` is 0 or 1."""
    clipped = min(max(probability, CLIP), 1 - CLIP)
    return -math.log(clipped if outcome == 1 else 1 - clipped)


def squared_error(prediction: float, outcome: float) -> float:
    """The squared difference, in squared units of the target."""
    return (prediction - outcome) ** 2
