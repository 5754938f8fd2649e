"""What a project's own `recipe.py` imports: the ranges of its parameters.

Such a file has two functions:

    def space(task):
        return {"var_smoothing": number(1e-12, 1e-3, first=1e-9, log=True)}

    def build(parameters, *, project, frame, seed):
        return GaussianNB(**parameters)

docs/recipes.md says more.
"""

from collections.abc import Sequence

from optuna.distributions import FloatDistribution, IntDistribution

from tidemill.training.algorithms.family import Axis


def number(
    low: float, high: float, *, first: float, log: bool = False, grid: Sequence[float] | None = None
) -> Axis:
    """A parameter from `low` to `high`, on a logarithmic scale if `log`. `first` is the value of the first trial,
    `grid` has those of a grid search (default: both ends and the first). Raises ValueError."""
    return Axis(FloatDistribution(low, high, log=log), first, _grid(low, high, first, grid))


def whole(low: int, high: int, *, first: int, log: bool = False, grid: Sequence[int] | None = None) -> Axis:
    """The same of whole numbers."""
    return Axis(IntDistribution(low, high, log=log), first, _grid(low, high, first, grid))


def _grid(low: float, high: float, first: float, grid: Sequence[float] | None) -> tuple[float, ...]:
    values = (low, first, high) if grid is None else grid
    outside = sorted({value for value in (first, *values) if not low <= value <= high})
    if outside:
        raise ValueError(f"{outside} are not from {low} to {high}")
    return tuple(dict.fromkeys(values))
