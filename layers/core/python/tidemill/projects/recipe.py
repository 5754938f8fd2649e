"""The part of a project file about the pipeline: what is done to columns, and how its answers become decisions."""

from typing import Literal

from pydantic import Field

from tidemill.projects.strict import Strict
from tidemill.time_parts import Part


class Costs(Strict):
    """What a wrong decision costs, in any unit; a right one costs nothing. Only their ratio counts."""

    false_positive: float = Field(1.0, gt=0)
    false_negative: float = Field(1.0, gt=0)

    @property
    def threshold(self) -> float:
        """The probability of class 1 from which deciding for it costs less on average: c_fp / (c_fp + c_fn) (Elkan
        2001, "The Foundations of Cost-Sensitive Learning", equation 2)."""
        return self.false_positive / (self.false_positive + self.false_negative)


class Recipe(Strict):
    """How columns become what an algorithm is fitted on, and probabilities decisions."""

    encode: Literal["auto", "one_hot", "ordinal", "target"] = Field(
        "auto", description="categories; auto: one_hot for linear models, ordinal for trees"
    )
    rare: float = Field(
        0.0, ge=0, lt=0.5, description="categories with a smaller share of the rows are taken for unknown ones"
    )
    impute: Literal["median", "mean"] = Field(
        "median",
        description="what takes the place of a missing number, except in boosted trees, which learn it",
    )
    dates: tuple[Part, ...] = Field(
        ("hour", "weekday", "month"), description="what a model is told of a feature that is a time (UTC)"
    )
    class_weight: Literal["none", "balanced"] = Field(
        "none",
        description="balanced: all classes weigh the same; probabilities are then too high for rarer ones",
    )
    calibrate: float = Field(
        0.0,
        ge=0,
        lt=0.5,
        description="share of the rows that set the probabilities right, instead of being fitted on",
    )
    costs: Costs = Costs()
    own: str | None = Field(
        None, max_length=100_000, description="the text of `projects/<name>/recipe.py`, put here by who reads it"
    )
