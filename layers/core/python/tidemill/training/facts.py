"""The files of a run: where each lies, and how it is written once.

Every use case of the stage reads and writes through here. A run's files are facts: the first one that is written
stands, and whoever computes it again gets what stands.
"""

from collections.abc import Iterator

from tidemill import names
from tidemill.ports import ObjectStore
from tidemill.stored import JsonObject as JsonObject
from tidemill.stored import keep as keep
from tidemill.stored import keep_bytes as keep_bytes
from tidemill.stored import read as read
from tidemill.stored import verified as verified

PARTS = ("train", "validation", "holdout")


def plan_key(project: str, run_id: str) -> str:
    return names.run(project, run_id) + "plan.json"


def prepared_key(project: str, run_id: str) -> str:
    return names.run(project, run_id) + "prepared.json"


def part_key(project: str, run_id: str, part: str) -> str:
    return f"{names.run(project, run_id)}prepared/{part}.npz"


def trial_key(project: str, run_id: str, trial: int) -> str:
    return f"{names.run(project, run_id)}trials/{trial:04d}.json"


def trial_keys(objects: ObjectStore, project: str, run_id: str) -> Iterator[str]:
    """The keys of the trials that have a result."""
    return objects.keys(names.run(project, run_id) + "trials/")


def slices_key(project: str, run_id: str, fit: str) -> str:
    """Above the checkpoints of a fit: a trial's, by its number, or the `final` one."""
    return names.run(project, run_id) + f"slices/{fit}/"


def final_begun_key(project: str, run_id: str) -> str:
    """Who finds it is not the first to begin the final fit."""
    return names.run(project, run_id) + "slices/final.begun.json"


def shard_key(project: str, run_id: str, shard: int, of: int) -> str:
    """The trees of one of `of` shards of the final forest."""
    return names.run(project, run_id) + f"slices/shards/{of:02d}/{shard:02d}.skops"


def compute_key(project: str, run_id: str, step: str) -> str:
    return names.run(project, run_id) + f"compute/{step}.json"


def best_key(project: str, run_id: str) -> str:
    return names.run(project, run_id) + "best.json"


def final_key(project: str, run_id: str, file: str = "final.json") -> str:
    """`final.json`, or one of the artifacts that it lists: `model.skops`, `model.onnx`, `profile.json`."""
    return f"{names.run(project, run_id)}final/{file}"


def evaluation_key(project: str, run_id: str) -> str:
    return names.run(project, run_id) + "evaluation.json"
