"""The parts of a project file about training: the search, and what a candidate must show."""

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


class Gates(Strict):
    """What a candidate must show before it is registered. Improvements are relative, of the search metric."""

    over_baseline: float = Field(0.01, description="least relative improvement over the trivial baseline")
    over_champion: float = Field(0.0, description="least relative improvement over the champion, same rows")
    parity: float = Field(0.01, ge=0, le=1, description="largest share of rows on which ONNX may disagree")
    holdout_rows: int = Field(50, ge=1, description="fewest rows of the held-out set")
