"""The part of a project file about where a run computes."""

from typing import Any, Literal

from pydantic import Field, model_validator

from tidemill.projects.strict import Strict


class Compute(Strict):
    """Where trials and the final fit run. `compute: sagemaker` is short for `compute: {kind: sagemaker}`."""

    kind: Literal["lambda", "sagemaker", "auto"] = Field(
        "lambda", description="auto: Lambda, unless rows, columns or the time of a trial are too much for it"
    )
    instance_type: str = Field("ml.m5.xlarge", pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9-]+$")
    instance_count: int = Field(
        1,
        ge=1,
        le=40,
        description="instances that search side by side, a job on each, and that share the final fit of a forest "
        "or of lightgbm",
    )
    shards: int = Field(1, ge=1, le=40, description="functions that grow a forest's final fit side by side")
    spot: bool = Field(False, description="spare capacity: cheaper, and may be taken back; the job goes on then")
    max_minutes: int = Field(60, ge=1, le=40_320, description="minutes after which a job is stopped")
    volume_gb: int = Field(30, ge=1, le=16_384, description="size of an instance's disk")
    strategy: Literal["bayesian", "random", "grid", "hyperband"] = Field(
        "bayesian", description="of SageMaker's own tuning jobs, which `search.sampler: sagemaker` uses"
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        return {"kind": given} if isinstance(given, str) else given
