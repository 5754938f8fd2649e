"""FitFinal: the best point of the search, fitted again on train and validation together, in the forms it travels
in.

Writes `final/model.skops`, then what follows from it: `final/model.onnx` and `final/profile.json`; and, when
those are there, `final/final.json` with their digests.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from tidemill import canonical
from tidemill.data.profile import PREDICTION, build_profile
from tidemill.errors import RecordNotFound
from tidemill.ports import Clock, ObjectStore
from tidemill.training import (
    algorithms,
    artifacts,
    calibration,
    facts,
    outputs,
    pipeline,
    provenance,
    served_form,
    shards,
    threads,
)
from tidemill.training.algorithms.family import Family
from tidemill.training.calibration import Model
from tidemill.training.plan import Plan, read_plan
from tidemill.training.prepare import Arrays
from tidemill.training.run_trial import part_of
from tidemill.training.slices import OutOfTime, Slices
from tidemill.training.team import Team
from tidemill.training.worker import Worker


def fit_final(
    *,
    project: str,
    run_id: str,
    worker: Worker,
    objects: ObjectStore,
    clock: Clock,
    of: int | None = None,
    team: Team | None = None,
) -> dict[str, Any]:
    """The key of `final.json`, and whether the worker's time ended before the fit, so that it is to be called
    again (`more`). `of`: the shards that other machines have grown; default: those of the project file. `team`:
    the machines that fit it together, of which this is the first one. Raises RecordNotFound (no such run, or no
    best trial yet), ArtifactCorrupt."""
    key = facts.final_key(project, run_id)
    if not objects.exists(key):
        begun = clock()
        plan = read_plan(objects, project, run_id)
        best = facts.read(objects, facts.best_key(project, run_id))
        marker = facts.final_begun_key(project, run_id)
        again = not objects.put_new(marker, b"{}", content_type="application/json")
        own = plan.project.compute.shards if of is None else of
        shards_of = own if algorithms.of(best["algorithm"], plan.project).sharded else 1
        slices = Slices(objects, facts.slices_key(project, run_id, "final"), clock, worker.left, again)
        try:
            digests = _write_artifacts(plan, best, objects, slices, shards_of, team)
        except OutOfTime:
            return {"final_key": key, "more": True}
        saved = facts.final_key(project, run_id, "model.skops")
        types = _types(plan, best, lambda: objects.get(saved))
        final = _final(plan, best, digests, types=types, team=team)
        facts.keep(objects, key, {**final, **worker.spent(begun, slices.seconds(clock()))})
    return {"final_key": key, "more": False}


def fit_shard(*, project: str, run_id: str, shard: int, of: int, objects: ObjectStore) -> dict[str, Any]:
    """Grow one of `of` shards of the final forest, for FitFinal to merge. Raises RecordNotFound,
    ArtifactCorrupt."""
    key = facts.shard_key(project, run_id, shard, of)
    if not objects.exists(key):
        plan = read_plan(objects, project, run_id)
        best = facts.read(objects, facts.best_key(project, run_id))
        rows = _fitted_on({part: part_of(plan, part, objects) for part in ("train", "validation")})
        grown = _grown(plan, best, rows, shard, of)
        facts.keep_bytes(objects, key, artifacts.save(grown), content_type="application/octet-stream")
    return {"shard": shard}


def fit_share(*, project: str, run_id: str, team: Team, objects: ObjectStore) -> dict[str, Any]:
    """What the other machines of a team do while the first one is in `fit_final`: fit the same model. Gives its
    digest. Raises RecordNotFound, ArtifactCorrupt."""
    plan = read_plan(objects, project, run_id)
    best = facts.read(objects, facts.best_key(project, run_id))
    rows = _fitted_on({part: part_of(plan, part, objects) for part in ("train", "validation")})
    model = _fitted(plan, best, rows, team=team)
    return {"share": team.rank, "sha256": canonical.sha256(artifacts.save(model))}


def family(*, project: str, run_id: str, objects: ObjectStore) -> Family:
    """Of what kind the final model is. Raises RecordNotFound."""
    best = facts.read(objects, facts.best_key(project, run_id))
    return algorithms.of(best["algorithm"], read_plan(objects, project, run_id).project)


def _grown(plan: Plan, best: Mapping[str, Any], rows: Arrays, shard: int, of: int) -> Pipeline:
    return shards.grow(
        best["algorithm"], best["parameters"], rows, project=plan.project, seed=plan.seed, shard=shard, of=of
    )


def _merged(plan: Plan, best: Mapping[str, Any], rows: Arrays, objects: ObjectStore, of: int) -> Model:
    """The forest of its shards; one that was lost is grown here."""
    found = []
    for shard in range(of):
        try:
            body = objects.get(facts.shard_key(plan.project.name, plan.run_id, shard, of))
            found.append(artifacts.load(body, canonical.sha256(body)))
        except RecordNotFound:
            found.append(_grown(plan, best, rows, shard, of))
    return calibration.calibrated(shards.merged(found), rows, plan.project)


def _fitted_on(parts: Mapping[str, Arrays]) -> Arrays:
    """The rows of the final fit: all but the holdout."""
    train, validation = parts["train"], parts["validation"]
    return {column: np.concatenate([train[column], validation[column]]) for column in train}


def _write_artifacts(
    plan: Plan, best: dict[str, Any], objects: ObjectStore, slices: Slices, of: int, team: Team | None
) -> dict[str, str]:
    """The digests of the three files."""

    def kept(file: str, body: bytes) -> bytes:
        content_type = "application/json" if file.endswith(".json") else "application/octet-stream"
        key = facts.final_key(plan.project.name, plan.run_id, file)
        return facts.keep_bytes(objects, key, body, content_type=content_type)

    def fitted(rows: Arrays) -> Model:
        return _merged(plan, best, rows, objects, of) if of > 1 else _fitted(plan, best, rows, slices, team)

    parts = {part: part_of(plan, part, objects) for part in facts.PARTS}
    return {file: canonical.sha256(body) for file, body in build(plan, best, parts, kept, fitted).items()}


def build(
    plan: Plan,
    best: Mapping[str, Any],
    parts: Mapping[str, Arrays],
    kept: Callable[[str, bytes], bytes],
    fitted: Callable[[Arrays], Model] | None = None,
) -> dict[str, bytes]:
    """The three files. `kept` is told the name and the bytes of each and gives the bytes that stand. The others
    are made from the first as it stands, so that they belong together even if the first was written by a process
    that died, and this fit differs in a bit. `fitted` fits the rows; default: in one go."""
    project, fitted_on = plan.project, _fitted_on(parts)
    model = fitted(fitted_on) if fitted else _fitted(plan, best, fitted_on)
    saved = kept("model.skops", artifacts.save(model))
    model = artifacts.load(saved, canonical.sha256(saved), _types(plan, best, lambda: saved))
    served = kept("model.onnx", served_form.convert(model, project))
    profile = canonical.dumps(_profile(plan, model, fitted_on, parts["holdout"]))
    return {"model.skops": saved, "model.onnx": served, "profile.json": kept("profile.json", profile)}


def _types(plan: Plan, best: Mapping[str, Any], saved: Callable[[], bytes]) -> list[str]:
    """The types that are in the saved model because the project's own recipe put them there."""
    return artifacts.extras(saved()) if algorithms.of(best["algorithm"], plan.project).own else []


