"""What the searches minimise on the unit cube: functions with a known least value, a real tuning task, and
functions of several values."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import IntDistribution
from sklearn.datasets import load_diabetes  # type: ignore[import-untyped]
from sklearn.ensemble import HistGradientBoostingRegressor  # type: ignore[import-untyped]
from sklearn.model_selection import cross_val_score  # type: ignore[import-untyped]

from tidemill.training.algorithms import BUILT_IN

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
    """A function [d] → value, and what it is at least, where that is known."""

    title: str
    dimensions: int
    of: Callable[[Array], float]
    least: float | None
    checkpoints: tuple[int, ...] = (25, 50, 100)
    """After so many trials the best value is looked at."""


@dataclass(frozen=True)
class Several:
    """A function [d] → values. A search is as good as the volume that its values dominate below `reference`."""

    title: str
    dimensions: int
    of: Callable[[Array], tuple[float, ...]]
    reference: tuple[float, ...]
    greatest: float
    """The volume that the best values dominate."""
    checkpoints: tuple[int, ...] = (50, 100, 250)


def branin(point: Array) -> float:
    """Dixon and Szegő 1978; two dimensions, three minima."""
    a, b = 15 * point[0] - 5, 15 * point[1]
    valley = b - 5.1 / (4 * math.pi**2) * a * a + 5 / math.pi * a - 6
    return float(valley**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(a) + 10)


def hartmann6(point: Array) -> float:
    """Dixon and Szegő 1978; six dimensions, six minima."""
    return -float(_DEPTHS @ np.exp(-(_SHARPNESS * (point - _PLACES) ** 2).sum(axis=1)))


def boosting(point: Array) -> float:
    """RMSE of gradient boosting on scikit-learn's diabetes data (442 patients; Efron et al. 2004), three folds.
    The five parameters and their ranges are those of a project's search."""
    features, target = _diabetes()
    model = HistGradientBoostingRegressor(random_state=0, early_stopping=False, **parameters(point))
    errors = cross_val_score(model, features, target, cv=3, scoring="neg_root_mean_squared_error")
    return -float(errors.mean())


def parameters(point: Array) -> dict[str, int | float]:
    """That point of the unit cube as parameters of gradient boosting."""
    found: dict[str, int | float] = {}
    axes = BUILT_IN["gradient_boosting"].space("regression")
    for part, (name, axis) in zip(point, axes.items(), strict=True):
        low, high = axis.range.low, axis.range.high
        value = low * (high / low) ** part if axis.range.log else low + (high - low) * part
        found[name] = round(value) if isinstance(axis.range, IntDistribution) else float(value)
    return found


@cache
def _diabetes() -> tuple[Array, Array]:
    features, target = load_diabetes(return_X_y=True)
    return features, target


def zdt1(point: Array) -> tuple[float, float]:
    """Zitzler, Deb and Thiele 2000; the best have g = 1."""
    g = 1 + 9 * float(point[1:].mean())
    return float(point[0]), g * (1 - math.sqrt(float(point[0]) / g))


def dtlz2(point: Array) -> tuple[float, float, float]:
    """Deb, Thiele, Laumanns and Zitzler 2002 with three values; the best lie on an eighth of the unit sphere."""
    a, b = (float(part) * math.pi / 2 for part in point[:2])
    radius = 1 + float(((point[2:] - 0.5) ** 2).sum())
    return radius * math.cos(a) * math.cos(b), radius * math.cos(a) * math.sin(b), radius * math.sin(a)


OBJECTIVES = (
    Objective("Hartmann-6", 6, hartmann6, -3.32237),
    Objective("Branin", 2, branin, 0.397887),
    Objective("Gradient boosting on the diabetes data, RMSE", 5, boosting, None, checkpoints=(25, 50)),
)
SEVERAL = (
    # ∫ (5 - (1 - √f)) over f up to 1, and the strip up to the reference.
    Several("ZDT1 with 6 parameters", 6, zdt1, (1.1, 5.0), 4 + 2 / 3 + 0.1 * 5),
    Several("DTLZ2 with 7 parameters and three values", 7, dtlz2, (1.1, 1.1, 1.1), 1.1**3 - math.pi / 6),
)
