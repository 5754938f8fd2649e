"""The part of a project file about releases."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field, field_validator

from tidemill.projects.strict import Strict

if TYPE_CHECKING:
    from tidemill.projects.project import Project

Metric = Literal[
    "log_loss", "squared_error", "absolute_error", "accuracy", "precision", "recall", "cost", "reward"
]
RATIOS = ("precision", "recall")
OF_TWO = (*RATIOS, "cost")
"""Metrics that are of two outcomes, 0 and 1, alone."""
ALL_OR_NOTHING = ("accuracy", *OF_TWO)
"""Metrics by which a prediction has a loss or none, and most have none."""


Plan = Literal["replay", "shadow", "canary", "ab", "blue_green"]
UNEXPOSED = ("replay", "shadow")
"""Plans in which no caller is given the challenger's answer; they come first, in this order."""
SPLIT = ("canary", "ab")
"""Plans that share the requests between both arms."""
_OF = {
    "steps": ("canary",),
    "split": ("ab",),
    "watch_minutes": ("blue_green",),
    "assignment": SPLIT,
    "shadow_hours": ("shadow",),
    "replay_days": ("replay",),
    "replay_requests": ("replay",),
    "max_errors": UNEXPOSED,
    "outcomes": UNEXPOSED,
}
"""Settings that only these plans use."""


class Stage(NamedTuple):
    """One step of a release: by which plan, and the challenger's share of the requests."""

    plan: Plan
    weight: float


class Guardrails(Strict):
    """What rolls a challenger back at once, whatever was decided by then. `errors` and `p95_ms` are watched by
    alarms on the challenger alone, minute by minute, `missing_outcomes` by each look; null leaves one out."""

    errors: float | None = Field(
        0.05, gt=0, lt=1, description="the share of its requests of a minute that may fail by our own fault"
    )
    p95_ms: float | None = Field(
        2000, gt=0, le=30_000, description="milliseconds that 95 of 100 of its requests of a minute may take"
    )
    min_requests: int = Field(20, ge=1, description="fewest requests of a minute that are judged")
    missing_outcomes: float | None = Field(
        None, ge=0, lt=1, description="the share of its requests that may have no outcome when they should"
    )
    outcomes_within_hours: float = Field(24, gt=0, description="when a request should have an outcome")


