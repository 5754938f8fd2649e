"""The part of a project file about an endpoint: requests that are not as the columns' rules say, how many it
takes, what is captured of those that are answered, how outcomes find their predictions, where its models are, and
what it is given."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from tidemill.projects.release import UNEXPOSED
from tidemill.projects.strict import Strict

if TYPE_CHECKING:
    from tidemill.projects.project import Project

Answer = Literal["refuse", "impute"]
_ANSWERS = {"missing", "out_of_range"}
"""What of it belongs to a model; limits are the deployment's, and change without a training."""
HOURS_OF_OUTCOMES = 24 * 90


class Capture(Strict):
    """What leaves an endpoint's process of the requests that it answered."""

    share: float = Field(1, ge=0, le=1, description="of the requests; one is captured whole or not at all")
    mask: tuple[str, ...] = Field(
        (), description="features that are left out; those in `quality.personal_columns` are in any case"
    )
    entity: Literal["keep", "hash", "drop"] | None = Field(
        None, description="the entity's id; default: keep, or hash if its column is in `quality.personal_columns`"
    )


class Outcomes(Strict):
    """How an outcome that names an entity and a time finds its prediction."""

    within_hours: float = Field(
        HOURS_OF_OUTCOMES, gt=0, le=HOURS_OF_OUTCOMES, description="how long before the outcome's time it was made"
    )


class Serving(Strict):
    """Refuse such a request, or take the value for missing, as the pipeline was fitted to take it. What has no
    meaning is refused in any case: unknown features, wrong types. Where models are, and what the endpoint is
    given, is in force for releases after the next deployment."""

    missing: Answer = Field("refuse", description="a feature that is not `nullable` and is left out, or null")
    out_of_range: Answer = Field("refuse", description="a value outside `minimum`, `maximum` or `allowed`")
    capture: Capture = Capture()
    outcomes: Outcomes = Outcomes()

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
        return {"serving": self.model_dump(mode="json", include=_ANSWERS)} if self.imputes else {}


def masked_features(project: "Project") -> list[str]:
    """The features that never leave an endpoint, in their order."""
    hidden = {*project.serving.capture.mask, *project.quality.personal_columns}
    return [name for name in project.features if name in hidden]


def entity_captured(project: "Project") -> Literal["keep", "hash", "drop"]:
    """What becomes of the entity's id."""
    personal = project.entity is not None and project.entity in project.quality.personal_columns
    return project.serving.capture.entity or ("hash" if personal else "keep")


def capture_carried(project: "Project") -> dict[str, Any]:
    """What `model.json` says of the capture, for the endpoint to go by: nothing if everything is captured."""
    share, masked, entity = project.serving.capture.share, masked_features(project), entity_captured(project)
    if share == 1 and not masked and entity == "keep":
        return {}
    return {"capture": {"share": share, "mask": masked, "entity": entity}}


def capture_fault(project: "Project") -> str | None:
    """Which setting of the capture does not fit the project, in words; None if all do."""
    if unknown := [name for name in project.serving.capture.mask if name not in project.features]:
        return f"serving.capture.mask: {unknown} are no features, and nothing else is captured; leave them out"
    if project.rollout.covariate in masked_features(project):
        return (
            f"rollout.covariate: {project.rollout.covariate!r} is masked, so that releases never see it; take"
            " another feature, or leave it out"
        )
    if masked_features(project) and (before := [plan for plan in project.rollout.plan if plan in UNEXPOSED]):
        return (
            f"rollout.plan: {before} ask the challenger what was captured, which lacks the masked features"
            f" {masked_features(project)}; leave one of them out"
        )
    if project.rollout.unit == "entity" and entity_captured(project) == "drop":
        return "serving.capture.entity: rollout.unit is entity, which needs to be known again; take hash"
    return None
