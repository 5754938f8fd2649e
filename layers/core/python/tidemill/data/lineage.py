"""Where a dataset version or a model comes from, and what came of it. Nothing here writes.

The commands `tidemill data lineage` and `tidemill models lineage` show it; `subjects` asks it which runs and
models learned from a version. Versions and models are as the table has them, files as their manifests do.
"""

from collections.abc import Collection, Iterable
from typing import Any

from tidemill import names
from tidemill.data import versions
from tidemill.data.manifests import File, Manifest
from tidemill.errors import RecordNotFound
from tidemill.ports import Index, ObjectStore, Row

Facts = dict[str, Any]
_ONE_BY_ONE = 20  # uploads; to ask for more of them at once is cheaper
_VERSION = ("version", "identity", "rows", "files", "bytes", "source", "reason", "author", "at", "erased")
_FILE = ("path", "sha256", "size", "rows", "rows_left_out")
_UPLOAD = ("upload_id", "key", "version_id", "state", "author", "reason_given", "at")
_RUN = ("run_id", "dataset_version", "state", "trigger", "reason", "model_version", "at", "ended_at")
_MODEL = ("version", "run_id", "dataset_version", "state", "identity", "metrics", "at")
_RELEASE = ("release_id", "model", "state", "reason", "by", "at", "decided_at")


def of_version(project: str, number: int, *, objects: ObjectStore, index: Index) -> Facts:
    """A dataset version with its `ancestors` (nearest first), its `files`, each with the `upload` it came by, and
    the `runs`, `models` and `releases` that followed from it. Raises RecordNotFound."""
    row = versions.row(index, project, number)
    before = index.query(names.pk(project), names.DATASETS, newest_first=True)
    manifest = versions.manifest(number, project=project, objects=objects, index=index)
    ancestors = [_only(found, _VERSION) for found in before if found["version"] < number]
    files = _files(manifest, index, project)
    return {
        "project": project,
        **_only(row, _VERSION),
        "parent": row["parent"],
        "ancestors": ancestors,
        "files": files,
        **downstream(index, project, {number}),
    }


def of_model(project: str, number: int, *, objects: ObjectStore, index: Index) -> Facts:
    """A model with the `run` that made it, the `dataset` version this learned from, that version's `files` with
    their uploads, and the `releases` of the model. Raises RecordNotFound."""
    pk = names.pk(project)
    model = index.get(pk, names.sk_model(number))
    if model is None:
        raise RecordNotFound(f"project {project!r} has no model {number}; see `tidemill models list {project}`")
    run = index.get(pk, names.sk_run(model["run_id"])) or {"run_id": model["run_id"]}
    version = model["dataset_version"]
    manifest = versions.manifest(version, project=project, objects=objects, index=index)
    return {
        "project": project,
        "model": _only(model, _MODEL),
        "run": _only(run, _RUN),
        "dataset": _only(versions.row(index, project, version), _VERSION),
        "files": _files(manifest, index, project),
        "releases": _releases(index, project, {number}),
    }


def downstream(index: Index, project: str, numbers: Collection[int]) -> Facts:
    """The `runs` of these dataset versions, the `models` that they made and the `releases` of those, by age."""
    pk = names.pk(project)
    runs = [row for row in index.query(pk, names.RUNS) if row.get("dataset_version") in numbers]
    models = [row for row in index.query(pk, names.MODELS) if row["dataset_version"] in numbers]
    return {
        "runs": [_only(row, _RUN) for row in sorted(runs, key=lambda row: str(row["at"]))],
        "models": [_only(row, _MODEL) for row in models],
        "releases": _releases(index, project, {row["version"] for row in models}),
    }


def _releases(index: Index, project: str, models: Collection[int]) -> list[Facts]:
    rows = [row for row in index.query(names.pk(project), names.RELEASES) if row.get("model") in models]
    return [_only(row, _RELEASE) for row in sorted(rows, key=lambda row: str(row["at"]))]


def _files(manifest: Manifest, index: Index, project: str) -> list[Facts]:
    known = uploads_of(manifest.files, index, project)
    return [
        {**{name: getattr(file, name) for name in _FILE}, "upload": _event(known.get(file.upload_id))}
        for file in manifest.files
    ]


def uploads_of(files: Collection[File], index: Index, project: str) -> dict[str, Row]:
    """The rows of the uploads that brought these files, by id; without those that the table does not know."""
    pk, wanted = names.pk(project), {file.upload_id for file in files}
    if len(wanted) > _ONE_BY_ONE:
        return {row["upload_id"]: row for row in index.query(pk, names.UPLOADS) if row["upload_id"] in wanted}
    rows = {identifier: index.get(pk, names.sk_upload(identifier)) for identifier in sorted(wanted)}
    return {identifier: row for identifier, row in rows.items() if row is not None}


def _event(upload: Row | None) -> Facts | None:
    return None if upload is None else _only(upload, _UPLOAD)


def _only(row: Row, wanted: Iterable[str]) -> Facts:
    return {name: row[name] for name in wanted if row.get(name) is not None}
