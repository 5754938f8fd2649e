"""RegisterModel: a run's final artifacts become the next model version.

Writes `models/<project>/vNNNNN/` and, in one transaction, the counter, the model's row and the number into the
run's row. Numbers are dense, and a run has one. `model.json`, written only if absent, claims the next number;
whoever finds it claimed by another run finishes that run's registration first, so that a registration that died
leaves no gap.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidemill import canonical, names
from tidemill.errors import ConflictError, RecordNotFound, RunFailed
from tidemill.governance import audit
from tidemill.ports import Clock, Index, ObjectStore, Put, Row, Update
from tidemill.projects import Project
from tidemill.projects.serving import capture_carried
from tidemill.release import bundle, card, card_page
from tidemill.release.soundness import identity, verify, verify_stored
from tidemill.serving.forms import file_of

ARTIFACTS = ("model.onnx", "model.skops", "profile.json")


def register_model(*, problem: Project, run_id: str, objects: ObjectStore, index: Index, clock: Clock) -> Row:
    """The run's `model_version`, and whether `approval` is `required` or `none`.

    Raises RecordNotFound (no such run, or not finished), RunFailed (it did not pass its gates), ArtifactCorrupt
    (a file is not what the run recorded, or a pickle), ConflictError (others registered meanwhile; try again).
    """
    run = _run(index, problem.name, run_id)
    if run.get("model_version") is None:
        document = _document(problem, run, objects=objects, now=clock())
        if _claim(problem, document, objects=objects, index=index, now=clock()) is None:
            raise ConflictError(f"other runs of {problem.name!r} are being registered; try run {run_id!r} again")
        run = _run(index, problem.name, run_id)
    return {"model_version": run["model_version"], "approval": problem.rollout.approval}


def _run(index: Index, project: str, run_id: str) -> Row:
    run = index.get(names.pk(project), names.sk_run(run_id))
    if run is None:
        raise RecordNotFound(f"run {run_id!r} of project {project!r} does not exist; list the project's runs")
    return run


def _document(problem: Project, run: Row, *, objects: ObjectStore, now: datetime) -> dict[str, Any]:
    """`model.json` without its number. Raises ArtifactCorrupt or RunFailed."""
    folder = names.run(problem.name, run["run_id"])
    final = _read(objects, folder + "final/final.json")
    evaluation = _read(objects, folder + "evaluation.json")
    if not evaluation["passed"]:
        why = evaluation["reason"]
        raise RunFailed(f"run {run['run_id']!r} did not pass its gates ({why}); only a run that did is registered")
    digests = {name: final["sha256"][name] for name in ARTIFACTS}
    for name, digest in digests.items():
        verify_stored(objects, f"{folder}final/{name}", digest, f"{name} of run {run['run_id']!r}")
    content = {
        "project": problem.name,
        "task": problem.task,
        **({"classes": final["classes"]} if final.get("classes") else {}),
        "features": final["features"],
        "threshold": final["threshold"],
        **({"types": final["types"]} if "types" in final else {}),
        **({"serving": final["serving"]} if "serving" in final else {}),
        **({"form": evaluation["form"]} if "form" in evaluation else {}),
        "sha256": digests,
    }
    return {
        **content,
        "identity": identity(content),
        "run_id": run["run_id"],
        "dataset_version": run["dataset_version"],
        "metrics": evaluation["metrics"],
        "baseline": evaluation["baseline"],
        "gates": evaluation["gates"],
        "max_instances": problem.max_instances,
        **({"assignment": "entity"} if problem.rollout.assignment == "entity" else {}),
        **capture_carried(problem),
        "created": now.isoformat(),
    }


def _claim(
    problem: Project, document: Mapping[str, Any], *, objects: ObjectStore, index: Index, now: datetime
) -> int | None:
    """Register under the next number; None if the few next ones were all claimed by other runs."""
    for _ in range(5):
        counter = index.get(names.pk(problem.name), names.COUNTER_MODELS)
        number = 1 + (int(counter["value"]) if counter else 0)
        key = names.model(problem.name, number) + "model.json"
        objects.put_new(key, canonical.dumps({**document, "version": number}), content_type="application/json")
        claimed = _read(objects, key)
        _complete(problem, claimed, objects=objects, index=index, now=now)
        if claimed["run_id"] == document["run_id"]:
            return number
    return None


def _complete(
    problem: Project, document: Mapping[str, Any], *, objects: ObjectStore, index: Index, now: datetime
) -> None:
    """Copy the files of a claimed number, then commit it. Anyone may do so, for any claim, any number of times."""
    source = names.run(problem.name, document["run_id"])
    target = names.model(problem.name, document["version"])
    for name in ARTIFACTS:
        objects.copy_new(f"{source}final/{name}", target + name)
    _pack(target, document, objects)
    evaluation = _read(objects, source + "evaluation.json")
    text = card.write(document, evaluation, problem)
    objects.put_new(target + "card.md", text.encode(), content_type="text/markdown; charset=utf-8")
    objects.put_new(target + "card.html", card_page.page(text).encode(), content_type="text/html; charset=utf-8")
    facts = canonical.dumps(card.as_json(document, evaluation, problem))
    objects.put_new(target + "card.json", facts, content_type="application/json")
    index.transact(_changes(problem.name, document, now))


def _pack(target: str, document: Mapping[str, Any], objects: ObjectStore) -> None:
    """Write the bundle with the model, unless no layer could hold it: where it goes then, the release decides."""
    file, described = file_of(document), canonical.dumps(document)
    what = f"{file} of {document['project']} v{document['version']:05d}"
    stat = objects.head(target + file)
    if stat and bundle.unzipped((stat.size, len(described))) > bundle.LIMIT:
        # It may be larger than this function's memory.
        verify_stored(objects, target + file, document["sha256"][file], what)
        return
    model = objects.get(target + file)
    verify(model, document["sha256"][file], what)
    zipped = bundle.build({file: model, "model.json": described})
    objects.put_new(target + "bundle.zip", zipped, content_type="application/zip")


def _changes(project: str, document: Mapping[str, Any], now: datetime) -> list[Put | Update]:
    pk, number, run_id = names.pk(project), document["version"], document["run_id"]
    row = {
        **{name: document[name] for name in ("version", "run_id", "dataset_version", "metrics", "identity")},
        "state": "registered",
        "at": document["created"],
    }
    return [
        Put(pk, names.COUNTER_MODELS, {"value": number, "epoch": number}, if_epoch=number - 1),
        Put(pk, names.sk_model(number), row, if_absent=True),
        Update(pk, names.sk_run(run_id), {"model_version": number}, if_equal={"model_version": None}),
        audit.entry(
            project=project,
            action="release.registered",
            subject=f"model v{number:05d}",
            at=now,
            by="register_model",
            run_id=run_id,
            identity=document["identity"],
        ),
    ]


def _read(objects: ObjectStore, key: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(objects.get(key))
    return document
