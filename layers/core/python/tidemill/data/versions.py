"""Accepted dataset versions: the numbered, linear history of a project's training data.

AcceptVersion adds to it; training, comparison and the API read it. A version is its manifest, a canonical JSON
document whose SHA-256 is the version's identity: `manifests/<project>/<identity>.json`, written before the number
is given. The row `DATASET#<n>` is written in the transaction that gives it; the fact
`datasets/<project>/v<n>.json`, the manifest under its number, after it, at the latest before the next number is
given. So no two versions ever claim one number, and S3 has no gap below the newest.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidemill import canonical, names
from tidemill.data.manifests import File, Manifest
from tidemill.errors import IndexBehind, RecordNotFound
from tidemill.ports import Index, ObjectStore, Row

FORM = 1
_ROW = ("version", "content", "parent", "rows", "bytes", "source", "reason", "author")
Document = dict[str, Any]


def head(index: Index, project: str) -> int:
    """The number of the newest version; 0 if there is none. It is also the epoch of the counter."""
    counter = index.get(names.pk(project), names.COUNTER_DATASETS)
    return int(counter["value"]) if counter else 0


def row(index: Index, project: str, version: int) -> Row:
    """The row of a version. Raises RecordNotFound."""
    found = index.get(names.pk(project), names.sk_dataset(version))
    if found is None:
        raise RecordNotFound(
            f"project {project!r} has no dataset version {version}; see `tidemill data log {project}`"
        )
    return found


def manifest(version: int, *, project: str, objects: ObjectStore, index: Index) -> Manifest:
    """The files of a version; none for version 0."""
    document = document_of(version, project=project, objects=objects, index=index)
    return Manifest.model_validate(document) if document else Manifest(project=project, files=())


def document_of(version: int, *, project: str, objects: ObjectStore, index: Index) -> Document | None:
    """The manifest of a version that the table knows, be its fact written yet or not; None for version 0."""
    if version == 0:
        return None
    found: Document = json.loads(objects.get(names.manifest(project, row(index, project, version)["identity"])))
    return found


def document(
    files: Manifest,
    *,
    version: int,
    source: str,
    reason: str,
    author: str,
    at: datetime,
    how: Mapping[str, Any],
    schema: Mapping[str, Any],
) -> Document:
    """The manifest of a version: `files` in order, where their contents come from (`source`: the batch; `how`:
    what made it), why and by whom, the columns (`schema`), and where the profile of its rows is."""
    return {
        "form": FORM,
        "project": files.project,
        "version": version,
        "parent": version - 1,
        "content": files.content,
        "files": [file.model_dump(mode="json") for file in files.files],
        "rows": files.rows,
        "bytes": files.size,
        "schema": dict(schema),
        "profile": names.profile(files.project, files.content),
        "source": source,
        "reason": reason,
        "author": author,
        "created": at.isoformat(),
        "how": dict(how),
    }


def counter(number: int) -> Row:
    """The counter of dataset versions, once it has given `number`."""
    return {"value": number, "epoch": number}


def row_of(document: Document, identity: str) -> Row:
    """The row of a version, as it follows from its manifest."""
    shown = {name: document[name] for name in _ROW}
    return {**shown, "identity": identity, "files": len(document["files"]), "at": document["created"]}


def write_manifest(objects: ObjectStore, document: Document) -> str:
    """Write the manifest under its identity, once; give the identity."""
    body = canonical.dumps(document)
    identity = canonical.sha256(body)
    objects.put_new(names.manifest(document["project"], identity), body, content_type="application/json")
    return identity


def read_fact(objects: ObjectStore, project: str, version: int) -> Document:
    """The manifest of a version, from S3 alone, with its `identity`. Raises RecordNotFound."""
    body = objects.get(names.dataset(project, version))
    fact: Document = json.loads(body)
    return {**fact, "identity": canonical.sha256(body)}


def numbers(objects: ObjectStore, project: str) -> list[int]:
    """The numbers of all versions that are in S3, ascending."""
    stems = (key.rpartition("/")[2].removesuffix(".json") for key in objects.keys(f"datasets/{project}/"))
    return sorted(int(stem.removeprefix("v")) for stem in stems if stem.removeprefix("v").isdigit())


def files_of(fact: Document) -> tuple[File, ...]:
    """The files of a version whose manifest was read."""
    return Manifest.model_validate(fact).files


def write_fact(version: int, *, project: str, objects: ObjectStore, index: Index) -> None:
    """Write the fact of an accepted version, if that has not been done. Raises IndexBehind if S3 holds another
    version under this number."""
    stored = row(index, project, version)
    body = objects.get(names.manifest(project, stored["identity"]))
    key = names.dataset(project, version)
    if not objects.put_new(key, body, content_type="application/json"):
        found = canonical.sha256(objects.get(key))
        if found != stored["identity"]:
            raise IndexBehind(_behind(key, f"identity {found}, the table says {stored['identity']}"))


def require_free(version: int, *, project: str, objects: ObjectStore, index: Index) -> None:
    """Raises IndexBehind if S3 holds a fact under a number that the table has not given yet: the table was lost or
    set back, and giving the number again would make two versions of it."""
    key = names.dataset(project, version)
    if objects.exists(key) and head(index, project) < version:
        raise IndexBehind(_behind(key, f"the table ends at version {version - 1}"))


def _behind(key: str, difference: str) -> str:
    return f"{key} is not in the table ({difference}); run `tidemill rebuild-index` before accepting uploads"
