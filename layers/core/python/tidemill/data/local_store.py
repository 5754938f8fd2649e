"""Versions of a folder in a store on this machine, without the data machine: no uploads, rules or profiles.

A version made here is a version like any other (`versions`): number, manifest and fact are the same, so that what
reads one reads the other. Its files were not opened as tables: they have no `form` and 0 rows, and its schema is
empty, until somebody profiles them.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tidemill import names
from tidemill.again import until_undisturbed
from tidemill.data import folders, push, versions
from tidemill.data.folders import Found
from tidemill.data.manifests import File, Manifest
from tidemill.data.push import Plan
from tidemill.data.stat_cache import Digest
from tidemill.errors import ConflictError, UploadRejected
from tidemill.ports import Clock, Index, ObjectStore, Put

ACTOR = "local_store"


class Files(ObjectStore, Protocol):
    """An ObjectStore on this machine, which takes in and gives out whole files."""

    def take(self, path: str | Path, *, key: Callable[[str], str]) -> tuple[str, os.stat_result]:
        """Store a file under the key made of its SHA-256, unless that exists, reading it once; give the digest and
        what was known of the file then. Raises OSError; ConflictError if it is being written to."""

    def give(self, key: str, path: str | Path, *, sha256: str) -> None:
        """Put a copy of an object at `path`, whole or not at all. Raises RecordNotFound, ArtifactCorrupt."""


@dataclass(frozen=True)
class Store:
    """Where the versions of a project are. `cache`: a folder for the digests of files that were read."""

    project: str
    objects: Files
    index: Index
    cache: Path

    def files(self, version: int) -> Manifest:
        """The files of a version. Raises RecordNotFound."""
        return versions.manifest(version, project=self.project, objects=self.objects, index=self.index)


@dataclass(frozen=True)
class Difference:
    """Paths that only the later version has, that have another content there, that only the earlier one has."""

    added: list[str]
    changed: list[str]
    removed: list[str]


def commit(folder: Path, store: Store, *, clock: Clock, reason: str = "", author: str = "") -> tuple[int, Plan]:
    """Make the files of `folder` the next version; give its number, or that of the version that holds the same
    already, and what was news. Files that are not sure to be unchanged are read once, while they are copied.

    Raises UploadRejected if there are no files, if one that the last version has cannot be read, if one is being
    written to; ConflictError if others kept winning the race; IndexBehind."""

    def attempt() -> tuple[int, Plan]:
        head = versions.head(store.index, store.project)
        parent = store.files(head)
        plan = push.plan(
            folder,
            {file.path: file.sha256 for file in parent.files},
            cache=store.cache,
            clock=clock,
            read=_reader(store, parent),
        )
        _require_complete(folder, plan, parent)
        if not plan.is_news:
            return head, plan
        _hold(plan, store)
        manifest = Manifest.of(
            store.project, (_file(file, plan) for file in [*plan.new, *plan.changed, *plan.unchanged])
        )
        equal = store.index.get(names.pk(store.project), names.sk_content(manifest.content))
        if equal is not None:
            return int(equal["dataset_version"]), plan
        return _number(
            manifest, plan, head, store, clock=clock, reason=reason or f"folder {folder.name}", author=author
        ), plan

    return until_undisturbed(attempt)


def _reader(store: Store, parent: Manifest) -> push.Reader:
    """Reads a file while storing it. But one that is probably the same (nothing tells that it was changed) is read
    first, and only stored if it is not."""
    before = {file.path: file for file in parent.files}

    def read(file: Found, digest: Digest | None) -> tuple[str, os.stat_result]:
        known = before.get(file.path)
        if known and known.size == file.size and (digest is None or digest.facts == file.facts):
            sha256, status = push.read_file(file, digest)
            if sha256 == known.sha256:
                return sha256, status
        return store.objects.take(file.place, key=names.content)

    return read


def _require_complete(folder: Path, plan: Plan, parent: Manifest) -> None:
    if not plan.digests:
        raise UploadRejected(
            "no_files", f"{folder} has no files; give a folder that has, or see if its drive is there"
        )
    known = {file.path for file in parent.files}
    for item in plan.left_out:
        if item.path in known or any(path.startswith(item.path + "/") for path in known):
            raise UploadRejected(
                "unreadable", f"{item.path} is in the last version and was left out now: {item.why}"
            )


def _hold(plan: Plan, store: Store) -> None:
    """Store the news whose digests the cache knew: they were read for something else, or for another store."""
    for file in [*plan.new, *plan.changed]:
        if not store.objects.exists(names.content(plan.digests[file.path])):
            sha256, _ = store.objects.take(file.place, key=names.content)
            if sha256 != plan.digests[file.path]:
                raise ConflictError(f"{file.path} was written to meanwhile; read the folder again")


def _file(file: Found, plan: Plan) -> File:
    return File(path=file.path, size=file.size, sha256=plan.digests[file.path], rows=0)


def _number(
    manifest: Manifest, plan: Plan, head: int, store: Store, *, clock: Clock, reason: str, author: str
) -> int:
    """Give the files their number, in the order of writes that `versions` describes. Raises ConflictError."""
    project, objects, index, number = store.project, store.objects, store.index, head + 1
    if head:
        versions.write_fact(head, project=project, objects=objects, index=index)
    versions.require_free(number, project=project, objects=objects, index=index)
    news = [file.path for file in [*plan.new, *plan.changed]]
    document = versions.document(
        manifest,
        version=number,
        source="folder",
        reason=reason,
        author=author or "unknown",
        at=clock(),
        how={"by": ACTOR, "mode": "replace", "added": news},
        schema={},
    )
    identity = versions.write_manifest(objects, document)
    pk = names.pk(project)
    index.transact(
        [
            Put(pk, names.COUNTER_DATASETS, {"value": number, "epoch": number}, if_epoch=head),
            Put(pk, names.sk_dataset(number), versions.row_of(document, identity), if_absent=True),
            Put(pk, names.sk_content(manifest.content), {"dataset_version": number}, if_absent=True),
        ]
    )
    versions.write_fact(number, project=project, objects=objects, index=index)
    return number


def diff(store: Store, earlier: int, later: int) -> Difference:
    """What became of the files between two versions (0: before the first). Raises RecordNotFound."""
    old, new = ({file.path: file.sha256 for file in store.files(version).files} for version in (earlier, later))
    return Difference(
        added=sorted(new.keys() - old.keys()),
        changed=sorted(path for path in new.keys() & old.keys() if new[path] != old[path]),
        removed=sorted(old.keys() - new.keys()),
    )


def checkout(version: int, folder: Path, store: Store, *, clock: Clock) -> Plan:
    """Make the files of a version those of `folder`, each checked against its SHA-256 while it is copied. Gives
    what was found before, seen from the version: `changed`, `removed` and what is no file were written, `new` are
    files that the version does not have, which stay. Raises RecordNotFound, ArtifactCorrupt, OSError;
    UploadRejected if a path leads out of the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    known = {file.path: file.sha256 for file in store.files(version).files}
    plan = push.plan(folder, known, cache=store.cache, clock=clock)
    blocked = [path for path in known if push.is_left_out(path, plan.left_out)] if plan.left_out else []
    written = [*(file.path for file in plan.changed), *plan.removed, *blocked]
    for path, place in folders.inside(folder, written).items():
        store.objects.give(names.content(known[path]), place, sha256=known[path])
    return plan
