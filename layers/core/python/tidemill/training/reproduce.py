"""Reproduce: make a model again from what its run recorded, and compare the digests.

`tidemill reproduce` calls it. It prepares the rows of the dataset version again by the project file that the plan
pinned, and fits the best trial's point again, through the functions that PrepareData and FitFinal work with; all
in memory, nothing is written. The search itself is not repeated: its outcome, the point, is part of the record.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sklearn.pipeline import Pipeline

from tidemill import canonical, names
from tidemill.errors import ArtifactCorrupt, RecordNotFound
from tidemill.ports import Index, ObjectStore
from tidemill.training import artifacts, facts, outputs, parted, pipeline, prepare, threads
from tidemill.training.fit_final import build
from tidemill.training.plan import Plan, read_plan
from tidemill.training.prepare_data import prepared_rows

Compared = dict[str, Any]
"""`{what, recorded, found, same}`"""
THREADS = 1
"""Of a run that did not record how many it had: the functions that fit have one."""


@dataclass(frozen=True)
class Record:
    """What is known of a model: its run's plan, the best trial, `final.json`, and the digests to meet. `model` is
    the model version, None for a run's model that was looked up by the run."""

    plan: Plan
    best: Mapping[str, Any]
    final: Mapping[str, Any]
    sha256: Mapping[str, str]
    model: int | None

    @property
    def threads(self) -> int:
        """How many threads the model was fitted with."""
        return int(self.final.get("threads", THREADS))


def find(
    *, project: str, model: int | None = None, run_id: str | None = None, objects: ObjectStore, index: Index
) -> Record:
    """The record of a model version, or of a run's model; by default of the champion. Raises RecordNotFound."""
    if run_id is None:
        number = _champion(project, index) if model is None else model
        document = facts.read(objects, names.model(project, number) + "model.json")
        return _record(project, document["run_id"], objects, document["sha256"], number)
    return _record(project, run_id, objects, None, None)


def _champion(project: str, index: Index) -> int:
    pointer = index.get(names.pk(project), names.POINTER_LIVE) or {}
    if not pointer.get("champion"):
        raise RecordNotFound(
            f"project {project!r} has no champion yet; name a model version, or a run (`tidemill runs list`)"
        )
    return int(pointer["champion"]["model"])


def _record(
    project: str, run_id: str, objects: ObjectStore, sha256: Mapping[str, str] | None, model: int | None
) -> Record:
    key = facts.final_key(project, run_id)
    if not objects.exists(key):
        raise RecordNotFound(
            f"run {run_id!r} of project {project!r} made no model ({key} does not exist); `tidemill runs list "
            f"{project}` shows which runs there are and how they ended"
        )
    final = facts.read(objects, key)
    best = facts.read(objects, facts.best_key(project, run_id))
    return Record(read_plan(objects, project, run_id), best, final, sha256 or final["sha256"], model)


def reproduce(record: Record, *, objects: ObjectStore) -> dict[str, Any]:
    """Whether all digests are the `same`, and each of them in `checks` as `{what, recorded, found, same}`; where
    the model differs, in `answers` how far the answers of the two are apart on the held-out rows.

    Raises RecordNotFound (the dataset version or its rows are no longer there), RunFailed (they cannot be learnt
    from), MachineLost (of a model that machines grew together, one of the processes that do so here).
    """
    plan = record.plan
    with threads.limited({"OMP_NUM_THREADS": str(record.threads)}):
        fact, _, bodies = prepared_rows(plan.project, plan.dataset_version, plan.options, objects=objects)
        parts = {part: prepare.load(body) for part, body in bodies.items()}
        made = build(plan, record.best, parts, lambda _, body: body, _team(record))
    checks = [_compared("dataset", plan.identity, fact["identity"]), _point(record)]
    checks += [_compared(f"{part} rows", plan.sha256[part], canonical.sha256(bodies[part])) for part in bodies]
    checks += [_compared(file, record.sha256.get(file), canonical.sha256(body)) for file, body in made.items()]
    return {
        **described(record),
        "same": all(check["same"] for check in checks),
        "checks": checks,
        "answers": None
        if _is_same(checks, "model.skops")
        else _answers(record, made["model.skops"], parts["holdout"], objects),
    }


def _team(record: Record) -> Callable[[prepare.Arrays], Pipeline] | None:
    """How to fit a model that several machines grew together; None if one did."""
    machines = int(record.final.get("parted", 1))
    if machines == 1:
        return None
    plan = record.plan
    return lambda rows: parted.fit_here(
        record.best, rows, project=plan.project, seed=plan.seed, machines=machines, threads=record.threads
    )


def described(record: Record) -> dict[str, Any]:
    """Which model it is, and what made it."""
    plan, best = record.plan, record.best
    return {
        "project": plan.project.name,
        "run_id": plan.run_id,
        "model_version": record.model,
        "dataset_version": plan.dataset_version,
        "seed": plan.seed,
        "threads": record.threads,
        **{name: best[name] for name in ("trial", "algorithm", "parameters")},
    }


def differences(record: Record, here: Mapping[str, Any]) -> list[Compared]:
    """What the model was made with that is not so `here` (`{versions, code, machine?, lock?}`), as `{what,
    recorded, found, same}`. What was not recorded is not compared."""
    recorded = {**record.plan.versions, **record.final.get("versions", {})}
    compared = [_compared(name, version, here["versions"].get(name)) for name, version in recorded.items()]
    compared.append(_compared("code", record.plan.code, here["code"]))
    if record.plan.lock is not None:
        compared.append(_compared("lock", record.plan.lock, here.get("lock")))
    machine = record.final.get("machine") or {}
    compared += [_compared(name, value, here.get("machine", {}).get(name)) for name, value in machine.items()]
    return [each for each in compared if not each["same"]]


def _point(record: Record) -> Compared:
    """Whether the best trial's point is the one that the final model says it was fitted with."""
    said, point = (
        canonical.identity([source["algorithm"], source["parameters"]]) for source in (record.final, record.best)
    )
    return _compared("point", said, point)


def _compared(what: str, recorded: Any, found: Any) -> Compared:
    return {"what": what, "recorded": recorded, "found": found, "same": recorded == found}


def _is_same(checks: list[Compared], what: str) -> bool:
    return all(check["same"] for check in checks if check["what"] == what)


def _answers(record: Record, made: bytes, holdout: prepare.Arrays, objects: ObjectStore) -> dict[str, Any] | None:
    """How far apart the recorded model and the one made again are; None if the recorded one is not there."""
    plan, types = record.plan, record.final.get("types", ())
    key = facts.final_key(plan.project.name, plan.run_id, "model.skops")
    digest = record.sha256["model.skops"]
    try:
        recorded = artifacts.load(facts.verified(objects, key, digest), digest, types)
    except (RecordNotFound, ArtifactCorrupt):
        return None
    again = artifacts.load(made, canonical.sha256(made), types)
    project = plan.project
    told, found = (
        pipeline.predict(model, holdout, project.inputs(), project.classes) for model in (recorded, again)
    )
    apart = outputs.apart(told, found)
    return {
        "rows": len(apart),
        "different": int((apart > 0).sum()),
        "largest_difference": float(apart.max()),
    }
