"""The parts of a project file about evidence: what is measured of a candidate, and what it must show."""

from typing import Literal

from pydantic import Field

from tidemill.projects.strict import Strict


class Slices(Strict):
    """Parts of the held-out rows that are looked at by themselves: by category, or by quantile of a number."""

    columns: tuple[str, ...] | None = Field(None, description="columns to slice by; default: all features")
    protected: tuple[str, ...] = Field((), description="columns that the gate `slices` guards, with `sensitive`")
    rows: int = Field(50, ge=10, description="fewest rows of a slice, or group, that is judged")
    bins: int = Field(4, ge=2, le=20, description="quantile bins of a number")


class Gates(Strict):
    """What a candidate must show before it is registered. Improvements are relative, of the search metric, and
    decided by their lower confidence limit. A gate whose threshold is None is off."""

    over_baseline: float = Field(0.01, description="least relative improvement over the trivial baseline")
    over_champion: float = Field(
        0.0,
        description="least relative improvement over the champion, same rows; negative: how much worse it may be",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="one-sided, of every limit that a gate rests on")
    block: int = Field(1, ge=1, description="neighbouring rows that are resampled together")
    parity: float = Field(0.01, ge=0, le=1, description="largest share of rows on which ONNX may disagree")
    holdout_rows: int = Field(50, ge=1, description="fewest rows of the held-out set")
    slices: float | None = Field(
        0.1, ge=0, description="largest relative worsening against the champion on a protected slice"
    )
    slices_burden: Literal["harm", "safety"] = Field(
        "harm", description="harm: refuse what is shown to be worse; safety: refuse what is not shown not to be"
    )
    calibration: float | None = Field(None, gt=0, le=1, description="largest expected calibration error")
    decision_cost: float | None = Field(
        None, gt=0, description="largest mean cost of a row's decision, in the unit of `recipe.costs`"
    )
    selection_ratio: float | None = Field(
        None, gt=0, le=1, description="least ratio of selection rates between groups; 0.8 is the four-fifths rule"
    )
    equalised_odds: float | None = Field(
        None, gt=0, le=1, description="largest difference of true, or false, positive rates between groups"
    )
    robustness: float | None = Field(
        None, ge=0, description="largest relative worsening when values are missing, one feature or 10 % of all"
    )
    model_bytes: int | None = Field(None, ge=1, description="largest served form, in bytes")
    latency_ms: float | None = Field(None, gt=0, description="largest 95th percentile for one row")
