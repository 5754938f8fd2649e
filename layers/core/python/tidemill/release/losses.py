"""The loss of one prediction, once its outcome is known: what an experiment compares."""

import math
from collections.abc import Mapping

Answer = float | Mapping[str, float]
"""The probability of outcome 1, or a value; of named classes the probability of each."""
Outcome = float | str
"""What happened: a number, or the name of a class."""

# Probabilities are float32; closer to 0 or 1 than this they are rounding, and one wrong certainty would outweigh
# a day of traffic. A prediction's log loss is at most 13.8.
CLIP = 1e-6


def loss(task: str, answer: Answer, outcome: Outcome) -> float | None:
    """The loss of an answer. None where it is about numbers and the outcome a class, or the other way round: then
    the project's target was changed in between, and they are not about the same."""
    if isinstance(answer, Mapping):
        return class_log_loss(answer, outcome) if isinstance(outcome, str) else None
    if isinstance(outcome, str):
        return None
    return (log_loss if task == "classification" else squared_error)(answer, outcome)


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
