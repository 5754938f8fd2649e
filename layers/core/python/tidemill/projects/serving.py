"""The part of a project file about what an endpoint does with requests that are not as the columns' rules say, and
about how many it takes."""

from typing import Any, Literal

from pydantic import Field, model_validator

from tidemill.projects.strict import Strict

Answer = Literal["refuse", "impute"]
_ANSWERS = {"missing", "out_of_range"}
"""What of it belongs to a model; limits are the deployment's, and change without a training."""


class Serving(Strict):
    """Refuse such a request, or take the value for missing, as the pipeline was fitted to take it. What has no
    meaning is refused in any case: unknown features, wrong types."""

    missing: Answer = Field("refuse", description="a feature that is not `nullable` and is left out, or null")
    out_of_range: Answer = Field("refuse", description="a value outside `minimum`, `maximum` or `allowed`")

    requests_per_second: int | None = Field(
        None,
        ge=1,
        description="what API Gateway lets through to each route of the project; else as the stage says",
    )
    burst: int | None = Field(None, ge=1, description="requests at once above that; else twice as many")
    concurrency: int | None = Field(
        None, ge=1, description="copies of the endpoint that may run at once, kept free for it in the account"
    )

    @model_validator(mode="after")
    def _a_burst_is_of_a_limit(self) -> "Serving":
        if self.burst is not None and self.requests_per_second is None:
            raise ValueError(f"serving.burst: {self.burst} without requests_per_second; set that, too")
        return self

    @property
    def imputes(self) -> bool:
        """Whether a model may be asked with any of its inputs missing, also one that training always saw."""
        return "impute" in (self.missing, self.out_of_range)

    def carried(self) -> dict[str, Any]:
        """What a model's documents say of it: nothing of what is so by default."""
        return {"serving": self.model_dump(mode="json", include=_ANSWERS)} if self.imputes else {}
