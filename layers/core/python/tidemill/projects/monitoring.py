"""The parts of a project file about monitoring and retraining."""

from pydantic import Field

from tidemill.projects.strict import Strict


class Drift(Strict):
    """When a window of captured predictions differs from the reference. Effect and significance both count."""

    schedule_minutes: int = Field(60, ge=1)
    min_rows: int = Field(500, ge=1)
    psi: float = Field(0.2, gt=0)
    alpha: float = Field(0.01, gt=0, lt=1)
    features: int = Field(2, ge=1, description="how many features must have shifted for the window to drift")


class Retraining(Strict):
    """What a drifted window may start."""

    on_drift: bool = True
    cool_down_hours: float = Field(24, ge=0)
