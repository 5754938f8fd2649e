"""Files of outcomes from the command line: small ones by the API, larger ones by upload, followed to their end.

Called by `tidemill outcomes`. A file goes up once, below a part of its digest; sent again, its
result is told.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cli import following
from cli.deployment import Deployment
from cli.errors import Refused, Usage
from cli.following import Pace
from cli.scoring import sha256_of
from cli.uploading import IN_PARTS, TRANSFER
from tidemill.data.uploads import upload_id
from tidemill.serving import intake, scoring
from tidemill.serving.accept_outcomes import MAX_OUTCOMES
from tidemill.serving.take_outcomes import FORMATS

MOST_BYTES = 900_000
"""Of a body that the API takes, with room for what is around it."""
_DIGITS = 16


def is_large(path: Path) -> bool:
    """Whether a file is more than the API takes at once, or of a kind that it does not take. Raises Usage."""
    try:
        if path.suffix == ".gz" or path.suffix == ".jsonl" or path.stat().st_size > MOST_BYTES:
            return True
        return path.suffix.lower() == ".csv" and path.read_bytes().count(b"\n") > MAX_OUTCOMES
    except OSError as error:
        raise Usage(f"{path} cannot be read: {error.strerror or error}") from error


def uploaded(
    deployment: Deployment, project: str, path: Path, pace: Pace, progress: Callable[[int], None]
) -> dict[str, Any]:
    """What became of a file that went up: `accepted`, `refused`, and `where` the lines are that were refused.
    Raises Usage, and Refused if it could not be read to its end."""
    if not path.name.removesuffix(".gz").endswith(FORMATS):
        raise Usage(
            f"{path} is too large for one request; files to upload are {' or '.join(FORMATS)}, plain or .gz"
        )
    key, version = _up(deployment, project, path, progress)
    identity = upload_id(bucket=deployment.bucket, key=key, version_id=version)
    told = intake.outcome_upload(project, identity)

    def result() -> dict[str, Any] | None:
        return scoring.found(deployment.objects, told)

    what = f"the outcomes in {path.name}"
    views = following.until(result, lambda seen: seen is not None, what, pace)
    found: dict[str, Any] = following.last(views)
    where = f"s3://{deployment.bucket}/{intake.refused_outcomes(project, identity, 1).rpartition('/')[0]}/"
    if found["outcome"] != "taken":
        raise Refused(f"{path}: {found['reason']}; {found['accepted']:,} outcomes before that were accepted")
    return {**found, **({"where": where} if found["refused"] else {})}


def _up(deployment: Deployment, project: str, path: Path, progress: Callable[[int], None]) -> tuple[str, str]:
    """The key and the version of the file in the bucket; one that lies there already is not sent again."""
    key = intake.incoming_outcomes(project, f"{sha256_of(path)[:_DIGITS]}/{path.name}")
    stat = deployment.objects.head(key)
    size = path.stat().st_size
    if stat is None or stat.size != size:
        client = deployment.client("s3")
        with path.open("rb") as body:
            if size <= IN_PARTS:
                client.put_object(Bucket=deployment.bucket, Key=key, Body=body)
            else:
                client.upload_fileobj(body, deployment.bucket, key, Config=TRANSFER, Callback=progress)
        stat = deployment.objects.head(key)
    if stat is None:
        raise Refused(f"{path} went up and is not there; does someone remove s3://{deployment.bucket}/{key}?")
    return key, stat.version_id
