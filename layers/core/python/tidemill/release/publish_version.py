"""PublishVersion: a model version becomes a function version, and its release takes the project's one slot.

Writes the endpoint's function version, `plan.json`, and in one transaction the release's row, the pointer and the
model's state; then removes the alarms on an earlier challenger. The newest model wins the slot
(docs/decisions/0003): a running release of an older one is superseded; if a newer one is running, this release is
the superseded one. A superseded model stays registered. Where entities are assigned, the versions that have both
arms follow (release/arms.py).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidemill import names
from tidemill.errors import RecordNotFound
from tidemill.governance import audit
from tidemill.ports import Clock, Endpoints, Guards, Index, ObjectStore, Put, Row, Update
from tidemill.projects import Project
from tidemill.release import arms, guarding, placement, record
from tidemill.release import pointer as live


def publish_version(
    *,
    problem: Project,
    model_version: int,
    release_id: str,
    objects: ObjectStore,
    index: Index,
    endpoints: Endpoints,
    guards: Guards,
    clock: Clock,
    room: Mapping[str, int] | None = None,
) -> Row:
    """`function_version`, whether there is a `champion` to beat, and the release's `state`. `room`: the bytes that
    a model may have in its layer, by its form; None: all that a function may have.

    Raises RecordNotFound if the model is not registered, ModelTooLarge or ArtifactCorrupt if it cannot be served,
    ArmsUnfit if entities are assigned and both models do not go into one version, ConflictError if the pointer
    moved meanwhile (try again).
    """
    project = problem.name
    release = index.get(names.pk(project), names.sk_release(release_id))
    if release is None:
        plan = _plan(
            problem,
            model_version,
            release_id,
            objects=objects,
            index=index,
            endpoints=endpoints,
            room=room or {},
            now=clock(),
        )
        release = _take_slot(project, plan, index=index, now=clock())
    release = arms.publish(project, release, objects=objects, index=index, endpoints=endpoints, room=room or {})
    guarding.follow(index, objects, guards, project)
    return {
        "function_version": release["function_version"],
        "champion": release["champion"] is not None,
        "state": release["state"],
    }


def _plan(
    problem: Project,
    model_version: int,
    release_id: str,
    *,
    objects: ObjectStore,
    index: Index,
    endpoints: Endpoints,
    room: Mapping[str, int],
    now: datetime,
) -> dict[str, Any]:
    registered = index.get(names.pk(problem.name), names.sk_model(model_version))
    if registered is None:
        raise RecordNotFound(f"model v{model_version:05d} of {problem.name!r} is not registered; list the models")
    identity = registered["identity"]
    champion = live.read(index, problem.name)["champion"]
    if champion is not None and problem.rollout.assignment == "entity":
        arms.check(problem.name, (champion["model"], model_version), objects=objects, index=index, room=room)
    bundle_key, kind = placement.place(
        problem, release_id, model_version, identity=identity, objects=objects, room=room
    )
    function_version = endpoints.publish(
        problem.name, bundle_key=bundle_key, model_version=model_version, identity=identity, kind=kind
    )
    plan = {
        "project": problem.name,
        "release_id": release_id,
        "model": model_version,
        "identity": identity,
        "function_version": function_version,
        "task": problem.task,
        "rollout": problem.rollout.model_dump(mode="json"),
        "costs": problem.recipe.costs.model_dump(mode="json"),
        "at": now.isoformat(),
    }
    return record.keep(objects, problem.name, release_id, record.PLAN, plan)


def _take_slot(project: str, plan: dict[str, Any], *, index: Index, now: datetime) -> Row:
    pointer = live.read(index, project)
    running = _running(index, project, pointer)
    newcomer = {"model": plan["model"], "function_version": plan["function_version"]}
    release: Row = {
        "release_id": plan["release_id"],
        **newcomer,
        "champion": pointer["champion"],
        "state": "running",
        "step": -1,
        "looks": 0,
        "at": now.isoformat(),
    }
    changes: list[Put | Update] = []
    told: dict[str, Any] = {}
    if running and running["model"] > plan["model"]:
        release |= _superseded(running, now)
        model = {"function_version": plan["function_version"]}
    else:
        model = {"function_version": plan["function_version"], "state": "challenger"}
        moved = live.moved(project, pointer, challenger=newcomer, weight=0.0, release_id=plan["release_id"])
        changes.append(moved)
        told = live.after(moved)
        changes += _give_way(project, running, release, now) if running else []
    pk = names.pk(project)
    changes.append(Put(pk, names.sk_release(plan["release_id"]), release, if_absent=True))
    changes.append(Update(pk, names.sk_model(plan["model"]), model))
    changes.append(
        audit.entry(
            project=project,
            action="release.started" if release["state"] == "running" else "release.superseded",
            subject=f"release {plan['release_id']}",
            at=now,
            by="publish_version",
            model=plan["model"],
            **told,
        )
    )
    index.transact(changes)
    return release


def _running(index: Index, project: str, pointer: Row) -> Row | None:
    """The release that holds the slot, if it is still running."""
    if pointer["challenger"] is None:
        return None
    return record.row(index, project, pointer["release_id"])


def _give_way(project: str, running: Row, newer: Row, now: datetime) -> list[Put | Update]:
    """The running release ends undecided; its model is registered as before, and can be released again."""
    pk, given_up = names.pk(project), _superseded(newer, now)
    return [
        Update(pk, names.sk_release(running["release_id"]), given_up, if_equal={"state": "running"}),
        Update(pk, names.sk_model(running["model"]), {"state": "registered"}),
    ]


def _superseded(by: Row, now: datetime) -> Row:
    reason = f"superseded by release {by['release_id']} of the newer model v{by['model']:05d}"
    return {"state": "superseded", "verdict": "superseded", "reason": reason, "decided_at": now.isoformat()}
