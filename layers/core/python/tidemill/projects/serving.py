"""The part of a project file about what an endpoint does with requests that are not as the columns' rules say."""

from typing import Any, Literal

from pydantic import Field

from tidemill.projects.strict import Strict

Answer = Literal["refuse", "impute"]


class Serving(Strict):
    """Refuse such a request, or take the value for missing, as the pipeline was fitted to take it. What has no
    meaning is refused in any case: unknown features, wrong types."""

    missing: Answer = Field("refuse", description="a feature that is not `nullable` and is left out, or null")
    out_of_range: Answer = Field("refuse", description="a value outside `minimum`, `maximum` or `allowed`")

    @property
    def imputes(self) -> bool:
        """Whether a model may be asked with any of its inputs missing, also one that training always saw."""
        return "impute" in (self.missing, self.out_of_range)

    def carried(self) -> dict[str, Any]:
        """What a model's documents say of it: nothing of what is so by default."""
        return {"serving": self.model_dump(mode="json")} if self.imputes else {}
