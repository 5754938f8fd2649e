"""The parts of a project file about what a candidate must show."""

from pydantic import Field

from tidemill.projects.strict import Strict


class Gates(Strict):
    """What a candidate must show before it is registered. Improvements are relative, of the search metric."""

    over_baseline: float = Field(0.01, description="least relative improvement over the trivial baseline")
    over_champion: float = Field(0.0, description="least relative improvement over the champion, same rows")
    parity: float = Field(0.01, ge=0, le=1, description="largest share of rows on which ONNX may disagree")
    holdout_rows: int = Field(50, ge=1, description="fewest rows of the held-out set")
