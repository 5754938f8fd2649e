"""How promising a point is, for minimisation; larger is better. In logarithms, which tell apart points that
all have next to no chance (Ament et al., "Unexpected Improvements to Expected Improvement", NeurIPS 2023).

Functions of the posterior mean [m, s] for s fantasies, its standard deviation [m] and the best values [s]; they
give [m], averaged over the fantasies.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr, logsumexp

Array = NDArray[np.float64]
Acquisition = Callable[[Array, Array, Array], Array]

KAPPA = 2.0
_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


def log_expected_improvement(mean: Array, deviation: Array, best: Array) -> Array:
    """EI (Mockus 1975; Jones, Schonlau and Welch 1998)."""
    z = (best - mean) / deviation[:, None]
    return _average(log_h(z) + np.log(deviation)[:, None])


def log_probability_of_improvement(mean: Array, deviation: Array, best: Array) -> Array:
    """PI (Kushner 1964), of at least a hundredth of a standard deviation of the values."""
    return _average(log_ndtr((best - 0.01 - mean) / deviation[:, None]))


def confidence_bound(mean: Array, deviation: Array, best: Array) -> Array:
    """The lower confidence bound (Cox and John 1992; GP-UCB: Srinivas et al. 2010), KAPPA deviations away."""
    return (KAPPA * deviation[:, None] - mean).mean(axis=1)


ACQUISITIONS: dict[str, Acquisition] = {
    "ei": log_expected_improvement,
    "pi": log_probability_of_improvement,
    "ucb": confidence_bound,
}


def log_h(z: Array) -> Array:
    """log(φ(z) + z Φ(z)), stable for z far below zero (Ament et al. 2023, equation 9)."""
    z = np.asarray(z, dtype=np.float64)
    result = np.empty_like(z)
    near, far = z > -1, z < -1e6
    middle = ~near & ~far
    phi = np.exp(-0.5 * z[near] ** 2 - _LOG_SQRT_2PI)
    result[near] = np.log(phi + z[near] * np.exp(log_ndtr(z[near])))
    scaled = math.sqrt(math.pi / 2) * erfcx(-z[middle] / math.sqrt(2)) * np.abs(z[middle])
    result[middle] = -0.5 * z[middle] ** 2 - _LOG_SQRT_2PI + np.log1p(-np.minimum(scaled, 1 - 1e-16))
    result[far] = -0.5 * z[far] ** 2 - _LOG_SQRT_2PI - 2 * np.log(np.abs(z[far]))
    return result


def _average(logarithms: Array) -> Array:
    average: Array = logsumexp(logarithms, axis=1) - math.log(logarithms.shape[1])
    return average
