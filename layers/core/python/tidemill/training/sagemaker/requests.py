"""The requests for SageMaker's jobs: a slot of the search, the final fit, a tuning job for each algorithm.

ChooseCompute hands them to the state machine, which gives them to `sagemaker:createTrainingJob.sync` and
`sagemaker:createHyperParameterTuningJob.sync`. What the jobs run is `tidemill.jobs.train`. The names end with a
number that the state machine adds, because SageMaker takes each name once for ever.
"""

from collections import Counter
from collections.abc import Mapping
from itertools import cycle, islice
from typing import Any

from pydantic import BaseModel, ConfigDict

from tidemill import canonical, env_names, names
from tidemill.ports import ObjectStore
from tidemill.projects.search import Algorithm
from tidemill.training import algorithms, facts
from tidemill.training.pipeline import STEPS
from tidemill.training.plan import Plan
from tidemill.training.sagemaker.ranges import ranges

METRIC = "objective"
METRIC_LINE = METRIC + "={};"
METRIC_PATTERN = METRIC + r"=([-+0-9.eE]+);"
STRATEGIES = {"bayesian": "Bayesian", "random": "Random", "grid": "Grid", "hyperband": "Hyperband"}
WAIT = 2
"""How much longer than its work a spot job may take, waiting for capacity included."""

Request = dict[str, Any]


class Place(BaseModel):
    """Where the jobs of a deployment run: image and role are those of the stage."""

    model_config = ConfigDict(frozen=True)

    stage: str
    bucket: str
    table: str
    image: str
    role: str


def slot_jobs(plan: Plan, place: Place, execution: str) -> list[Request]:
    """A training job for each slot: `{slot, losses, request}`."""
    count = min(plan.concurrency, plan.limit, plan.project.compute.instance_count)
    return [
        {
            **_ids(plan),
            "slot": slot,
            "losses": 0,
            "request": _training_job(
                plan, place, _name(plan, place, execution, f"slot-{slot:02d}"), {"task": "slot", "slot": str(slot)}
            ),
        }
        for slot in range(count)
    ]


def fit_job(plan: Plan, place: Place, execution: str, algorithm: Algorithm) -> Request:
    """The training job of the final fit, of several instances where they can share it."""
    request = _training_job(plan, place, _name(plan, place, execution, "fit"), {"task": "fit"})
    instances = plan.project.compute.instance_count if algorithms.of(algorithm, plan.project).shared else 1
    request["ResourceConfig"] = {**request["ResourceConfig"], "InstanceCount": instances}
    return request


def tuning_jobs(plan: Plan, place: Place, execution: str, done: Counter[Algorithm]) -> list[Request]:
    """A tuning job for each algorithm, as their parameters differ: `{slot, losses, request}`. They share the
    trials evenly; `done` are those that an execution before this one has completed, by algorithm."""
    search = plan.project.search
    shares = Counter(islice(cycle(search.algorithms), search.trials)) - done
    return [
        {
            **_ids(plan),
            "slot": number,
            "losses": 0,
            "request": _tuning_job(
                plan, place, _name(plan, place, execution, str(number), digits=12), algorithm, trials
            ),
        }
        for number, (algorithm, trials) in enumerate(shares.items())
    ]


def completed(plan: Plan, objects: ObjectStore) -> Counter[Algorithm]:
    """The trials of the run that are complete, by algorithm."""
    found = (facts.read(objects, key) for key in facts.trial_keys(objects, plan.project.name, plan.run_id))
    return Counter(fact["algorithm"] for fact in found if fact["state"] == "complete")


def _name(plan: Plan, place: Place, execution: str, what: str, *, digits: int = 16) -> str:
    """A name that no other execution uses. A tuning job's may have 32 characters."""
    digest = canonical.identity([plan.project.name, plan.run_id, execution])[:digits]
    return names.training_job(place.stage, f"{digest}-{what}")


def _common(plan: Plan, place: Place) -> Request:
    """What training jobs and the definitions of tuning jobs have in common."""
    compute, run = plan.project.compute, names.run(plan.project.name, plan.run_id)
    seconds = compute.max_minutes * 60
    return {
        "RoleArn": place.role,
        "OutputDataConfig": {"S3OutputPath": f"s3://{place.bucket}/{run}jobs"},
        "CheckpointConfig": {"S3Uri": f"s3://{place.bucket}/{run}jobs/checkpoints"},
        "ResourceConfig": {
            "InstanceType": compute.instance_type,
            "InstanceCount": 1,
            "VolumeSizeInGB": compute.volume_gb,
        },
        "EnableManagedSpotTraining": compute.spot,
        "StoppingCondition": {
            "MaxRuntimeInSeconds": seconds,
            **({"MaxWaitTimeInSeconds": WAIT * seconds} if compute.spot else {}),
        },
        "Environment": {
            env_names.ENV_STAGE: place.stage,
            env_names.ENV_BUCKET: place.bucket,
            env_names.ENV_TABLE: place.table,
        },
    }


def _ids(plan: Plan) -> dict[str, str]:
    return {"project": plan.project.name, "run_id": plan.run_id}


def _tags(plan: Plan) -> list[dict[str, str]]:
    """For the bill: SageMaker's costs by project and run."""
    return [{"Key": f"tidemill:{name}", "Value": value} for name, value in _ids(plan).items()]


def _training_job(plan: Plan, place: Place, name: str, task: Mapping[str, str]) -> Request:
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": place.image, "TrainingInputMode": "File"},
        "HyperParameters": {**_ids(plan), **task},
        "Tags": _tags(plan),
        **_common(plan, place),
    }


def _tuning_job(plan: Plan, place: Place, name: str, algorithm: Algorithm, trials: int) -> Request:
    project = plan.project
    grid, strategy = project.compute.strategy == "grid", STRATEGIES[project.compute.strategy]
    parallel = min(plan.concurrency, project.compute.instance_count, trials)
    limits = {"MaxParallelTrainingJobs": parallel, **({} if grid else {"MaxNumberOfTrainingJobs": trials})}
    resources = {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": STEPS}}
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": strategy,
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": METRIC},
            "ResourceLimits": limits,
            "ParameterRanges": ranges(algorithm, project, grid=grid),
            "RandomSeed": plan.seed % 2**31,
            **({"StrategyConfig": resources} if strategy == "Hyperband" else {}),
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": {**_ids(plan), "task": "trial", "algorithm": algorithm},
            "AlgorithmSpecification": {
                "TrainingImage": place.image,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": METRIC, "Regex": METRIC_PATTERN}],
            },
            **_common(plan, place),
        },
        "Tags": _tags(plan),
    }
