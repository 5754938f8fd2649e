"""What a model answers, for each kind of target, and what follows from its shape. The rest of the stage asks here.

- 0 and 1: the probability of 1, shape [n]. A row counts as 1 from a threshold on.
- Named classes (`Project.classes`): a probability for each, in their order, shape [n, K]; the target holds their
  numbers, from 0. The most probable class is the answer; of equal ones the first.
- A number: its value, shape [n].
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def taken(outputs: Array, classes: Sequence[str]) -> NDArray[np.float64]:
    """The answers in what an estimator or its ONNX form gives: a value, or a probability for each class; shape [n]
    or [n, columns]."""
    rows = outputs.reshape(len(outputs), -1)
    return (rows if classes else rows[:, -1]).astype(np.float64)


def named(answers: Array) -> bool:
    """Whether they are about named classes."""
    return answers.ndim == 2


def decided(answers: Array, threshold: float | None) -> NDArray[np.int64]:
    """The number of the class that each row is taken for, shape [n]; 0 or 1 by the threshold (default 0.5)."""
    if named(answers):
        return answers.argmax(axis=1)
    return (answers >= (0.5 if threshold is None else threshold)).astype(np.int64)


def right(target: Array, answers: Array, threshold: float | None) -> NDArray[np.bool_]:
    """Which rows are taken for the class that they are of, shape [n]."""
    correct: NDArray[np.bool_] = decided(answers, threshold) == target
    return correct


def repeated(answer: Array, rows: int) -> Array:
    """The same answer to so many rows."""
    return np.broadcast_to(answer, (rows, *answer.shape)).copy()


def reliability(target: Array, answers: Array) -> tuple[Array, Array]:
    """The event whose probability is told, and that probability, shape [n] each: that the row is 1; or, among
    named classes, that it is of the most probable one (Guo, Pleiss, Sun & Weinberger 2017, "On calibration of
    modern neural networks", whose confidence this is)."""
    if named(answers):
        return right(target, answers, None).astype(np.float64), answers.max(axis=1)
    return target, answers


def as_captured(answers: Array, classes: Sequence[str]) -> Array:
    """What windows of predictions are compared by, shape [n]: the name of the answer, or the number."""
    return np.asarray(classes, dtype=np.str_)[decided(answers, None)] if classes else answers


def apart(one: Array, other: Array) -> NDArray[np.float64]:
    """How far two answers to each row are apart, shape [n]: of named classes, in the probability that differs
    most."""
    distance = np.nan_to_num(np.abs(one - other), nan=np.finfo(np.float64).max)
    largest: NDArray[np.float64] = distance.max(axis=1) if named(distance) else distance
    return largest


def among(answers: Array, told: Sequence[str], asked: Sequence[str]) -> Array:
    """Answers about the classes `told`, as answers about those `asked` for: what a model has never heard of, it
    gives no probability."""
    if tuple(told) == tuple(asked):
        return answers
    places = {name: place for place, name in enumerate(told)}
    columns = [answers[:, places[name]] if name in places else np.zeros(len(answers)) for name in asked]
    return np.column_stack(columns)
