"""The model: a scikit-learn pipeline over named columns, built so that its ONNX form answers alike.

RunTrial and FitFinal fit one, EvaluateCandidate asks it. Everything before the estimator works in float32, in
which the served model is asked. So the two differ by float32 sums alone; a tree never takes the other branch
(`Family.settle`).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from tidemill.projects import Project
from tidemill.projects.search import Algorithm
from tidemill.training import algorithms, calibration, outputs
from tidemill.training.algorithms import columns
from tidemill.training.algorithms.family import COLUMNS, ESTIMATOR, Family, Parameters
from tidemill.training.calibration import Model
from tidemill.training.prepare import Arrays
from tidemill.training.team import Team

STEPS = 10
"""In how many parts trees grow if somebody watches."""
OnStep = Callable[[int, int, Pipeline], None]


class Begun(NamedTuple):
    """A fit that was left after that part, with the pipeline so far."""

    step: int
    pipeline: Pipeline


def fit(
    algorithm: Algorithm,
    parameters: Parameters,
    arrays: Arrays,
    *,
    project: Project,
    seed: int,
    on_step: OnStep | None = None,
    begun: Begun | None = None,
    team: Team | None = None,
) -> Model:
    """A pipeline of `algorithm`, fitted on the features and the target in `arrays`, and calibrated if the recipe
    asks for it.

    With `on_step`, forests and boosted trees grow in STEPS parts, and it is called after each with the number of
    the part, how many there are, and the pipeline so far; it may raise, which ends the fit. The result is the
    same, bit by bit, with and without, and if it goes on with a fit that was `begun` on the same rows. Machines of
    a `team` all give the same rows, of which the estimator takes this one's share (`Family.parted`). Raises what
    scikit-learn raises for data or parameters it cannot work with (ValueError, ArithmeticError).
    """
    rows = calibration.fitted_on(arrays, project)
    frame, target = to_frame(rows, project.inputs()), known(rows, project)
    family = algorithms.of(algorithm, project)
    fresh = family.build(parameters, frame, project, seed)
    if on_step is None or family.grows is None:
        fresh.fit(frame, target, **({f"{ESTIMATOR}__team": team} if team else {}))
        columns.settle(fresh[0])
        family.settle(fresh[-1])
        if on_step is not None:
            on_step(1, 1, fresh)
        return calibration.calibrated(fresh, arrays, project)
    size = getattr(fresh[ESTIMATOR], family.grows)
    pipeline = begun.pipeline if begun else fresh
    _grow(family, pipeline, size, frame, target, on_step, done=begun.step if begun else 0)
    return calibration.calibrated(pipeline, arrays, project)


def known(arrays: Arrays, project: Project) -> NDArray[Any]:
    """The target as it is fitted, shape [n]: classes as integers, named ones by their numbers."""
    target = arrays[project.target]
    return target.astype(np.int64) if project.task == "classification" else target


def _grow(
    family: Family,
    pipeline: Pipeline,
    whole: int,
    frame: pd.DataFrame,
    target: NDArray[Any],
    on_step: OnStep,
    *,
    done: int,
) -> None:
    """Fit `whole` trees, part after part, each going on where the one before ended; the first ones are `done`."""
    estimator = pipeline[ESTIMATOR]
    parts = sorted({round(whole * step / STEPS) for step in range(1, STEPS + 1)} - {0})
    # Also if some are done: what is fitted on may not be what `transform` gives (`columns.FOLDS`).
    inputs = pipeline[COLUMNS].fit_transform(frame, target)
    columns.settle(pipeline[COLUMNS])
    estimator.set_params(warm_start=True)
    for step, trees in enumerate(parts[done:], start=done + 1):
        estimator.set_params(**{str(family.grows): trees}).fit(inputs, target)
        family.settle(estimator)
        if step == len(parts):
            estimator.set_params(warm_start=False)
        on_step(step, len(parts), pipeline)


def predict(
    pipeline: Model, arrays: Arrays, inputs: Iterable[str], classes: Sequence[str] = ()
) -> NDArray[np.float64]:
    """Per row the probability of class 1 (a classifier), or the predicted value; shape [n]. With named `classes`
    the probability of each, in their order; shape [n, K]."""
    frame = to_frame(arrays, inputs)
    ask = pipeline.predict_proba if hasattr(pipeline, "predict_proba") else pipeline.predict
    return outputs.taken(ask(frame), classes)


def to_frame(arrays: Arrays, inputs: Iterable[str]) -> pd.DataFrame:
    """The inputs of a model as a frame, in their order: float32 numbers, text categories."""
    return pd.DataFrame({name: arrays[name] for name in inputs})
