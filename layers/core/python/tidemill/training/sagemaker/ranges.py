"""The search space of an algorithm in SageMaker's words, and a point of it back in ours.

https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-define-ranges.html. SageMaker gives and
takes strings.
"""

from collections.abc import Mapping
from typing import Any

from optuna.distributions import IntDistribution

from tidemill.errors import ProjectInvalid
from tidemill.projects import Project
from tidemill.projects.search import Algorithm
from tidemill.training.algorithms import space
from tidemill.training.algorithms.family import Number


def ranges(algorithm: Algorithm, project: Project, *, grid: bool) -> dict[str, list[dict[str, Any]]]:
    """`ParameterRanges` of a tuning job. A grid is of named values: SageMaker takes no numbers there. Raises
    ProjectInvalid if nothing is varied."""
    axes = space(algorithm, project)
    if not axes:
        raise ProjectInvalid(
            f"search: {algorithm} varies nothing, so SageMaker can tune nothing; take another sampler"
        )
    if grid:
        categories = [{"Name": name, "Values": [repr(v) for v in axis.grid]} for name, axis in axes.items()]
        return {"CategoricalParameterRanges": categories}
    found: dict[str, list[dict[str, Any]]] = {"IntegerParameterRanges": [], "ContinuousParameterRanges": []}
    for name, axis in axes.items():
        kind = "Integer" if isinstance(axis.range, IntDistribution) else "Continuous"
        found[f"{kind}ParameterRanges"].append(
            {
                "Name": name,
                "MinValue": repr(axis.range.low),
                "MaxValue": repr(axis.range.high),
                "ScalingType": "Logarithmic" if axis.range.log else "Linear",
            }
        )
    return found


def point(algorithm: Algorithm, project: Project, hyperparameters: Mapping[str, str]) -> dict[str, Number]:
    """The parameters among a job's hyperparameters. Raises KeyError, ValueError."""
    return {
        name: int(hyperparameters[name])
        if isinstance(axis.range, IntDistribution)
        else float(hyperparameters[name])
        for name, axis in space(algorithm, project).items()
    }
