"""The loss of one prediction, once its outcome is known: what an experiment compares."""

import math

# Probabilities are float32; closer to 0 or 1 than this they are rounding, and one wrong certainty would outweigh
# a day of traffic. A prediction's log loss is at most 13.8.
CLIP = 1e-6


def log_loss(probability: float, outcome: float) -> float:
    """-ln of the probability given to what happened; `probability` is that of outcome 1, `outcome` is 0 or 1."""
    clipped = min(max(probability, CLIP), 1 - CLIP)
    return -math.log(clipped if outcome == 1 else 1 - clipped)


def squared_error(prediction: float, outcome: float) -> float:
    """The squared difference, in squared units of the target."""
    return (prediction - outcome) ** 2
