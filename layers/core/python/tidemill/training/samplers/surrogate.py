"""A Gaussian process over the unit cube: what the objective may be where nobody has looked.

Matérn 5/2 with a length scale for each dimension, on standardised values, fitted to the most probable
hyperparameters (MAP) by scikit-learn's GaussianProcessRegressor. The prior of the length scales grows with the
square root of the number of dimensions (Hvarfner, Hellsten and Nardi, "Vanilla Bayesian Optimization Performs
Great in High Dimensions", ICML 2024), so that few points in many dimensions do not look like noise. It is shorter
and narrower than theirs: with few points and many workers, theirs says that the objective is a plane, and sends
all workers to the corners.
"""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

Array = NDArray[np.float64]

LENGTH_BOUNDS, NOISE_BOUNDS, SCALE_BOUNDS = (5e-3, 1e3), (1e-6, 0.5), (5e-2, 20.0)
LENGTH_LOCATION, LENGTH_SPREAD = math.log(0.2), 0.5  # of log length / sqrt(dimensions)
NOISE_LOCATION, NOISE_SPREAD = -9.0, 2.0
SCALE_LOCATION, SCALE_SPREAD = 0.0, 1.0
JITTER = 1e-8


class _Probable(GaussianProcessRegressor):  # type: ignore[misc]
    """The regressor, with log-normal priors on its hyperparameters. scikit-learn's `theta` is their logarithm, in
    the order scale, lengths, noise."""

    def log_marginal_likelihood(
        self, theta: Array | None = None, eval_gradient: bool = False, clone_kernel: bool = True
    ) -> Any:
        found = super().log_marginal_likelihood(theta, eval_gradient=eval_gradient, clone_kernel=clone_kernel)
        if theta is None:
            return found
        location, spread = _priors(len(theta) - 2)
        off = (np.asarray(theta) - location) / spread
        log_prior = -0.5 * float(off @ off)
        if eval_gradient:
            return found[0] + log_prior, found[1] - off / spread
        return found + log_prior


def _priors(dimensions: int) -> tuple[Array, Array]:
    length = LENGTH_LOCATION + 0.5 * math.log(dimensions)
    location = np.array([SCALE_LOCATION, *[length] * dimensions, NOISE_LOCATION])
    return location, np.array([SCALE_SPREAD, *[LENGTH_SPREAD] * dimensions, NOISE_SPREAD])


@dataclass(frozen=True)
class Surrogate:
    """A fitted process. `values` [n, s]: what is known, or s fantasies of it, standardised, at `points` [n, d]."""

    kernel: Any
    noise: float
    points: Array
    values: Array
    factor: Array
    weights: Array

    @classmethod
    def of(cls, kernel: Any, noise: float, points: Array, values: Array) -> "Surrogate":
        covariance = kernel(points)
        covariance[np.diag_indices_from(covariance)] += noise + JITTER
        factor = cholesky(covariance, lower=True, check_finite=False)
        return cls(kernel, noise, points, values, factor, cho_solve((factor, True), values, check_finite=False))

    def posterior(self, points: Array) -> tuple[Array, Array]:
        """Mean [m, s] and standard deviation [m] of the objective, without noise, at points [m, d]."""
        cross = self.kernel(points, self.points)
        half = solve_triangular(self.factor, cross.T, lower=True, check_finite=False)
        variance = self.kernel.diag(points) - np.einsum("ij,ij->j", half, half)
        return cross @ self.weights, np.sqrt(np.maximum(variance, 1e-12))

    def draws(self, points: Array, count: int, generator: np.random.Generator) -> Array:
        """Joint draws [m, count] of the objective at points [m, d], from the first of `values`."""
        cross = self.kernel(points, self.points)
        half = solve_triangular(self.factor, cross.T, lower=True, check_finite=False)
        covariance = self.kernel(points) - half.T @ half
        covariance[np.diag_indices_from(covariance)] += 1e-6
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0))
        drawn: Array = cross @ self.weights[:, :1] + root @ generator.standard_normal((len(points), count))
        return drawn

    def with_fantasies(self, pending: Array, count: int, generator: np.random.Generator) -> "Surrogate":
        """The process as it would be if the pending points [p, d] had come back: `count` times, each with a joint
        draw of what they may give (Snoek, Larochelle and Adams 2012, section 3.2)."""
        drawn = self.draws(pending, count, generator)
        values = np.vstack([np.repeat(self.values[:, :1], count, axis=1), drawn])
        return Surrogate.of(self.kernel, self.noise, np.vstack([self.points, pending]), values)


def fit(points: Array, values: Array, *, seed: int) -> Surrogate:
    """The most probable process for standardised values [n] at points [n, d] of the unit cube."""
    dimensions = points.shape[1]
    start = np.exp(_priors(dimensions)[0])
    kernel = ConstantKernel(1.0, SCALE_BOUNDS) * Matern(
        start[1:-1], length_scale_bounds=LENGTH_BOUNDS, nu=2.5
    ) + WhiteKernel(1e-4, NOISE_BOUNDS)
    regressor = _Probable(kernel, alpha=JITTER, n_restarts_optimizer=2, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        regressor.fit(points, values)
    found = regressor.kernel_
    return Surrogate.of(found.k1, float(found.k2.noise_level), points, values[:, None])
