"""Batch scoring from the command line: what is to be scored, started or resumed, followed, and fetched.

Called by `tidemill batch`. Files of this machine go up once, below a part of their digest.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli import following, uploading
from cli.deployment import Deployment
from cli.errors import NotFound, Refused, Usage
from cli.following import Pace
from cli.uploading import IN_PARTS, TRANSFER, wishes
from tidemill import names
from tidemill.data.uploads import is_hidden
from tidemill.serving import scoring
from tidemill.serving.scoring import Input, Place

WORD = "serving"
_CHUNK = 8 << 20
_DIGITS = 16


@dataclass(frozen=True)
class Progress:
    """How far a scoring is: its parts (None until they are known), those that are done, their rows and errors."""

    parts: int | None
    done: int
    rows: int
    errors: int
    result: dict[str, Any] | None = None


def inputs(deployment: Deployment, project: str, source: str, uploaded: uploading.Progress) -> list[Input]:
    """The files that `source` means: a file or a folder here, which goes up, or `s3://…` of the data bucket.
    Raises Usage, NotFound."""
    if source.startswith("s3://"):
        return _stored(deployment, project, source)
    return [_up(deployment, project, wish, uploaded) for wish in wishes(Path(source))]


def size_of(source: str) -> int:
    """Bytes that may have to go up. Raises Usage."""
    return 0 if source.startswith("s3://") else sum(wish.size for wish in wishes(Path(source)))


def start(deployment: Deployment, place: Place) -> str:
    """The name of the execution that is at the scoring: the one that runs, or a new one. Whoever else starts one
    at the same moment gets the same."""
    number = 1
    while True:
        name = f"{place.scoring_id}-{number}"
        execution = deployment.execution(WORD, name)
        if execution is not None and execution["status"] == "RUNNING":
            return name
        if execution is None:
            payload = {"project": place.project, "scoring_id": place.scoring_id}
            deployment.workflows.start(WORD, name=name, payload=payload)
            return name
        number += 1


def follow(deployment: Deployment, place: Place, execution: str, pace: Pace) -> Iterator[Progress]:
    """The scoring until it has its result. Raises Refused, with the cause, if it fails."""
    known: dict[int, dict[str, Any]] = {}
    planned: list[int] = []

    def view() -> Progress:
        # The result first: reports are written before it, so an ended scoring is shown with all of them.
        result = scoring.found(deployment.objects, place.result)
        if not planned and (plan := scoring.found(deployment.objects, place.plan)):
            planned.append(len(plan["parts"]))
        for part in place.reported(deployment.objects) if planned else ():
            if part not in known:
                known[part] = scoring.read(deployment.objects, place.report(part))
        rows, errors = (sum(report[what] for report in known.values()) for what in ("rows", "errors"))
        return Progress(planned[0] if planned else None, len(known), rows, errors, result)

    def failed() -> str | None:
        why = deployment.failure(WORD, execution)
        again = f"`tidemill batch {place.project} --run {place.scoring_id}` goes on where it stopped"
        return why and f"{why}; {again}"

    what = f"scoring {place.scoring_id}"
    return following.until(view, lambda seen: seen.result is not None, what, pace, failed=failed)


def request_of(deployment: Deployment, place: Place) -> dict[str, Any]:
    """What was asked for. Raises NotFound."""
    found = scoring.found(deployment.objects, place.request)
    if found is not None:
        return found
    known = sorted({key.split("/")[2] for key in deployment.objects.keys(scoring.scorings(place.project))})
    has = ", ".join(known[:10]) or "none yet; begin one with `tidemill batch PROJECT SOURCE`"
    raise NotFound(f"project {place.project!r} has no scoring {place.scoring_id!r} (it has: {has})")


def download(deployment: Deployment, place: Place, folder: Path, arrived: Callable[[int], None]) -> list[Path]:
    """The output files in that folder; those that are there already, whole, stay. Raises Refused."""
    fetched = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for key in deployment.objects.keys(place.outputs):
            target = folder / Path(key).name
            report = scoring.read(deployment.objects, place.report(int(target.stem.removeprefix("part-"))))
            if not target.exists() or sha256_of(target) != report["sha256"]:
                body = scoring.verified(deployment.objects, key, report["sha256"])
                half = target.with_suffix(".part")
                half.write_bytes(body)
                half.replace(target)
            arrived(report["bytes"])
            fetched.append(target)
        result = scoring.read(deployment.objects, place.result)
        (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    except OSError as error:
        raise Refused(f"{folder} cannot be written: {error.strerror or error}; name another --download") from error
    return fetched


def _stored(deployment: Deployment, project: str, source: str) -> list[Input]:
    bucket, _, path = source.removeprefix("s3://").partition("/")
    allowed = [names.incoming(project, ""), scoring.unscored(project)]
    if bucket != deployment.bucket or not path.startswith(tuple(allowed)):
        places = " or ".join(f"s3://{deployment.bucket}/{prefix}" for prefix in allowed)
        raise Usage(f"{source} is not below {places}; copy the files there (`aws s3 cp`), or name them here")
    stat = None if path.endswith("/") else deployment.objects.head(path)
    if stat is not None:
        return [Input(path.rpartition("/")[2], path, stat.version_id, stat.size)]
    prefix = path.rstrip("/") + "/"
    found = [
        Input(key.removeprefix(prefix), key, stat.version_id, stat.size)
        for key, stat in deployment.objects.stats(prefix)
        if not is_hidden(key)
    ]
    if not found:
        raise NotFound(f"there is no file {source}, and none below it; `aws s3 ls {source}` shows what is there")
    return found


def _up(deployment: Deployment, project: str, wish: uploading.Wish, uploaded: uploading.Progress) -> Input:
    """The file in the bucket; one that lies there already is not sent again."""
    digest = sha256_of(wish.file)
    key = scoring.unscored(project, f"{digest[:_DIGITS]}/{wish.path}")
    stat = deployment.objects.head(key)
    if stat is not None and stat.size == wish.size:
        uploaded(wish.size)
        return Input(wish.path, key, stat.version_id, stat.size, digest)
    client = deployment.client("s3")
    with wish.file.open("rb") as body:
        if wish.size <= IN_PARTS:
            client.put_object(Bucket=deployment.bucket, Key=key, Body=body)
            uploaded(wish.size)
        else:
            client.upload_fileobj(body, deployment.bucket, key, Config=TRANSFER, Callback=uploaded)
    stat = deployment.objects.head(key)
    if stat is None:
        raise Refused(f"{wish.file} went up and is not there; does someone remove s3://{deployment.bucket}/{key}?")
    return Input(wish.path, key, stat.version_id, stat.size, digest)


def sha256_of(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