class Rollout(Strict):
    """How a challenger earns traffic. A unit of the experiment is a request or an entity (its mean loss)."""

    plan: tuple[Plan, ...] = Field(
        ("canary",), min_length=1, description="a plan; or replay, shadow, and a plan after them"
    )
    steps: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field((0.1, 0.5), min_length=1)
    split: float = Field(0.5, gt=0, lt=1, description="of ab: the challenger's share until it is decided")
    watch_minutes: float = Field(
        60, gt=0, le=79200, description="of blue_green: how long the challenger is watched with all requests"
    )
    shadow_hours: float = Field(24, gt=0, le=1320, description="of shadow: how long it lasts at most")
    replay_days: float = Field(7, gt=0, le=90, description="of replay: how old requests may be")
    replay_requests: int = Field(1000, ge=1, le=20000, description="of replay: the latest so many")
    max_errors: int = Field(0, ge=0, description="of replay and shadow: requests on which the challenger may fail")
    outcomes: Literal["required", "optional"] = Field(
        "required", description="of replay and shadow: whether one goes on that ends without enough of them"
    )
    assignment: Literal["request", "entity"] = Field(
        "request", description="who is assigned to an arm: each request by chance, or each entity for good"
    )
    look_minutes: float = Field(15, gt=0)
    metric: Metric | None = Field(
        None, description="what decides; by default log_loss for classification, squared_error for regression"
    )
    unit: Literal["request", "entity"] = "request"
    covariate: str | None = Field(
        None, description="a numeric feature of the request that foretells the loss: it narrows the interval"
    )
    goal: Literal["not_worse", "better"] = Field(
        "not_worse", description="not_worse: by the margin or more; better: by more than the margin"
    )
    alpha: float = Field(0.05, gt=0, lt=1)
    margin: float = Field(0.02, ge=0, description="of the goal, in units of the loss")
    min_units: int = Field(20, ge=2, description="fewest units with outcomes, per arm, before any verdict")
    max_looks: int = Field(200, ge=1)
    max_days: float = Field(30, gt=0, le=55, description="days after which an undecided release ends")
    undecided: Literal["roll_back", "promote"] = "roll_back"
    guardrails: Guardrails = Guardrails()
    approval: Literal["none", "required"] = Field(
        "none", description="whether a person has to approve a model before its release begins"
    )
    approval_hours: float = Field(72, gt=0, le=336, description="hours after which nobody can approve it any more")

    @field_validator("plan", mode="before")
    @classmethod
    def _one_word_is_a_list_of_one(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    def stages(self) -> tuple[Stage, ...]:
        """The steps of a release, in order."""
        found: list[Stage] = []
        for plan in self.plan:
            weights = {"canary": self.steps, "ab": (self.split,), "blue_green": (1.0,)}
            found += [Stage(plan, weight) for weight in weights.get(plan, (0.0,))]
        return tuple(found)

    def shares(self) -> tuple[float, ...]:
        """The challenger's shares in the steps that compare both arms at a time."""
        return tuple(stage.weight for stage in self.stages() if stage.plan in SPLIT)

    @property
    def alpha_each(self) -> float:
        """Of one step: the chance of a wrong verdict in the whole release stays below alpha (union bound)."""
        return self.alpha / len(self.stages())

    def measured(self, task: str) -> Metric:
        """The metric that decides for a project of that task."""
        return self.metric or ("log_loss" if task == "classification" else "squared_error")


def rollout_fault(project: "Project") -> str | None:
    """Which setting of `rollout` does not fit the project, in words; None if all do."""
    rules = project.rollout
    two = project.task == "classification" and not project.classes
    if fault := _plan_fault(rules):
        return fault
    if rules.assignment == "entity" and rules.unit != "entity":
        return (
            "rollout.unit: with `assignment: entity` the requests of an entity share its arm, so that they are no"
            " units of their own; set `unit: entity`"
        )
    if rules.metric in ("log_loss", "accuracy") and project.task == "regression":
        return f"rollout.metric: {rules.metric} is of classification; take squared_error, absolute_error or reward"
    if rules.metric in OF_TWO and not two:
        return f"rollout.metric: {rules.metric} is of two outcomes, 0 and 1; take another metric"
    if rules.metric in ("squared_error", "absolute_error") and project.task == "classification":
        return f"rollout.metric: {rules.metric} is of regression; take log_loss, accuracy or reward"
    if rules.covariate is not None:
        column = project.columns.get(rules.covariate)
        if rules.covariate not in project.features or column is None or not column.type.numeric:
            return (
                f"rollout.covariate: {rules.covariate!r} must be a numeric feature: what a request brings is known"
                " before it is assigned, which makes the adjustment sound"
            )
        if rules.metric in RATIOS:
            return (
                f"rollout.covariate: {rules.metric} is about some of the units, which the model chooses; leave the"
                " covariate out, or take another metric"
            )
    return None


def _plan_fault(rules: Rollout) -> str | None:
    """Which setting does not fit the plan. One that is as it would be by default is not in the way."""
    *first, last = rules.plan
    if last in UNEXPOSED or first != [plan for plan in UNEXPOSED if plan in first]:
        return (
            f"rollout.plan: {', '.join(rules.plan)} must end with one of canary, ab and blue_green; replay and"
            " shadow may come before it, in this order"
        )
    if first and rules.metric == "reward":
        return f"rollout.metric: a reward is of the answer that was given, and in {first[0]} none is; take another"
    for name, plans in _OF.items():
        used = any(plan in plans for plan in rules.plan)
        if not used and getattr(rules, name) != Rollout.model_fields[name].default:
            wanted = " or ".join(plans)
            return f"rollout.{name}: only {wanted} uses it, not {', '.join(rules.plan)}; leave it out"
    return None
