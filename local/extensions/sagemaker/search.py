"""The points of a tuning job: SageMaker's strategies by Optuna's samplers.

Bayesian is TPE, with what still runs taken as bad so that parallel jobs differ; Random and Grid are what they are
called; Hyperband is TPE with Optuna's Hyperband pruner, which stops a job whose metric lags behind
(https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-how-it-works.html). SageMaker's own
algorithms are not public, so the points differ from AWS's, not the ranges they come from.
"""

import math
from typing import Any, Literal

from local.extensions.sagemaker.shapes import Refused

Json = dict[str, Any]


class Search:
    """Points for the config of a tuning job. Raises Refused for ranges that no strategy can draw from."""

    def __init__(self, config: Json) -> None:
        import optuna  # at the first tuning job: it takes half a second

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna = optuna
        self._strategy = config["Strategy"]
        self._names = {kind: list(ranges) for kind, ranges in (config.get("ParameterRanges") or {}).items()}
        self._axes = axes(config.get("ParameterRanges") or {})
        objective = config.get("HyperParameterTuningJobObjective") or {}
        self.direction: Literal["maximize", "minimize"] = (
            "maximize" if objective.get("Type") == "Maximize" else "minimize"
        )
        self.size = self._grid_size() if self._strategy == "Grid" else None
        self._study = optuna.create_study(
            study_name="search",  # Optuna's Hyperband deals its brackets by it: one seed, one course
            direction=self.direction,
            sampler=self._sampler(config.get("RandomSeed")),
            pruner=self._pruner(config),
        )
        self._trials: dict[str, Any] = {}

    def ask(self, job: str) -> dict[str, str]:
        """The hyperparameters of the next job, as the strings that jobs get."""
        trial = self._study.ask({name: axis.distribution(self._optuna) for name, axis in self._axes.items()})
        self._trials[job] = trial
        return {name: self._axes[name].text(value) for name, value in trial.params.items()}

    def report(self, job: str, value: float, step: int) -> bool:
        """Note a value that a job logged on its way: whether the job is to be stopped."""
        trial = self._trials[job]
        trial.report(value, step)
        return bool(trial.should_prune())

    def tell(self, job: str, value: float | None, *, pruned: bool) -> None:
        """Note the last value of a job, None when it has none. `pruned`: it was stopped as it lagged behind."""
        trial = self._trials.pop(job)
        if pruned:
            self._study.tell(trial, state=self._optuna.trial.TrialState.PRUNED)
        elif value is None or not math.isfinite(value):
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(trial, value)

    def _grid_size(self) -> int:
        if any(self._names.get(kind) for kind in ("IntegerParameterRanges", "ContinuousParameterRanges")):
            raise Refused("ValidationException", "Grid search supports categorical parameter ranges only")
        return math.prod(len(axis.choices) for axis in self._axes.values())

    def _sampler(self, seed: int | None) -> Any:
        samplers = self._optuna.samplers
        if self._strategy == "Random":
            return samplers.RandomSampler(seed=seed)
        if self._strategy == "Grid":
            return samplers.GridSampler({name: axis.choices for name, axis in self._axes.items()}, seed=seed)
        return samplers.TPESampler(seed=seed, constant_liar=True, multivariate=False)

    def _pruner(self, config: Json) -> Any:
        if self._strategy == "Hyperband":
            limits = (config.get("StrategyConfig") or {}).get("HyperbandStrategyConfig") or {}
            least, most = limits.get("MinResource", 1), limits.get("MaxResource", 27)
            return self._optuna.pruners.HyperbandPruner(min_resource=least, max_resource=most)
        if config.get("TrainingJobEarlyStoppingType") == "Auto":
            return self._optuna.pruners.MedianPruner()
        return self._optuna.pruners.NopPruner()


class Axis:
    """One hyperparameter: what Optuna draws for it, and the text that the job gets."""

    def __init__(self, kind: str, given: Json) -> None:
        self.kind = kind
        self.choices: list[str] = given.get("Values", [])
        self._scaling = given.get("ScalingType", "Auto")
        if kind != "categorical":
            try:
                number = int if kind == "integer" else float
                self._low, self._high = number(given["MinValue"]), number(given["MaxValue"])
            except ValueError as error:
                raise Refused("ValidationException", f"Parameter range {given['Name']}: {error}") from error
            self._check(given["Name"])

    def _check(self, name: str) -> None:
        if self._low > self._high:
            raise Refused("ValidationException", f"Parameter range {name}: MinValue is above MaxValue")
        if self._scaling == "Logarithmic" and self._low <= 0:
            raise Refused("ValidationException", f"Parameter range {name}: Logarithmic scaling needs MinValue > 0")
        if self._scaling == "ReverseLogarithmic" and not (
            self.kind == "continuous" and 0 <= self._low <= self._high < 1
        ):
            raise Refused(
                "ValidationException",
                f"Parameter range {name}: ReverseLogarithmic scaling needs a continuous range within [0, 1)",
            )

    def distribution(self, optuna: Any) -> Any:
        if self.kind == "categorical":
            return optuna.distributions.CategoricalDistribution(self.choices)
        if self._scaling == "ReverseLogarithmic":
            return optuna.distributions.FloatDistribution(1 - self._high, 1 - self._low, log=True)
        number = optuna.distributions.IntDistribution if self.kind == "integer" else None
        kind = number or optuna.distributions.FloatDistribution
        return kind(self._low, self._high, log=self._scaling == "Logarithmic")

    def text(self, value: Any) -> str:
        if self._scaling == "ReverseLogarithmic":
            value = min(max(1 - value, self._low), self._high)
        return str(value)


def axes(ranges: Json) -> dict[str, Axis]:
    """The hyperparameters of `ParameterRanges`. Raises Refused."""
    kinds = {
        "integer": "IntegerParameterRanges",
        "continuous": "ContinuousParameterRanges",
        "categorical": "CategoricalParameterRanges",
    }
    found = {each["Name"]: Axis(kind, each) for kind, member in kinds.items() for each in ranges.get(member) or []}
    if not found:
        raise Refused("ValidationException", "ParameterRanges: at least one range is needed")
    return found
