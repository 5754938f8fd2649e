"""What a trial costs that computes nothing: by storage, with one worker and with eight processes, and as part of a
run on the embedded cloud.
"""

import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import optuna
import yaml
from botocore.client import BaseClient
from moto import mock_aws
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from benchmarks import on_the_cloud, peers
from cli import connection, following
from cli.deployment import Deployment
from cli.following import Pace
from cli.story import diamonds
from infra import project_files
from tidemill import env_names
from tidemill.adapters.index import DynamoIndex
from tidemill.adapters.memory import MemoryObjects
from tidemill.client import Client
from tidemill.training.studies.storage import StudyStorage

TRIALS = 64
WORKERS = 8
ROUNDS = 3
PROJECT = "trifles"
ROWS = 400


@dataclass(frozen=True)
class Row:
    """Milliseconds a trial; None where it was not measured."""

    name: str
    alone: float | None
    together: float | None


def rows() -> Iterator[Row]:
    """Each storage's, as it is done, and at last a run's."""
    with tempfile.TemporaryDirectory(prefix="overhead-", dir=_above()) as folder:
        work = Path(folder)
        yield Row("memory", alone(InMemoryStorage), None)
        with on_moto() as moto:
            yield Row("Tidemill, DynamoDB on moto", alone(lambda: moto), None)
            yield Row("the same, without what moto and boto3 take", own(moto), None)
        for name, make in (("Optuna, SQLite", sqlite), ("Optuna, journal file", journal)):
            yield Row(name, alone(lambda: make(str(work / "alone"))), together(make, str(work / "together")))  # noqa: B023
        cloud = on_the_cloud.deployed(work, {PROJECT: trifles()})
        os.environ[env_names.ENV_ENDPOINT] = str(Deployment.of(connection.LOCAL).connection.endpoint)
        try:
            make = on_the_embedded_cloud
            name = "Tidemill, DynamoDB on the embedded cloud"
            yield Row(name, alone(lambda: make("alone")), together(make, "together"))
            yield Row("Tidemill, a whole search: state machine, functions, fits", None, a_run(work))
        finally:
            cloud.stop()


def alone(storage: Callable[[], BaseStorage]) -> float:
    """One worker: the median of several studies."""
    made = storage()
    return statistics.median(_timed(optuna.create_study(storage=made), TRIALS) for _ in range(ROUNDS)) / TRIALS


def own(storage: BaseStorage) -> float:
    """What is not spent within calls of boto3: the storage's own work."""
    inside, call = 0.0, BaseClient._make_api_call

    def timed(client: BaseClient, *arguments: Any) -> Any:
        nonlocal inside
        start = time.perf_counter()
        try:
            return call(client, *arguments)
        finally:
            inside += (time.perf_counter() - start) * 1000

    found = []
    with mock.patch.object(BaseClient, "_make_api_call", timed):
        for _ in range(ROUNDS):
            study = optuna.create_study(storage=storage)
            inside = 0.0
            found.append(_timed(study, TRIALS) - inside)
    return statistics.median(found) / TRIALS


def _timed(study: optuna.Study, trials: int) -> float:
    study.sampler = RandomSampler()
    start = time.perf_counter()
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1) + trial.suggest_int("n", 1, 9), trials)
    return (time.perf_counter() - start) * 1000


def together(make: Callable[[str], BaseStorage], where: str) -> float:
    """Eight processes that share one study: the median of several studies, each by the clock from the first trial
    of any process to the last one's end."""
    found = []
    for number in range(ROUNDS):
        study = optuna.create_study(storage=make(where), study_name=f"together-{number}")
        context = multiprocessing.get_context("spawn")
        ready = context.Barrier(WORKERS + 1)
        arguments = (make, where, study.study_name, TRIALS // WORKERS, ready)
        processes = [context.Process(target=_work, args=arguments) for _ in range(WORKERS)]
        for process in processes:
            process.start()
        ready.wait()
        start = time.perf_counter()
        ready.wait()
        found.append((time.perf_counter() - start) * 1000 / TRIALS)
        for process in processes:
            process.join()
        done = {trial.number for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()}
        if len(done) != TRIALS:
            raise RuntimeError(f"{TRIALS} trials were asked for, {len(done)} are there")
    return statistics.median(found)


def _work(make: Callable[[str], BaseStorage], where: str, name: str, trials: int, ready: Any) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(storage=make(where), study_name=name)
    ready.wait()
    _timed(study, trials)
    ready.wait()


def sqlite(where: str) -> BaseStorage:
    return RDBStorage(f"sqlite:///{where}.sqlite", engine_kwargs={"connect_args": {"timeout": 60}})


def journal(where: str) -> BaseStorage:
    return JournalStorage(JournalFileBackend(f"{where}.journal"))


def on_the_embedded_cloud(where: str) -> BaseStorage:
    return Client(stage=connection.LOCAL).studies(PROJECT)


@contextmanager
def on_moto() -> Iterator[BaseStorage]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        os.environ.setdefault(name, "testing")
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-central-1")
        client.create_table(
            TableName="table",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        yield StudyStorage(lambda: (DynamoIndex(client, "table"), MemoryObjects()), "bench")


def trifles() -> dict[str, Any]:
    """`diamonds` with few rows and a search of points that are fitted at once."""
    like: dict[str, Any] = yaml.safe_load((project_files.FOLDER / "diamonds.yaml").read_text())
    search = {"sampler": "random", "trials": TRIALS, "concurrency": WORKERS, "algorithms": ["linear"]}
    return {**like, "name": PROJECT, "min_rows": 100, "search": search}


def a_run(work: Path) -> float:
    """A search from its first trial's start to its last one's end, by the clock, per trial; the functions' start
    is within it, as it is in each run that finds none warm."""
    deployment = Deployment.of(connection.LOCAL)
    file = work / "trifles.csv"
    file.write_bytes(diamonds.to_csv(diamonds.diamonds(ROWS, seed=1)))
    on_the_cloud.run("data", "push", PROJECT, str(file), "--json")
    run_id = f"{PROJECT}-v00001"
    *_, view = following.run(deployment, PROJECT, run_id, Pace())
    study = deployment_studies(run_id)
    if len(study.trials) != TRIALS:
        raise RuntimeError(f"{TRIALS} trials were asked for, the run {view.row} has {len(study.trials)}")
    begun = min(trial.datetime_start for trial in study.trials if trial.datetime_start)
    ended = max(trial.datetime_complete for trial in study.trials if trial.datetime_complete)
    return (ended - begun).total_seconds() * 1000 / TRIALS


def deployment_studies(run_id: str) -> optuna.Study:
    return optuna.load_study(storage=on_the_embedded_cloud(""), study_name=run_id)


def _above() -> Path:
    above = peers.ROOT / ".tidemill" / "bench"
    above.mkdir(parents=True, exist_ok=True)
    return above
