"""The project file: one ML problem, described once, read by every stage.

`projects/<name>.yaml` is parsed at synth time, checked against `Project`, and travels to the functions as JSON
inside the core layer (`tidemill_projects/<name>.json`); functions never parse YAML.
"""

import importlib.resources
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tidemill.errors import ProjectInvalid, ProjectUnknown

PACKAGE = "tidemill_projects"
Algorithm = Literal["linear", "gradient_boosting", "random_forest"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,30}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Kind(StrEnum):
    """What a column holds."""

    NUMBER = "number"
    INTEGER = "integer"
    CATEGORY = "category"
    TIMESTAMP = "timestamp"

    @property
    def numeric(self) -> bool:
        return self in (Kind.NUMBER, Kind.INTEGER)


class Column(_Strict):
    """The rule of one column. `minimum` and `maximum` are inclusive; `allowed` lists the only values."""

    type: Kind
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str | int | float, ...] | None = None


class Batch(_Strict):
    """When the files of a folder below `incoming/<project>/` are complete: with a `_SUCCESS` object, or once no
    file has come for `quiet_seconds`."""

    quiet_seconds: int = Field(60, ge=1, le=86_400)


class Quality(_Strict):
    """What is done about data that is not as it should be."""

    tolerated: float = Field(
        0.01, ge=0, lt=1, description="largest share of an upload's rows that may break rules and be left out"
    )
    personal_data: Literal["allow", "mask", "refuse"] = "refuse"
    personal_columns: tuple[str, ...] = Field((), description="columns that may hold personal data all the same")
    duplicates: Literal["allow", "warn", "refuse"] = "warn"
    leakage: Literal["allow", "warn", "refuse"] = "warn"
    keys: Literal["allow", "warn", "refuse"] = Field("warn", description="rows whose `key` is there already")
    contract: Literal["allow", "warn", "refuse"] = Field("warn", description="columns unlike those of version 1")
    on_shift: Literal["warn", "hold"] = Field(
        "warn", description="what a shift against the parent does to training"
    )
    collapse: float = Field(0.1, ge=0, lt=1, description="least share of a class, relative to the parent's share")


class Split(_Strict):
    """Shares of the rows, the latest last: [train | validation | holdout], ordered by the time column."""

    validation: float = Field(0.2, gt=0, lt=0.5)
    holdout: float = Field(0.2, gt=0, lt=0.5)


class Search(_Strict):
    """The hyperparameter search. `metric` is minimised; default: log_loss or rmse, by task."""

    sampler: Literal["random", "qmc", "grid"] = "qmc"
    trials: int = Field(8, ge=1, le=1000)
    concurrency: int = Field(4, ge=1, le=40)
    seed: int = 0
    algorithms: tuple[Literal["linear", "gradient_boosting", "random_forest"], ...] = (
        "linear",
        "gradient_boosting",
    )


class Gates(_Strict):
    """What a candidate must show before it is registered. Improvements are relative, of the search metric."""

    over_baseline: float = Field(0.01, description="least relative improvement over the trivial baseline")
    over_champion: float = Field(0.0, description="least relative improvement over the champion, same rows")
    parity: float = Field(0.01, ge=0, le=1, description="largest share of rows on which ONNX may disagree")
    holdout_rows: int = Field(50, ge=1, description="fewest rows of the held-out set")


class Rollout(_Strict):
    """How a challenger earns traffic. A unit of the experiment is one request (its mean loss)."""

    steps: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field((0.1, 0.5), min_length=1)
    look_minutes: float = Field(15, gt=0)
    alpha: float = Field(0.05, gt=0, lt=1)
    margin: float = Field(0.02, ge=0, description="non-inferiority margin, in units of the loss")
    min_units: int = Field(20, ge=2, description="fewest requests with outcomes, per arm, before any verdict")
    max_looks: int = Field(200, ge=1)
    undecided: Literal["roll_back", "promote"] = "roll_back"


class Drift(_Strict):
    """When a window of captured predictions differs from the reference. Effect and significance both count."""

    schedule_minutes: int = Field(60, ge=1)
    min_rows: int = Field(500, ge=1)
    psi: float = Field(0.2, gt=0)
    alpha: float = Field(0.01, gt=0, lt=1)
    features: int = Field(2, ge=1, description="how many features must have shifted for the window to drift")


class Retraining(_Strict):
    """What a drifted window may start."""

    on_drift: bool = True
    cool_down_hours: float = Field(24, ge=0)


class Project(_Strict):
    """One ML problem. `features` are what a request carries; `target` is what it asks for."""

    name: Name
    description: str
    task: Literal["classification", "regression"]
    target: str
    time: str | None = None
    entity: str | None = None
    sensitive: tuple[str, ...] = ()
    mode: Literal["append", "replace"] = "append"
    columns: Mapping[str, Column]
    features: tuple[str, ...]
    min_rows: int = Field(50, ge=10)
    key: tuple[str, ...] = Field((), description="the columns that together name a row")
    batch: Batch = Batch()
    quality: Quality = Quality()
    split: Split = Split()
    search: Search = Search()
    gates: Gates = Gates()
    rollout: Rollout = Rollout()
    drift: Drift = Drift()
    retraining: Retraining = Retraining()
    max_instances: int = Field(1000, ge=1, le=1000)

    @model_validator(mode="after")
    def _columns_agree(self) -> "Project":
        named = [self.target, *self.features, *self.sensitive, *self.key]
        named += [column for column in (self.time, self.entity) if column]
        missing = sorted(set(named) - set(self.columns))
        if missing:
            raise ValueError(f"columns: no rule for {missing}; add each to `columns`")
        if self.target in self.features:
            raise ValueError(f"features: {self.target!r} is the target and would leak; remove it")
        if not self.features:
            raise ValueError("features: at least one is needed")
        timestamps = [name for name in self.features if self.columns[name].type is Kind.TIMESTAMP]
        if timestamps:
            raise ValueError(f"features: {timestamps} are timestamps; derive numbers from them instead")
        if not self.columns[self.target].type.numeric:
            raise ValueError(f"target: {self.target!r} must be a number (0 and 1 for classification)")
        return self

    @property
    def metric(self) -> str:
        """The metric that the search minimises and the gates compare."""
        return "log_loss" if self.task == "classification" else "rmse"

    def feature_columns(self) -> dict[str, Column]:
        """The rules of the features, in the order of `features`."""
        return {name: self.columns[name] for name in self.features}


def parse(document: Any) -> Project:
    """Check a parsed project document. Raises ProjectInvalid that lists every fault with its place."""
    try:
        return Project.model_validate(document)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise ProjectInvalid(f"project file is not valid: {faults}") from error


def load(name: str) -> Project:
    """The deployed project of that name. Raises ProjectUnknown."""
    resource = importlib.resources.files(PACKAGE) / f"{name}.json"
    if "/" in name or not resource.is_file():
        raise ProjectUnknown(f"no project {name!r} is deployed; add projects/{name}.yaml and deploy again")
    return parse(json.loads(resource.read_text()))
