"""One embedded cloud for all end-to-end tests: deployed once by the real CDK CLI, IAM enforced, its own port.

The tests tell one story in the order of the files, so one process runs them all, which `make test` gives them.
"""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cli import connection, deploying
from cli.deployment import Deployment
from cli.story.scene import Scene
from infra import project_files
from local.cloud import Cloud

# A problem whose search has something to do: `diamonds` under another name.
PEBBLES = {
    "search": {
        "sampler": "tpe",
        "pruner": "median",
        "trials": 12,
        "concurrency": 3,
        "seed": 7,
        "algorithms": ["linear", "gradient_boosting", "random_forest"],
    }
}

# `flights` with a recipe of its own, whose slots and final fit are spot training jobs, and whose trees two
# machines grow together, each on its share of the rows; and whose trials are tuning jobs' own, and whose forest
# two machines grow.
OWN = """
from sklearn.naive_bayes import GaussianNB
from tidemill.training.recipe import number

SCALED = True

def space(task):
    return {"var_smoothing": number(1e-9, 1e-1, first=1e-3, log=True)}

def build(parameters, *, project, frame, seed):
    return GaussianNB(**parameters)
"""
FERRIES = {
    "search": {"sampler": "tpe", "trials": 4, "concurrency": 2, "algorithms": ["lightgbm", "own"]},
    "compute": {"kind": "sagemaker", "instance_count": 2, "spot": True},
}
BARGES = {
    "search": {
        "sampler": "sagemaker",
        "trials": 4,
        "concurrency": 2,
        "algorithms": ["random_forest", "extra_trees"],
    },
    "compute": {"kind": "sagemaker", "instance_count": 2},
}
# `diamonds` whose releases nothing but a guard ends within minutes: no outcomes are sent.
SHOALS = {
    "rollout": {"steps": [0.5], "margin": 50000, "min_units": 100_000, "guardrails": {"min_requests": 8}},
}
# `wines` whose releases are replayed first, and then assign entities.
TUGS = {
    "rollout": {
        "plan": ["replay", "canary"],
        "outcomes": "optional",
        "assignment": "entity",
        "unit": "entity",
        "steps": [0.3, 0.6],
    }
}
MORE = {
    "pebbles": ("diamonds", PEBBLES),
    "ferries": ("flights", FERRIES),
    "barges": ("flights", BARGES),
    "tugs": ("wines", TUGS),
    "locks": ("wines", {"rollout": {"approval": "required"}}),
    "shoals": ("diamonds", SHOALS),
}


def with_more(folder: Path) -> Path:
    """The project files, and more of them."""
    shutil.copytree(project_files.FOLDER, folder)
    for name, (like, changes) in MORE.items():
        model = yaml.safe_load((folder / f"{like}.yaml").read_text())
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({**model, "name": name, **changes}))
    (folder / "ferries").mkdir()
    (folder / "ferries" / "recipe.py").write_text(OWN)
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The deployed cloud; `TIDEMILL_STATE` and `TIDEMILL_PORT` lead the CLI to it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(connection.ENV_STATE, str(tmp_path_factory.mktemp("state")))
        environment.setenv(connection.ENV_PORT, str(free_port()))
        projects = with_more(tmp_path_factory.mktemp("files") / "projects")
        environment.setenv(project_files.ENV_FOLDER, str(projects))
        connection._connect_local.cache_clear()
        cloud = connection.local_cloud()
        try:
            deploying.to_embedded_cloud(cloud, lambda line: None)
            yield cloud
        finally:
            cloud.stop()
            connection._connect_local.cache_clear()


@pytest.fixture(scope="session")
def deployment(cloud: Cloud) -> Deployment:
    assert cloud.status().iam, "IAM must be enforced, or a missing grant would not be noticed"
    return Deployment.of(connection.LOCAL)


@pytest.fixture(scope="session")
def scene(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("story")
    return Scene(deployment, folder=folder, reports=folder / "reports", say=lambda text: None)
