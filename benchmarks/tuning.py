"""How good a search is, and what its storage costs: `python -m benchmarks.tuning` (see the README beside it).

Each algorithm minimises functions with a known least value, one trial at a time, and with ten workers that take
turns: whoever is done tells its value and asks for the next point, while nine others run. Medians over seeds.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small matrices: threads only get in each other's way

import boto3
import numpy as np
import optuna
from moto import mock_aws
from optuna.distributions import FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages.journal import JournalFileBackend

from benchmarks import measure
from benchmarks.objectives import OBJECTIVES, Objective
from tidemill.adapters.index import DynamoIndex
from tidemill.adapters.memory import MemoryObjects
from tidemill.training.samplers.gaussian_process import GaussianProcessSampler
from tidemill.training.samplers.policy_gradient import PolicyGradientSampler
from tidemill.training.studies.storage import StudyStorage

CHECKPOINTS = (25, 50, 100)
WORKERS = 10
OVERHEAD_TRIALS = 64
ALGORITHMS: dict[str, Callable[[int], BaseSampler]] = {
    "random": lambda seed: RandomSampler(seed=seed),
    "TPE (Optuna)": lambda seed: TPESampler(seed=seed),
    "TPE (Optuna), constant liar": lambda seed: TPESampler(seed=seed, constant_liar=True),
    "policy gradient (REINFORCE)": lambda seed: PolicyGradientSampler(seed=seed),
    "Gaussian process, EI": lambda seed: GaussianProcessSampler(seed=seed),
    "Gaussian process, UCB": lambda seed: GaussianProcessSampler(seed=seed, acquisition="ucb"),
    "Gaussian process, Thompson": lambda seed: GaussianProcessSampler(seed=seed, acquisition="thompson"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="searches per figure (default 10)")
    parser.add_argument("--only", choices=("quality", "overhead"), help="one of the two tables")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    facts = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        *measure.machine(Path.cwd()),
        f"Optuna {optuna.__version__}",
    ]
    say("\n".join(f"- {fact}" for fact in facts) + "\n")
    if options.only != "overhead":
        for objective in OBJECTIVES:
            quality(objective, options.seeds)
    if options.only != "quality":
        overhead()


def quality(objective: Objective, seeds: int) -> None:
    say(
        f"**{objective.title}** (least value {objective.least:g}): the best of so many trials, median of {seeds}\n"
    )
    headings = (
        [f"{n} trials" for n in CHECKPOINTS] + [f"{n}, {WORKERS} workers" for n in CHECKPOINTS] + ["s a trial"]
    )
    say(row(["", *headings]) + "\n" + row(["---", *["---:"] * len(headings)]))
    for name, make in ALGORITHMS.items():
        start = time.perf_counter()
        alone = [searched(objective, make(seed), workers=1) for seed in range(seeds)]
        together = [searched(objective, make(seed), workers=WORKERS) for seed in range(seeds)]
        spent = (time.perf_counter() - start) / (2 * seeds * CHECKPOINTS[-1])
        figures = [statistics.median(run[n] for run in runs) for runs in (alone, together) for n in CHECKPOINTS]
        say(row([name, *(f"{figure:.3f}" for figure in figures), f"{spent:.3f}"]))
    say("")


def searched(objective: Objective, sampler: BaseSampler, *, workers: int) -> dict[int, float]:
    """The best value after each checkpoint of trials that are told."""
    names = [f"x{number}" for number in range(objective.dimensions)]
    study = optuna.create_study(sampler=sampler)
    running: list[optuna.Trial] = []
    best: dict[int, float] = {}
    for told in range(1, CHECKPOINTS[-1] + 1):
        while len(running) < workers:
            running.append(study.ask(dict.fromkeys(names, FloatDistribution(0, 1))))
        trial = running.pop(0)
        study.tell(trial, objective.of(np.array([trial.params[name] for name in names])))
        if told in CHECKPOINTS:
            best[told] = study.best_value
    return best


def overhead() -> None:
    """What a storage adds to a trial that costs nothing."""
    say(
        f"**Storage**: ms a trial, {OVERHEAD_TRIALS} trials with two parameters and a random sampler, one worker\n"
    )
    say(row(["", "ms a trial", "over memory"]) + "\n" + row(["---", "---:", "---:"]))
    with tempfile.TemporaryDirectory() as folder, on_moto() as tidemill:
        storages: dict[str, Any] = {
            "memory": optuna.storages.InMemoryStorage(),
            "Tidemill, DynamoDB on moto": tidemill,
            "Optuna, SQLite": f"sqlite:///{folder}/optuna.sqlite",
            "Optuna, journal file": optuna.storages.JournalStorage(JournalFileBackend(f"{folder}/journal")),
        }
        none = 0.0
        for name, storage in storages.items():
            spent = statistics.median(timed(storage) for _ in range(5))
            none = none or spent
            say(row([name, f"{spent:.1f}", f"{spent - none:.1f}"]))
    say("")


def timed(storage: Any) -> float:
    """Milliseconds a trial, in a study of its own."""
    study = optuna.create_study(storage=storage, sampler=RandomSampler(seed=1))
    start = time.perf_counter()
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1) + trial.suggest_int("n", 1, 9), OVERHEAD_TRIALS)
    return (time.perf_counter() - start) / OVERHEAD_TRIALS * 1000


@contextmanager
def on_moto() -> Any:
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


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
