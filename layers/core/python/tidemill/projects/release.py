"""The part of a project file about releases."""

from typing import Annotated, Literal

from pydantic import Field

from tidemill.projects.strict import Strict


class Rollout(Strict):
    """How a challenger earns traffic. A unit of the experiment is one request (its mean loss)."""

    steps: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field((0.1, 0.5), min_length=1)
    look_minutes: float = Field(15, gt=0)
    alpha: float = Field(0.05, gt=0, lt=1)
    margin: float = Field(0.02, ge=0, description="non-inferiority margin, in units of the loss")
    min_units: int = Field(20, ge=2, description="fewest requests with outcomes, per arm, before any verdict")
    max_looks: int = Field(200, ge=1)
    undecided: Literal["roll_back", "promote"] = "roll_back"
