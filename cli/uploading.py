"""Upload a file to `incoming/`, and know the upload by the id that the data stage will give it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.errors import Usage
from tidemill import names
from tidemill.data.uploads import upload_id

LARGEST_PUT = 5 * 1024**3  # bytes; S3 takes no more in one request


@dataclass(frozen=True)
class Upload:
    """One object version under `incoming/`."""

    project: str
    key: str
    version_id: str
    upload_id: str


def push(client: Any, bucket: str, project: str, path: Path, name: str | None = None) -> Upload:
    """Upload the file at `path` as `incoming/<project>/<name>`. `client` is an S3 client. Raises Usage."""
    if not path.is_file():
        raise Usage(f"there is no file {path}; name the CSV file to upload")
    if path.stat().st_size > LARGEST_PUT:
        raise Usage(f"{path} is larger than 5 GB; split it, each part is a file of the same dataset")
    key = names.incoming(project, name or path.name)
    with path.open("rb") as body:
        answer = client.put_object(Bucket=bucket, Key=key, Body=body, ContentType="text/csv")
    version = str(answer["VersionId"])
    return Upload(project, key, version, upload_id(bucket=bucket, key=key, version_id=version))
