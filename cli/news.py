"""What of a file or a folder is news to a project, so that what it has already is not uploaded again."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cli.deployment import Deployment
from cli.uploading import Wish, wishes
from tidemill import names
from tidemill.data import push, versions
from tidemill.data.uploads import SETTLED, upload_id

APPEND = "append"


@dataclass(frozen=True)
class News:
    """What is to be uploaded, and how many of the files version `version` has already."""

    wishes: list[Wish]
    unchanged: int
    version: int


def cache_folder() -> Path:
    """Where digests of files are kept, so that an unchanged folder is not read again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tidemill"


def of(deployment: Deployment, project: str, path: Path, name: str | None) -> News:
    """Compare the file or folder with the newest version, by path and SHA-256. A file that somebody uploaded
    since, and that nothing was decided about, is news. Where versions replace each other, it is all or nothing: a
    version is exactly what is uploaded together. Raises Usage, OSError, UploadRejected if a file is being written
    to."""
    wanted = wishes(path, name)
    version = versions.head(deployment.index, project)
    if not version:
        return News(wanted, 0, 0)
    files = versions.manifest(version, project=project, objects=deployment.objects, index=deployment.index).files
    known = {file.path: file.sha256 for file in files}
    if not any(wish.path in known for wish in wanted):
        return News(wanted, 0, version)
    plan = push.plan(path, {}, cache=cache_folder(), clock=lambda: datetime.now(UTC))
    undecided = set(_undecided(deployment, project, wanted[0].path.partition("/")[0]))

    def has(wish: Wish) -> bool:
        found = plan.digests.get(wish.file.relative_to(path).as_posix() if path.is_dir() else path.name)
        return found is not None and known.get(wish.path) == found and wish.path not in undecided

    held = {wish.path for wish in wanted if has(wish)}
    if deployment.parameter(f"mode/{project}") == APPEND or held == known.keys() == {w.path for w in wanted}:
        return News([wish for wish in wanted if wish.path not in held], len(held), version)
    return News(wanted, 0, version)


def _undecided(deployment: Deployment, project: str, prefix: str) -> Iterator[str]:
    """Paths whose newest object in `incoming/` is an upload that has not come to its end, or was not noticed."""
    rows = deployment.index.query(names.pk(project), names.UPLOADS)
    settled = {row["upload_id"] for row in rows if row["state"] in SETTLED}
    pages = (
        deployment.client("s3")
        .get_paginator("list_object_versions")
        .paginate(Bucket=deployment.bucket, Prefix=names.incoming(project, prefix))
    )
    for item in (item for page in pages for item in page.get("Versions", ()) if item["IsLatest"]):
        identifier = upload_id(bucket=deployment.bucket, key=item["Key"], version_id=item["VersionId"])
        if identifier not in settled:
            yield item["Key"].removeprefix(names.incoming(project, ""))
