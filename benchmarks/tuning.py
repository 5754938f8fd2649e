"""How good a search is, and what its storage costs: `python -m benchmarks.tuning` (see the README beside it)."""

import argparse
import os
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small matrices: threads only get in each other's way
os.environ.setdefault("OMP_NUM_THREADS", "1")

import boto3
import optuna
from moto import mock_aws
from optuna.samplers import RandomSampler
from optuna.storages.journal import JournalFileBackend

from benchmarks import measure, search_peers, search_quality
from benchmarks.objectives import OBJECTIVES, SEVERAL, Objective, Several
from tidemill.adapters.index import DynamoIndex
from tidemill.adapters.memory import MemoryObjects
from tidemill.training.studies.storage import StudyStorage

OVERHEAD_TRIALS = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="searches per figure (default 10)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="searches at a time (default: all)")
    parser.add_argument("--only", choices=("quality", "overhead"), help="one of the two parts")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    versions = search_peers.install()
    facts = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        *measure.machine(Path.cwd()),
        f"Tidemill with Optuna {optuna.__version__}; "
        + ", ".join(f"{name} {version}" for name, version in versions.items()),
    ]
    say("\n".join(f"- {fact}" for fact in facts) + "\n")
    if options.only != "overhead":
        for objective in OBJECTIVES + SEVERAL:
            quality(objective, options.seeds, options.processes)
    if options.only != "quality":
        overhead()


def quality(objective: Objective | Several, seeds: int, processes: int) -> None:
    """A table: a row for each searcher."""
    say(f"**{objective.title}**: {meaning(objective)}; medians of {seeds} seeds\n")
    workers = search_quality.WORKERS
    headings = [f"{n}" for n in objective.checkpoints] + [f"{n}, {workers} workers" for n in objective.checkpoints]
    say(row(["trials", *headings, "ms a trial"]) + "\n" + row(["---", *["---:"] * (len(headings) + 1)]))
    found: dict[str, tuple[tuple[float, ...], ...]] = {}
    for each in search_quality.rows(objective, seeds, processes):
        figures = [f"{figure:.3f}" for figure in (*each.alone, *each.together)]
        say(row([each.name, *figures, f"{each.seconds * 1000:.1f}"]))
        found[each.name] = each.runs
    pairs = list(zip(found["TPE"], found["*Optuna*: TPE"], strict=True))
    same = sum(ours == theirs for ours, theirs in pairs)
    say(f"\nTPE on Tidemill's storage found exactly what Optuna's found in {same} of {len(pairs)} searches.\n")


def meaning(objective: Objective | Several) -> str:
    if isinstance(objective, Several):
        return f"share of the greatest volume below {objective.reference} (1 at best)"
    return "least value so far" + ("" if objective.least is None else f" ({objective.least:g} at best)")


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
