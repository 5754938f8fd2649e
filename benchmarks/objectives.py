"""Functions to minimise on the unit cube, with their least values."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SHARPNESS = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_DEPTHS = np.array([1.0, 1.2, 3.0, 3.2])
_PLACES = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381],
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Objective:
    """A function [d] → value, and what it is at least."""

    title: str
    dimensions: int
    of: Callable[[Array], float]
    least: float


def branin(point: Array) -> float:
    """Dixon and Szegő 1978; two dimensions, three minima."""
    a, b = 15 * point[0] - 5, 15 * point[1]
    valley = b - 5.1 / (4 * math.pi**2) * a * a + 5 / math.pi * a - 6
    return float(valley**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(a) + 10)


def hartmann6(point: Array) -> float:
    """Dixon and Szegő 1978; six dimensions, six minima."""
    return -float(_DEPTHS @ np.exp(-(_SHARPNESS * (point - _PLACES) ** 2).sum(axis=1)))


def ackley5(point: Array) -> float:
    """Ackley 1987 on [-3.7, 6.3]^5; very many minima."""
    x = 10 * (point - 0.37)
    return float(
        -20 * math.exp(-0.2 * math.sqrt((x * x).mean())) - math.exp(np.cos(2 * math.pi * x).mean()) + 20 + math.e
    )


OBJECTIVES = (
    Objective("Branin", 2, branin, 0.397887),
    Objective("Hartmann-6", 6, hartmann6, -3.32237),
    Objective("Ackley-5", 5, ackley5, 0.0),
)
