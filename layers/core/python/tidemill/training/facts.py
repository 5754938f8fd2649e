"""The files of a run: where each lies, and how it is written once.

Every use case of the stage reads and writes through here. A run's files are facts: the first one that is written
stands, and whoever computes it again gets what stands.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tidemill import canonical, names
from tidemill.errors import ArtifactCorrupt
from tidemill.ports import ObjectStore

PARTS = ("train", "validation", "holdout")

JsonObject = dict[str, Any]


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


def read(objects: ObjectStore, key: str) -> JsonObject:
    """The JSON object at `key`. Raises RecordNotFound."""
    fact: JsonObject = json.loads(objects.get(key))
    return fact


def keep(objects: ObjectStore, key: str, fact: Mapping[str, Any]) -> JsonObject:
    """Write a JSON fact unless there is one, and give the one that stands."""
    body = keep_bytes(objects, key, canonical.dumps(fact), content_type="application/json")
    stands: JsonObject = json.loads(body)
    return stands


def keep_bytes(
    objects: ObjectStore, key: str, body: bytes, *, content_type: str = "application/octet-stream"
) -> bytes:
    """Write a fact unless there is one, and give the bytes that stand."""
    return body if objects.put_new(key, body, content_type=content_type) else objects.get(key)


def verified(objects: ObjectStore, key: str, sha256: str) -> bytes:
    """The bytes at `key`, whose digest must be `sha256`. Raises RecordNotFound, ArtifactCorrupt."""
    body = objects.get(key)
    found = canonical.sha256(body)
    if found != sha256:
        raise ArtifactCorrupt(
            f"{key} has SHA-256 {found}, recorded is {sha256}; restore that object version or train again"
        )
    return body
