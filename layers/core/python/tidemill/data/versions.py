"""Accepted dataset versions: the numbered, linear history of a project's training data.

AcceptVersion adds to it; training, comparison and the API read it. The row `DATASET#<n>` is written in the
transaction that gives the number; the fact `datasets/<project>/v<n>.json` is a copy of that row and is written
after it, at the latest before the next number is given. So no two versions ever claim one number, and S3 has no
gap below the newest.
"""

import json
from typing import Any

from tidemill import canonical, names
from tidemill.data import manifests
from tidemill.data.manifests import Manifest
from tidemill.errors import IndexBehind, RecordNotFound
from tidemill.ports import Index, ObjectStore, Row

_FACT = ("version", "identity", "parent", "rows", "files", "bytes", "source", "at")


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
    if version == 0:
        return Manifest(project=project, files=())
    return manifests.read(objects, project, row(index, project, version)["identity"])


def read_fact(objects: ObjectStore, project: str, version: int) -> dict[str, Any]:
    """The fact of a version, from S3 alone. Raises RecordNotFound."""
    fact: dict[str, Any] = json.loads(objects.get(names.dataset(project, version)))
    return fact


def write_fact(version: int, *, project: str, objects: ObjectStore, index: Index) -> None:
    """Write the fact of an accepted version from its row, if that has not been done. Raises IndexBehind if S3
    holds another version under this number."""
    stored = row(index, project, version)
    fact = {"project": project, **{name: stored[name] for name in _FACT}}
    key = names.dataset(project, version)
    if not objects.put_new(key, canonical.dumps(fact), content_type="application/json"):
        found = json.loads(objects.get(key))["identity"]
        if found != stored["identity"]:
            raise IndexBehind(_behind(key, f"identity {found}, the table says {stored['identity']}"))


def require_free(version: int, *, project: str, objects: ObjectStore, index: Index) -> None:
    """Raises IndexBehind if S3 holds a fact under a number that the table has not given yet: the table was lost or
    set back, and giving the number again would make two versions of it."""
    key = names.dataset(project, version)
    if objects.exists(key) and head(index, project) < version:
        raise IndexBehind(_behind(key, f"the table ends at version {version - 1}"))


def _behind(key: str, difference: str) -> str:
    return f"{key} is not in the table ({difference}); rebuild the table from S3 before accepting uploads"
