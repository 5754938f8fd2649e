"""What a training job gets from S3 and gives back: channels, checkpoints, model and output archives.

With the job's role, so that with IAM enforced a missing grant fails here as on AWS
(https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html).
"""

import json
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

Json = dict[str, Any]


class DataFault(Exception):
    """A channel's data is not there, or the job's role may not read it."""


def client(credentials: Mapping[str, str], region: str) -> Any:
    """An S3 client of this cloud that acts with these credentials."""
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}",
        region_name=region,
        aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=credentials["AWS_SESSION_TOKEN"] or None,
        config=Config(retries={"mode": "standard", "max_attempts": 3}, s3={"addressing_style": "path"}),
    )


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def joined(uri: str, path: str) -> str:
    return f"{uri.rstrip('/')}/{path}"


def keys(s3: Any, bucket: str, prefix: str) -> list[str]:
    """The keys below the prefix, in order, without the markers of folders."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    found = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return [key for key in found if not key.endswith("/")]


def files_of(s3: Any, source: Json) -> Iterator[tuple[str, str, str]]:
    """Bucket, key, and path within the channel, of each file of an S3 data source."""
    uri = source["S3Uri"]
    if source["S3DataType"] == "ManifestFile":
        bucket, key = split(uri)
        first, *paths = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        for path in paths:
            yield *split(first["prefix"] + path), path
        return
    bucket, prefix = split(uri)
    for key in keys(s3, bucket, prefix):
        within = prefix.rstrip("/") + "/"
        # A prefix may end within a name: `data/tr` is `data/train.csv` too, by its file name.
        folder = within if key.startswith(within) else prefix[: prefix.rfind("/") + 1]
        yield bucket, key, key.removeprefix(folder)


def download_channel(s3: Any, channel: Json, folder: Path, *, host: int, hosts: int) -> None:
    """Fill a channel's folder for the host of that number. Raises DataFault."""
    source = channel["DataSource"]["S3DataSource"]
    name, uri = channel["ChannelName"], source["S3Uri"]
    try:
        files = list(files_of(s3, source))
        if source.get("S3DataDistributionType") == "ShardedByS3Key":
            files = files[host::hosts]
        if not files:
            raise DataFault(f'No S3 objects found under S3 URL "{uri}" given in input data source')
        for bucket, key, path in files:
            download(s3, bucket, key, folder / path)
    except (s3.exceptions.ClientError, ValueError, KeyError) as error:
        raise DataFault(f"channel {name!r} from {uri}: {error}") from error


def download(s3: Any, bucket: str, key: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    s3.download_file(bucket, key, str(path))


class Checkpoints:
    """Keeps a folder of checkpoints in S3: what is there at the start comes into it, what changes goes up."""

    def __init__(self, s3: Any, uri: str, folder: Path) -> None:
        self._s3 = s3
        self._uri = uri
        self._folder = folder
        self._sent: dict[Path, tuple[int, int]] = {}

    def fetch(self) -> None:
        """Take what an earlier attempt, or an earlier job, has left."""
        bucket, prefix = split(self._uri.rstrip("/") + "/")
        for key in keys(self._s3, bucket, prefix):
            path = self._folder / key.removeprefix(prefix)
            download(self._s3, bucket, key, path)
            self._sent[path] = look_of(path)

    def send(self) -> None:
        """Put up the files that are new or have changed."""
        for path in sorted(path for path in self._folder.rglob("*") if path.is_file()):
            look = look_of(path)
            if self._sent.get(path) != look:
                bucket, key = split(joined(self._uri, path.relative_to(self._folder).as_posix()))
                self._s3.upload_file(str(path), bucket, key)
                self._sent[path] = look


def look_of(path: Path) -> tuple[int, int]:
    """What changes when a file is written."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def upload_archive(s3: Any, folders: Sequence[Path], uri: str) -> bool:
    """Put the files of these folders, a later one's over an earlier one's, into one `.tar.gz`. False where there
    are none."""
    files = {path.relative_to(folder): path for folder in folders for path in sorted(folder.rglob("*"))}
    files = {name: path for name, path in files.items() if path.is_file()}
    if not files:
        return False
    with tempfile.TemporaryDirectory() as work:
        packed = Path(work, "archive.tar.gz")
        with tarfile.open(packed, "w:gz") as archive:
            for name, path in files.items():
                archive.add(path, arcname=name.as_posix())
        bucket, key = split(uri)
        s3.upload_file(str(packed), bucket, key)
    return True
