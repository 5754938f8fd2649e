"""The plan of a run: all that its later states need to know, decided once and pinned.

PlanTrials writes it, every later state reads it. The project file is part of it, so that a deployment while a
run is under way changes nothing in that run.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tidemill.ports import ObjectStore
from tidemill.projects import Project
from tidemill.projects.features import described
from tidemill.projects.search import Algorithm
from tidemill.training import facts


class Options(BaseModel):
    """What a run may be asked beyond its project file. `shuffle_labels` and `waive_gates` (a person's reason)
    are for rehearsals: they lead to a model that is known to be bad. `seed` takes the place of `search.seed`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shuffle_labels: bool = False
    waive_gates: str | None = Field(None, min_length=1)
    seed: int | None = Field(None, ge=0, lt=2**32)

    @property
    def rehearsal(self) -> list[str]:
        """The names of the options in use that only a rehearsal may have."""
        used = {"shuffle_labels": self.shuffle_labels, "waive_gates": self.waive_gates is not None}
        return [name for name, given in used.items() if given]


class Trial(BaseModel):
    """One point of the search."""

    model_config = ConfigDict(frozen=True)

    number: int
    algorithm: Algorithm
    parameters: Mapping[str, int | float]


class Git(BaseModel):
    """Where git stood when the code was deployed; `changes` is the digest of what differed from the commit."""

    model_config = ConfigDict(frozen=True)

    commit: str
    dirty: bool
    changes: str | None


class Plan(BaseModel):
    """`plan.json`. `sha256` has the digests of the prepared files by part; `cuts` the first time of a part where
    rows are ordered by time; `threshold` the probability from which a row counts as 1 (None for regression);
    `trials` the points that were known in advance, `limit` how many trials there may be;
    `versions`, `code`, `lock` and `git` what `provenance.record` tells."""

    model_config = ConfigDict(frozen=True)

    project: Project
    run_id: str
    dataset_version: int
    identity: str
    seed: int
    metric: str
    threshold: float | None
    concurrency: int
    options: Options
    rows: Mapping[str, int]
    dropped: Mapping[str, int]
    cuts: Mapping[str, str]
    sha256: Mapping[str, str]
    trials: tuple[Trial, ...]
    limit: int
    versions: Mapping[str, str]
    code: str
    lock: str | None = None
    git: Git | None = None

    def algorithm(self, number: int) -> Algorithm:
        """Whose turn the trial of that number is."""
        if number < len(self.trials):
            return self.trials[number].algorithm
        algorithms = self.project.search.algorithms
        return algorithms[number % len(algorithms)]

    def on_all_rows(self, seconds: float) -> float:
        """How long the final fit takes if a trial took so many seconds: it has the validation rows, too."""
        return seconds * (self.rows["train"] + self.rows["validation"]) / self.rows["train"]

    def features(self) -> list[dict[str, Any]]:
        """The features, as the model's documents carry them."""
        return described(self.project)


def read_plan(objects: ObjectStore, project: str, run_id: str) -> Plan:
    """The plan of a run. Raises RecordNotFound."""
    return Plan.model_validate(facts.read(objects, facts.plan_key(project, run_id)))
