"""The part of a project file about the hyperparameter search."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from tidemill.projects.strict import Strict

Sampler = Literal["random", "qmc", "grid", "tpe", "gp", "cmaes", "nsga2", "nsga3", "reinforce", "sagemaker"]
Algorithm = Literal[
    "linear", "elastic_net", "gradient_boosting", "lightgbm", "random_forest", "extra_trees", "own"
]
Measure = Literal["metric", "latency_ms", "size_bytes", "fairness_gap"]
DRAWN = ("random", "qmc", "grid")
"""Samplers that need no results: their points are drawn before the first one is tried."""
SEVERAL_OBJECTIVES = (*DRAWN, "tpe", "nsga2", "nsga3")


class Stop(Strict):
    """When a search ends before it has tried all its trials. Each limit counts by itself."""

    minutes: float | None = Field(None, gt=0, description="minutes during which trials ran")
    gb_seconds: float | None = Field(None, gt=0, description="memory times duration of all trials")
    dollars: float | None = Field(None, gt=0, description="what that costs, by the list price of us-east-1")
    patience: int | None = Field(None, ge=1, description="trials in a row that brought no improvement")
    tolerance: float = Field(0.0, ge=0, lt=1, description="least relative improvement that `patience` counts")


class Search(Strict):
    """The hyperparameter search. The metric is minimised: log_loss or rmse, by task. `search: sagemaker` is short
    for `search: {sampler: sagemaker}`."""

    sampler: Sampler = "qmc"
    acquisition: Literal["ei", "pi", "ucb", "thompson"] = Field("ei", description="of the sampler `gp`")
    pruner: Literal["none", "median", "halving", "hyperband"] = Field(
        "none", description="who ends a trial early, by what it reports after each tenth of its fit"
    )
    trials: int = Field(8, ge=1, le=1000)
    concurrency: int = Field(
        4, ge=1, le=1000, description="slots; each asks for its next trial as soon as it is free"
    )
    seed: int = 0
    algorithms: tuple[Algorithm, ...] = ("linear", "gradient_boosting")
    objectives: tuple[Measure, ...] = Field(
        ("metric",), min_length=1, description="what is minimised together; the model is chosen by the first one"
    )
    constraints: Mapping[Measure, float] = Field(
        {}, description="the most that each may be of a model that is chosen; of equal trials, the first"
    )
    warm_start: int = Field(0, ge=0, description="how many of the last run's best points are tried first")
    stop: Stop = Stop()

    def asks_for(self, measure: Measure) -> bool:
        """Whether trials must be measured by it."""
        return measure in self.objectives or measure in self.constraints

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        return {"sampler": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _parts_agree(self) -> "Search":
        if len(set(self.objectives)) < len(self.objectives) or len(set(self.algorithms)) < len(self.algorithms):
            raise ValueError("objectives, algorithms: name each once")
        if len(self.objectives) > 1:
            if self.sampler not in SEVERAL_OBJECTIVES:
                others = ", ".join(SEVERAL_OBJECTIVES)
                raise ValueError(f"objectives: the sampler {self.sampler!r} takes one; choose one of {others}")
            if self.pruner != "none" or self.stop.patience is not None:
                raise ValueError(
                    "pruner and stop.patience compare one objective; remove them, or the other objectives"
                )
        if self.sampler == "sagemaker" and (
            self.pruner != "none" or self.warm_start or self.stop != Stop() or self.objectives != ("metric",)
        ):
            raise ValueError(
                "sampler: SageMaker's tuning jobs have rules of their own; leave out pruner, warm_start, stop and "
                "objectives, or take another sampler"
            )
        if self.pruner != "none" and self.objectives != ("metric",):
            raise ValueError("pruner: what a trial reports is the metric; make it the objective")
        return self
