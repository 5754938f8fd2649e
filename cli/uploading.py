"""Upload files to `incoming/`, and know each upload by the id that the data stage will give it."""

import getpass
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from boto3.s3.transfer import TransferConfig

from cli.errors import Usage
from tidemill import names
from tidemill.data.uploads import SUCCESS, is_hidden, upload_id

IN_PARTS = 64 << 20
"""Bytes above which a file goes up in parts, some of them at a time; S3 takes 10,000 parts."""
TRANSFER = TransferConfig(multipart_threshold=IN_PARTS, multipart_chunksize=IN_PARTS, max_concurrency=8)
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Upload:
    """One object version under `incoming/`."""

    project: str
    key: str
    version_id: str
    upload_id: str


@dataclass(frozen=True)
class Wish:
    """A file and its path below `incoming/<project>/`."""

    file: Path
    path: str

    @property
    def size(self) -> int:
        return self.file.stat().st_size


def wishes(path: Path, name: str | None = None) -> list[Wish]:
    """What is to be uploaded for the file or the folder at `path`: a folder is a batch under its own name (or
    `name`), hidden files and writers' notes left out. Raises Usage."""
    if path.is_file():
        return [Wish(path, name or path.name)]
    if not path.is_dir():
        raise Usage(f"there is no file or folder {path}; name what is to be uploaded")
    batch = (name or path.resolve().name).strip("/")
    files = [file for file in sorted(path.rglob("*")) if file.is_file()]
    found = [Wish(file, f"{batch}/{file.relative_to(path).as_posix()}") for file in files]
    wanted = [wish for wish in found if not is_hidden(wish.path)]
    if not wanted:
        raise Usage(f"{path} holds no file to upload")
    return wanted


def push(
    client: Any,
    bucket: str,
    project: str,
    path: Path,
    name: str | None = None,
    *,
    only: Sequence[Wish] | None = None,
    reason: str = "",
    progress: Progress = lambda _: None,
) -> list[Upload]:
    """Upload a file, or a folder as one batch, closed by a `_SUCCESS` object; `only` these of its files, at least
    one. `client` is an S3 client; `progress` hears of bytes as they go. Raises Usage."""
    wanted = wishes(path, name) if only is None else only
    sent = [_send(client, bucket, project, wish, reason, progress) for wish in wanted]
    if path.is_dir():
        folder = sent[0].key.removeprefix(names.incoming(project, "")).partition("/")[0]
        client.put_object(Bucket=bucket, Key=names.incoming(project, f"{folder}/{SUCCESS}"), Body=b"")
    return sent


def _send(client: Any, bucket: str, project: str, wish: Wish, reason: str, progress: Progress) -> Upload:
    key = names.incoming(project, wish.path)
    notes = {"Metadata": dict(_notes(reason))}
    with wish.file.open("rb") as body:
        if wish.size <= IN_PARTS:
            answer = client.put_object(Bucket=bucket, Key=key, Body=body, **notes)
            progress(wish.size)
        else:
            client.upload_fileobj(body, bucket, key, ExtraArgs=notes, Config=TRANSFER, Callback=progress)
            answer = client.head_object(Bucket=bucket, Key=key)
    version = str(answer["VersionId"])
    return Upload(project, key, version, upload_id(bucket=bucket, key=key, version_id=version))


def _notes(reason: str) -> Iterator[tuple[str, str]]:
    """What travels with the object: who uploads it, and why. S3 takes ASCII only."""
    yield names.META_AUTHOR, quote(getpass.getuser())
    if reason:
        yield names.META_REASON, quote(reason)
