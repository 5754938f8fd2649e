"""The parts of a project file about data: columns, uploads, quality, and how rows are split."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, model_validator

from tidemill.projects.strict import Strict


class Kind(StrEnum):
    """What a column holds."""

    NUMBER = "number"
    INTEGER = "integer"
    CATEGORY = "category"
    TIMESTAMP = "timestamp"

    @property
    def numeric(self) -> bool:
        return self in (Kind.NUMBER, Kind.INTEGER)


class Column(Strict):
    """The rule of one column. `minimum` and `maximum` are inclusive; `allowed` lists the only values."""

    type: Kind
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str | int | float, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _names_are_texts(cls, given: Any) -> Any:
        names = given.get("allowed") if isinstance(given, Mapping) and given.get("type") == Kind.CATEGORY else None
        if isinstance(names, list | tuple) and any(isinstance(name, bool) for name in names):
            raise ValueError("allowed: YAML takes yes, no, on, off, true and false for truth values; quote them")
        return given


class Batch(Strict):
    """When the files of a folder below `incoming/<project>/` are complete: with a `_SUCCESS` object, or once no
    file has come for `quiet_seconds`."""

    quiet_seconds: int = Field(60, ge=1, le=86_400)


class Quality(Strict):
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


class Split(Strict):
    """Shares of the rows: [train | validation | holdout]. By time the latest are held out; by entity all rows of
    an entity are in one part, so that a model is judged on those it has never seen; by content equal rows are."""

    by: Literal["time", "entity", "content"] | None = Field(
        None, description="default: time, if the project has a time column, else content"
    )

    validation: float = Field(0.2, gt=0, lt=0.5)
    holdout: float = Field(0.2, gt=0, lt=0.5)
