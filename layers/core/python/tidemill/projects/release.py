"""The part of a project file about releases."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from tidemill.projects.strict import Strict

if TYPE_CHECKING:
    from tidemill.projects.project import Project

Metric = Literal[
    "log_loss", "squared_error", "absolute_error", "accuracy", "precision", "recall", "cost", "reward"
]
RATIOS = ("precision", "recall")
OF_TWO = (*RATIOS, "cost")
"""Metrics that are of two outcomes, 0 and 1, alone."""
ALL_OR_NOTHING = ("accuracy", *OF_TWO)
"""Metrics by which a prediction has a loss or none, and most have none."""


class Rollout(Strict):
    """How a challenger earns traffic. A unit of the experiment is a request or an entity (its mean loss)."""

    steps: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field((0.1, 0.5), min_length=1)
    look_minutes: float = Field(15, gt=0)
    metric: Metric | None = Field(
        None, description="what decides; by default log_loss for classification, squared_error for regression"
    )
    unit: Literal["request", "entity"] = "request"
    covariate: str | None = Field(
        None, description="a numeric feature of the request that foretells the loss: it narrows the interval"
    )
    goal: Literal["not_worse", "better"] = Field(
        "not_worse", description="not_worse: by the margin or more; better: by more than the margin"
    )
    alpha: float = Field(0.05, gt=0, lt=1)
    margin: float = Field(0.02, ge=0, description="of the goal, in units of the loss")
    min_units: int = Field(20, ge=2, description="fewest units with outcomes, per arm, before any verdict")
    max_looks: int = Field(200, ge=1)
    max_days: float = Field(30, gt=0, le=55, description="days after which an undecided release ends")
    undecided: Literal["roll_back", "promote"] = "roll_back"
    approval: Literal["none", "required"] = Field(
        "none", description="whether a person has to approve a model before its release begins"
    )
    approval_hours: float = Field(72, gt=0, le=336, description="hours after which nobody can approve it any more")

    def measured(self, task: str) -> Metric:
        """The metric that decides for a project of that task."""
        return self.metric or ("log_loss" if task == "classification" else "squared_error")


def rollout_fault(project: "Project") -> str | None:
    """Which setting of `rollout` does not fit the project, in words; None if all do."""
    rules = project.rollout
    two = project.task == "classification" and not project.classes
    if rules.metric in ("log_loss", "accuracy") and project.task == "regression":
        return f"rollout.metric: {rules.metric} is of classification; take squared_error, absolute_error or reward"
    if rules.metric in OF_TWO and not two:
        return f"rollout.metric: {rules.metric} is of two outcomes, 0 and 1; take another metric"
    if rules.metric in ("squared_error", "absolute_error") and project.task == "classification":
        return f"rollout.metric: {rules.metric} is of regression; take log_loss, accuracy or reward"
    if rules.covariate is not None:
        column = project.columns.get(rules.covariate)
        if rules.covariate not in project.features or column is None or not column.type.numeric:
            return (
                f"rollout.covariate: {rules.covariate!r} must be a numeric feature: what a request brings is known"
                " before it is assigned, which makes the adjustment sound"
            )
        if rules.metric in RATIOS:
            return (
                f"rollout.covariate: {rules.metric} is about some of the units, which the model chooses; leave the"
                " covariate out, or take another metric"
            )
    return None
