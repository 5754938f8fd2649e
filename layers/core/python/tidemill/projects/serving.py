"""The part of a project file about its endpoint: what it does with requests that are not as the columns' rules
say, where its models are, and what it is given."""

from typing import Any, Literal

from pydantic import Field

from tidemill.projects.strict import Strict

Answer = Literal["refuse", "impute"]


class Serving(Strict):
    """Refuse such a request, or take the value for missing, as the pipeline was fitted to take it. What has no
    meaning is refused in any case: unknown features, wrong types. Where models are, and what the endpoint is
    given, is in force for releases after the next deployment."""

    missing: Answer = Field("refuse", description="a feature that is not `nullable` and is left out, or null")
    out_of_range: Answer = Field("refuse", description="a value outside `minimum`, `maximum` or `allowed`")

    storage: Literal["layer", "bucket", "auto"] = Field(
        "layer",
        description="where models are: in a layer of the endpoint, which then may read nothing; in the bucket, "
        "read at each cold start; auto: in a layer if they fit into one",
    )
    memory_mb: int = Field(1024, ge=128, le=10_240, description="memory of the endpoint")
    temporary_storage_mb: int = Field(
        512, ge=512, le=10_240, description="of the endpoint, in which a model from the bucket is kept"
    )

    fallback: Literal["none", "skops"] = Field(
        "none",
        description="what is served of a model whose ONNX form answers otherwise: nothing, or its training "
        "form, which starts more slowly",
    )

    @property
    def reads_bucket(self) -> bool:
        """Whether the endpoint may read the project's models."""
        return self.storage != "layer"

    @property
    def imputes(self) -> bool:
        """Whether a model may be asked with any of its inputs missing, also one that training always saw."""
        return "impute" in (self.missing, self.out_of_range)

    def carried(self) -> dict[str, Any]:
        """What a model's documents say of it: nothing of what is so by default."""
        told = self.model_dump(mode="json", include={"missing", "out_of_range"})
        return {"serving": told} if self.imputes else {}
