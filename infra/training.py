"""The training stage: from a dataset version to an evaluated candidate. Its functions and its machine."""

import json

from constructs import Construct

from infra.function import Function, Surroundings, Work
from infra.grants import reads, table, table_reads, writes
from infra.sagemaker import TrainingJobs
from infra.source import source
from infra.state_machine import StateMachine
from tidemill import env_names

FUNCTIONS = (
    Work(
        "prepare_data", ("core", "numeric", "arrow"), memory=3008, seconds=600,
        may=(*reads("datasets", "objects", "runs"), *writes("runs"), *table()),
    ),
    Work(
        "plan_trials", ("core", "numeric", "ml"), memory=1024, seconds=120,
        may=(*reads("runs"), *writes("runs"), *table()),
    ),
    Work(
        "run_trial", ("core", "numeric", "ml", "export"), memory=3008, seconds=900,
        may=(*reads("runs", "studies"), *writes("runs", "studies"), *table()),
    ),
    Work(
        "select_best", ("core", "numeric", "ml"), memory=1024, seconds=120,
        may=(*reads("runs", "studies"), *writes("runs"), *table()),
    ),
    Work(
        "fit_final", ("core", "numeric", "ml", "export"), memory=3008, seconds=900,
        may=(*reads("runs"), *writes("runs")),
    ),
    Work(
        "evaluate_candidate", ("core", "numeric", "ml", "export"), memory=3008, seconds=900,
        may=(*reads("runs", "models"), *writes("runs"), *table_reads()),
    ),
    Work(
        "choose_compute", ("core", "numeric", "ml"), memory=1024, seconds=60,
        may=(*reads("runs"), *writes("runs"), *table_reads()),
    ),
    Work("close_run", ("core",), memory=512, seconds=60, may=(*reads("runs"), *table())),
)  # fmt: skip


def _environment(work: Work, jobs: TrainingJobs) -> dict[str, str]:
    """What one of the functions is given beyond what all are."""
    if work.name == "plan_trials":
        return {env_names.ENV_SOURCE: json.dumps(source(), sort_keys=True)}
    return jobs.environment() if work.name == "choose_compute" else {}


class Training(Construct):
    """Searches, fits and evaluates; a candidate that passes its gates starts `release`."""

    def __init__(
        self, scope: Construct, construct_id: str, *, around: Surroundings, release: StateMachine
    ) -> None:
        super().__init__(scope, construct_id)
        jobs = TrainingJobs(self, "Jobs", around=around)
        self.functions = [
            Function(
                self,
                work.construct_id,
                work=work,
                word="training",
                around=around,
                environment={**around.environment, **_environment(work, jobs)},
            )
            for work in FUNCTIONS
        ]
        self.machine = StateMachine(
            self,
            "TrainingMachine",
            word="training",
            stage=around.stage,
            functions=self.functions,
            machines={"release": release},
            may=jobs.starting(around.stage),
        )
