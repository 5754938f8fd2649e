"""The project file as a whole."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tidemill.projects.classes import classes_of, settings_fault, target_fault
from tidemill.projects.compute import Compute
from tidemill.projects.data import Batch, Column, Kind, Quality, Split
from tidemill.projects.gates import Gates, Slices
from tidemill.projects.inputs import features_fault, inputs_of
from tidemill.projects.monitoring import Drift, Retraining
from tidemill.projects.recipe import Costs, Recipe
from tidemill.projects.release import Rollout, rollout_fault
from tidemill.projects.search import Search
from tidemill.projects.serving import Serving, capture_fault
from tidemill.projects.strict import Strict

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,30}$")]


class Project(Strict):
    """One ML problem. `features` are what a request carries; `target` is what it asks for: a number, 0 or 1, or
    one of the classes that the target's `allowed` names."""

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
    recipe: Recipe = Recipe()
    search: Search = Search()
    slices: Slices = Slices()
    compute: Compute = Compute()
    gates: Gates = Gates()
    serving: Serving = Serving()
    rollout: Rollout = Rollout()
    drift: Drift = Drift()
    retraining: Retraining = Retraining()
    max_instances: int = Field(1000, ge=1, le=1000)

    @model_validator(mode="after")
    def _columns_agree(self) -> "Project":
        named = [self.target, *self.features, *self.sensitive, *self.key, *self.sliced]
        named += [column for column in (self.time, self.entity) if column]
        missing = sorted(set(named) - set(self.columns))
        if missing:
            raise ValueError(f"columns: no rule for {missing}; add each to `columns`")
        if self.target in self.features:
            raise ValueError(f"features: {self.target!r} is the target and would leak; remove it")
        if not self.features:
            raise ValueError("features: at least one is needed")
        times = [name for name in self.sliced if self.columns[name].type is Kind.TIMESTAMP or name == self.target]
        if times:
            raise ValueError(f"slices: {times} are times, or the target, and make no slices; leave them out")
        if fault := features_fault(self) or target_fault(self):
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _recipe_and_split_fit_the_task(self) -> "Project":
        recipe = self.recipe
        decides = recipe.costs != Costs() or recipe.class_weight != "none" or recipe.calibrate
        if self.task == "regression" and decides:
            raise ValueError(
                "recipe: costs, class_weight and calibrate are of classification; leave them out for regression"
            )
        if "own" in self.search.algorithms and not recipe.own:
            raise ValueError(f"search.algorithms: own needs projects/{self.name}/recipe.py; see docs/recipes.md")
        if self.search.asks_for("fairness_gap") and (self.task == "regression" or not self.protected):
            raise ValueError("search: fairness_gap compares decisions between groups; name `sensitive` columns")
        if fault := settings_fault(self) or rollout_fault(self) or capture_fault(self):
            raise ValueError(fault)
        if self.split.by == "entity" and not self.entity:
            raise ValueError("split.by: entity needs `entity`, the column that names whom a row is about")
        if self.split.by == "time" and not self.time:
            raise ValueError("split.by: time needs `time`, the column that says when a row was")
        return self

    @model_validator(mode="after")
    def _search_and_compute_agree(self) -> "Project":
        if self.search.sampler == "sagemaker" and self.compute.kind != "sagemaker":
            raise ValueError(
                "search.sampler: sagemaker needs `compute: sagemaker`; set it, or take another sampler"
            )
        return self

    @property
    def metric(self) -> str:
        """The metric that the search minimises and the gates compare."""
        return "log_loss" if self.task == "classification" else "rmse"

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes where the target is a category, in the order of `allowed`; none for 0 and 1,
        and for regression."""
        return classes_of(self.columns[self.target])

    @property
    def said(self) -> Kind:
        """The kind of what is captured of an answer and compared in windows: a number, or the name of a class."""
        return Kind.CATEGORY if self.classes else Kind.NUMBER

    @property
    def threshold(self) -> float | None:
        """The probability from which a row counts as 1; None for regression and for named classes."""
        return self.recipe.costs.threshold if self.task == "classification" and not self.classes else None

    def feature_columns(self) -> dict[str, Column]:
        """The rules of the features, in the order of `features`."""
        return {name: self.columns[name] for name in self.features}

    def inputs(self) -> dict[str, Column]:
        """What a model takes: the features, of which a time is its parts, as numbers; in the order of
        `features`."""
        return inputs_of(self.feature_columns(), self.recipe.dates)

    @property
    def sliced(self) -> list[str]:
        """The columns that `slices` names."""
        return [*(self.slices.columns or ()), *self.slices.protected]

    @property
    def protected(self) -> tuple[str, ...]:
        """The columns on whose slices a candidate may not be much worse than the champion: the sensitive ones
        and those listed. Times and the target make no slices."""
        named = dict.fromkeys((*self.sensitive, *self.slices.protected))
        kinds = {name: self.columns[name].type for name in named}
        return tuple(name for name in named if kinds[name] is not Kind.TIMESTAMP and name != self.target)

    def judged_columns(self) -> dict[str, Column]:
        """The rules of columns that are no features but by which the held-out rows are sliced."""
        named = dict.fromkeys((*self.protected, *self.sliced))
        return {name: self.columns[name] for name in named if name not in self.features}
