"""PrepareData: open a run, and turn the rows of its dataset version into the arrays that models are fitted on.

The first state. Writes the run's row, `prepared/{train,validation,holdout}.npz` and, when those are there,
`prepared.json`. It has a state of its own because reading files of every format and fitting models do not fit into
one function's layers. A rerun of the same run id continues it: what is written stands.
"""

from typing import Any

from tidemill import canonical, names
from tidemill.data import versions
from tidemill.data.read import read_dataset
from tidemill.errors import ConflictError, OptionRefused, RunFailed
from tidemill.governance import audit
from tidemill.ports import Clock, Index, ObjectStore, Put, Row, Update
from tidemill.projects import Project
from tidemill.training import facts, prepare
from tidemill.training.plan import Options


def prepare_data(
    *,
    project: Project,
    dataset_version: int,
    run_id: str,
    reason: str,
    trigger: str,
    by: str | None = None,
    options: Options,
    rehearsal: bool,
    objects: ObjectStore,
    index: Index,
    clock: Clock,
) -> dict[str, Any]:
    """How many rows each part has.

    Raises OptionRefused (an option that spoils a model, outside a rehearsal), RecordNotFound (no such dataset
    version), RunFailed (its rows cannot be learnt from), ConflictError (the run id is another version's).
    """
    opening: Row = {
        "dataset_version": dataset_version,
        "reason": reason,
        "trigger": trigger,
        "trials": project.search.trials,
    }
    if by:
        opening["submitted_by"] = by
    _open_run(project.name, run_id, opening, options, index=index, clock=clock)
    if options.rehearsal and not rehearsal:
        raise OptionRefused(
            f"options {options.rehearsal} make a bad model on purpose, for rehearsals; this stage permits none"
        )
    key = facts.prepared_key(project.name, run_id)
    if not objects.exists(key):
        facts.keep(objects, key, _prepare(project, dataset_version, run_id, options, objects=objects))
    prepared = facts.read(objects, key)
    return {"project": project.name, "run_id": run_id, "rows": prepared["rows"]}


def _open_run(project: str, run_id: str, opening: Row, options: Options, *, index: Index, clock: Clock) -> None:
    """Write the run's row, or reopen a run that failed or was stopped. One that runs, or has a verdict, is left as
    it is."""
    pk, sk, now = names.pk(project), names.sk_run(run_id), clock()
    row = index.get(pk, sk)
    given = {**opening, **options.model_dump(exclude_none=True)}
    # What was asked for, as `reason` will tell how it ended.
    asked = {name: opening[name] for name in ("reason", "trigger")}
    opening = {**opening, "input": {**asked, "options": options.model_dump(exclude_defaults=True)}}
    if row is None:
        change: Put | Update = Put(
            pk, sk, {"run_id": run_id, **opening, "state": "running", "at": now.isoformat()}, if_absent=True
        )
    elif row.get("dataset_version") not in (None, opening["dataset_version"]):
        raise ConflictError(
            f"run {run_id!r} is of dataset version {row['dataset_version']}, not {opening['dataset_version']};"
            " give the new run another id"
        )
    elif row["state"] in ("failed", "stopped"):
        cleared = dict.fromkeys(("error", "ended_at", "stop"))
        change = Update(pk, sk, {**opening, "state": "running", **cleared}, {"state": row["state"]})
    else:
        return
    action = "training.started" if isinstance(change, Put) else "training.reopened"
    subject = f"run {run_id}"
    entry = audit.entry(project=project, action=action, subject=subject, at=now, by="prepare_data", **given)
    index.transact([change, entry])


def _prepare(
    project: Project, dataset_version: int, run_id: str, options: Options, *, objects: ObjectStore
) -> dict[str, Any]:
    fact, prepared, bodies = prepared_rows(project, dataset_version, options, objects=objects)
    for part, body in bodies.items():
        _keep_equal(objects, facts.part_key(project.name, run_id, part), body)
    return {
        "dataset_version": dataset_version,
        "identity": fact["identity"],
        "rows": prepared.rows,
        "dropped": dict(prepared.dropped),
        "cuts": dict(prepared.cuts),
        "sha256": {part: canonical.sha256(body) for part, body in bodies.items()},
        "project": project.model_dump(mode="json"),
    }


def prepared_rows(
    project: Project, dataset_version: int, options: Options, *, objects: ObjectStore
) -> tuple[dict[str, Any], prepare.Prepared, dict[str, bytes]]:
    """The manifest of a dataset version with its `identity`, its rows as they are prepared, and the bytes of each
    part. Writes nothing. Raises RecordNotFound, RunFailed."""
    fact = versions.read_fact(objects, project.name, dataset_version)
    prepared = prepare.prepare(read_dataset(objects, fact, project), project)
    parts = dict(prepared.parts)
    if options.shuffle_labels:
        # Both parts that the final model is fitted on; a holdout with true labels then shows what it is worth.
        seed = project.search.seed if options.seed is None else options.seed
        parts |= {part: prepare.shuffled(parts[part], project.target, seed) for part in ("train", "validation")}
    return fact, prepared, {part: prepare.dump(arrays) for part, arrays in parts.items()}


def _keep_equal(objects: ObjectStore, key: str, body: bytes) -> None:
    """Write a part of the rows. Parts of two different splits must not come together: a row could be in both."""
    if facts.keep_bytes(objects, key, body) != body:
        raise RunFailed(
            f"{key} was prepared by other code or from another project file; start a run with a new id"
        )