def _fitted(
    plan: Plan,
    best: Mapping[str, Any],
    rows: Arrays,
    slices: Slices | None = None,
    team: Team | None = None,
) -> Model:
    """The best point fitted on these rows, in one go or cut into slices; by a team always in one go. Raises
    OutOfTime."""
    cut = team is None and slices is not None and slices.cut(_expected(plan, best))
    return pipeline.fit(
        best["algorithm"],
        best["parameters"],
        rows,
        project=plan.project,
        seed=plan.seed,
        on_step=slices.after if cut and slices else None,
        begun=slices.begun() if cut and slices else None,
        team=team,
    )


def _expected(plan: Plan, best: Mapping[str, Any]) -> timedelta | None:
    """How long the fit takes, by the best trial's time and rows; None if that is not known."""
    return timedelta(seconds=plan.on_all_rows(best["seconds"])) if "seconds" in best else None


def _profile(plan: Plan, model: Any, fitted_on: Arrays, holdout: Arrays) -> dict[str, Any]:
    """The reference profile: the features as fitted on, and the predictions on rows the model has not seen. On
    rows it was fitted to it is surer of itself than it will ever be again."""
    project, inputs = plan.project, plan.project.inputs()
    columns = {name: fitted_on[name] for name in inputs}
    predictions = pipeline.predict(model, holdout, inputs, project.classes)
    columns[PREDICTION] = outputs.as_captured(predictions, project.classes)
    kinds = {**{name: column.type for name, column in inputs.items()}, PREDICTION: project.said}
    return build_profile(columns, kinds)


def _final(
    plan: Plan, best: dict[str, Any], digests: dict[str, str], *, types: list[str], team: Team | None
) -> dict[str, Any]:
    return {
        **({"types": types} if types else {}),
        **({"parted": len(team.machines)} if team else {}),
        "project": plan.project.name,
        "run_id": plan.run_id,
        "dataset_version": plan.dataset_version,
        "task": plan.project.task,
        **({"classes": list(plan.project.classes)} if plan.project.classes else {}),
        "algorithm": best["algorithm"],
        "parameters": best["parameters"],
        "seed": plan.seed,
        "metric": plan.metric,
        "threshold": plan.threshold,
        "rows": dict(plan.rows),
        "features": plan.features(),
        **plan.project.serving.carried(),
        "sha256": digests,
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "threads": threads.in_use(),
    }
