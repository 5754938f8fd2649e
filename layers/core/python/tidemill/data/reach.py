"""What is reached in the bucket: by an accepted version, or by an upload whose fate is still open.

`gc` removes what is not; `erase` asks whether a content is reached by something that is to stay. Facts count as
they stand in S3 and as the table has them, as either may be a step ahead. Runs, models and tags reach accepted
versions only, and of these none is ever swept away.
"""

import json
from collections.abc import Collection, Iterator
from typing import Any

from tidemill import names
from tidemill.data import batches, erasures, take_in, uploads, versions
from tidemill.ports import Index, ObjectStore, Row

Reached = dict[str, str]
"""Keys, each with what reaches it."""

_OPEN = "an upload whose fate is open"
_KNOWN = "what was found in an upload"


def projects(objects: ObjectStore) -> list[str]:
    """The names of all projects that have data in the bucket, whether or not they are deployed."""
    found = {name for prefix in ("datasets/", "uploads/") for name in _folders(objects, prefix)}
    return sorted(found)


def contents(objects: ObjectStore, index: Index, project: str, *, besides: Collection[int] = ()) -> Reached:
    """The file contents that a project reaches, `besides` those that only these versions of it do."""
    # Uploads first: one that is accepted in between is seen open here, or in its version below.
    reached = {
        names.content(row["file"]["sha256"]): _OPEN
        for row in upload_rows(objects, index, project).values()
        if row.get("file") and row["state"] not in uploads.SETTLED
    }
    for plan in erasures.unfinished(objects, project):
        left = [content["left"] for content in plan["contents"].values() if content["left"]]
        reached |= {names.content(content["sha256"]): "an erasure under way" for content in left}
    for document in documents(objects, index, project).values():
        if document["version"] not in besides:
            reached |= {names.content(file["sha256"]): _version(document) for file in document["files"]}
    return reached


def records(objects: ObjectStore, index: Index, project: str) -> Reached:
    """What a project reaches of its manifests, profiles, and what it noted of uploads and batches."""
    reached: Reached = {}
    rows = upload_rows(objects, index, project)
    for identifier, row in rows.items():
        reached[take_in.reading_key(project, identifier)] = _KNOWN
        if row["state"] not in uploads.SETTLED:
            reached |= dict.fromkeys(take_in.sketch_keys(project, identifier), _OPEN)
    for identifier in _batches(objects, index, project):
        reached[batches.members_key(project, identifier)] = "a batch"
    for identity, document in documents(objects, index, project).items():
        reached |= {names.manifest(project, identity): _version(document), document["profile"]: _version(document)}
        for file in document["files"]:
            reached |= dict.fromkeys(take_in.sketch_keys(project, file["upload_id"]), _version(document))
    return reached


def documents(objects: ObjectStore, index: Index, project: str) -> dict[str, versions.Document]:
    """The manifests of all accepted versions, by identity."""
    found = {row["identity"] for row in index.query(names.pk(project), names.DATASETS)}
    read = {identity: json.loads(objects.get(names.manifest(project, identity))) for identity in sorted(found)}
    for number in versions.numbers(objects, project):
        fact = versions.read_fact(objects, project, number)
        read.setdefault(fact["identity"], fact)
    return read


def upload_rows(objects: ObjectStore, index: Index, project: str) -> dict[str, Row]:
    """The uploads of a project as they stand, by id."""
    return _last(objects, names.upload(project)) | {
        row["upload_id"]: row for row in index.query(names.pk(project), names.UPLOADS)
    }


def _batches(objects: ObjectStore, index: Index, project: str) -> set[str]:
    rows = index.query(names.pk(project), names.BATCHES)
    return {row["batch_id"] for row in rows} | set(_last(objects, names.batch(project)))


def _last(objects: ObjectStore, prefix: str) -> dict[str, Row]:
    """The last move below each folder."""
    last: dict[str, str] = {}
    for key in objects.keys(prefix):
        folder, _, name = key.removeprefix(prefix).partition("/")
        if is_move(name):
            last[folder] = key
    return {folder: json.loads(objects.get(key)) for folder, key in last.items()}


def is_move(name: str) -> bool:
    """Whether a file of an upload or a batch is the fact of a move."""
    return name.removesuffix(".json").isdigit()


def _folders(objects: ObjectStore, prefix: str) -> Iterator[str]:
    """The folders directly below the prefix, without listing what is in them."""
    after = ""
    while (key := next(iter(objects.keys(prefix, after=after)), None)) is not None:
        folder = key.removeprefix(prefix).partition("/")[0]
        yield folder
        after = f"{prefix}{folder}0"  # "0" follows "/": the next key is of another folder


def _version(document: dict[str, Any]) -> str:
    return f"dataset v{document['version']} of {document['project']}"
