"""The part of a project file about training: the search."""

from typing import Literal

from pydantic import Field

from tidemill.projects.strict import Strict


class Search(Strict):
    """The hyperparameter search. `metric` is minimised; default: log_loss or rmse, by task."""

    sampler: Literal["random", "qmc", "grid"] = "qmc"
    trials: int = Field(8, ge=1, le=1000)
    concurrency: int = Field(4, ge=1, le=40)
    seed: int = 0
    algorithms: tuple[Literal["linear", "gradient_boosting", "random_forest"], ...] = (
        "linear",
        "gradient_boosting",
    )
