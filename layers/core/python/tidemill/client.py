"""The Python client: dataset versions for notebooks, scripts and other tools.

    from tidemill import Client

    client = Client("dev")                        # or $TIDEMILL_STAGE; credentials and region are boto3's own
    flights = client.dataset("flights", "train")  # a number, latest, a tag, a time, an identity
    frame = flights.to_pandas(columns=["distance", "delayed"])
    flights.download("data/flights")
    client.tag("flights", "train", flights.version, reason="passed the review")

Bucket and table are found through the SSM parameters that the deployment wrote. The embedded cloud is stage
`local`; its address is `endpoint`, $TIDEMILL_ENDPOINT, $AWS_ENDPOINT_URL or http://127.0.0.1:4566.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from types import EllipsisType
from typing import TYPE_CHECKING, Any

from tidemill import env_names, names
from tidemill.data import references, tags, versions
from tidemill.dataset import Dataset, Read
from tidemill.errors import RecordNotFound
from tidemill.ports import Clock, Index, ObjectStore, Row

if TYPE_CHECKING:
    from tidemill.training.studies.storage import StudyStorage

LOCAL = "local"
LOCAL_ENDPOINT = "http://127.0.0.1:4566"
LOCAL_CREDENTIAL = "test"  # the embedded cloud's root caller; no secret
LOCAL_REGION = "us-east-1"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class _Stage:
    """Opens table and bucket of a stage, in any process."""

    stage: str
    endpoint: str | None

    def __call__(self) -> tuple[Index, ObjectStore]:
        client = Client(self.stage, endpoint=self.endpoint)
        return client.index, client.objects


class Client:
    """The datasets of one deployed Tidemill. Nothing is asked before it is needed."""

    def __init__(
        self,
        stage: str | None = None,
        *,
        endpoint: str | None = None,
        session: Any = None,
        objects: ObjectStore | None = None,
        index: Index | None = None,
        by: str | Callable[[], str] | None = None,
        read: Read | None = None,
        clock: Clock = _now,
    ) -> None:
        """`stage` is what was deployed (default: $TIDEMILL_STAGE, else local), `endpoint` where its AWS is if that
        is not Amazon's, `session` a boto3.Session. `objects` and `index` take the place of the stage's bucket and
        table. `by` is who moves tags (default: the caller's ARN), `read` how a dataset becomes an Arrow table."""
        self.stage = stage or os.environ.get(env_names.ENV_STAGE) or LOCAL
        self._endpoint = endpoint or os.environ.get(env_names.ENV_ENDPOINT) or None
        if self.stage == LOCAL and self._endpoint is None:
            self._endpoint = os.environ.get("AWS_ENDPOINT_URL") or LOCAL_ENDPOINT
        self._session = session
        self._objects, self._index = objects, index
        self._is_given = any(given is not None for given in (session, objects, index))
        self._by, self._read, self._clock = by, read, clock

    def __repr__(self) -> str:
        return f"<tidemill.Client of stage {self.stage!r}>"

    def projects(self) -> list[str]:
        """The names of the deployed projects."""
        root = names.parameter(self.stage, "endpoint/")
        pages = self._client("ssm").get_paginator("get_parameters_by_path").paginate(Path=root)
        return sorted(found["Name"].removeprefix(root) for page in pages for found in page["Parameters"])

    def dataset(self, project: str, version: str | int = references.LATEST) -> Dataset:
        """The dataset version that a reference means (see tidemill.data.references); the project may bring it
        along: `dataset("flights@train")`. Raises RecordNotFound, RequestInvalid."""
        if "@" in project:
            project, version = references.split(project, default=str(version))
        number = references.resolve(str(version), project=project, objects=self.objects, index=self.index)
        return self._dataset(project, versions.row(self.index, project, number))

    def datasets(self, project: str) -> list[Dataset]:
        """All versions of a project's dataset, the newest first."""
        rows = self.index.query(names.pk(project), names.DATASETS, newest_first=True)
        return [self._dataset(project, row) for row in rows]

    def tags(self, project: str) -> dict[str, int]:
        """Tag → the number of the version it points to."""
        return {row["tag"]: int(row["version"]) for row in tags.listing(self.index, project)}

    def tag(
        self,
        project: str,
        tag: str,
        version: str | int,
        *,
        expected: str | int | EllipsisType | None = ...,
        reason: str = "",
    ) -> Row:
        """Point a tag to a version; give the move (`version, previous, epoch, at, by, reason`).

        `expected`: only if it points there now (None: only if there is no such tag). Raises ConflictError if it
        points elsewhere, RecordNotFound, RequestInvalid.
        """
        return self._move(project, tag, self.dataset(project, version).version, expected, reason)

    def untag(
        self, project: str, tag: str, *, expected: str | int | EllipsisType | None = ..., reason: str = ""
    ) -> Row:
        """Remove a tag; its history stays. Raises RecordNotFound if there never was one, ConflictError."""
        if not tags.read(self.index, project, tag)["epoch"]:
            references.resolve(tag, project=project, objects=self.objects, index=self.index)
        return self._move(project, tag, 0, expected, reason)

    def tag_history(self, project: str, tag: str) -> list[Row]:
        """Every move of a tag, the first one first. Raises RecordNotFound if there never was one."""
        moves = tags.history(project, tag, objects=self.objects, index=self.index)
        if not moves:
            references.resolve(tag, project=project, objects=self.objects, index=self.index)
        return moves

    def studies(
        self, project: str, *, heartbeat_seconds: int | None = None, grace_seconds: int | None = None
    ) -> "StudyStorage":
        """The Optuna storage of a project's studies, for `optuna.load_study(storage=…, study_name=…)`. Each run
        has one, under its id; notebooks and workers share them. Needs Optuna. With `heartbeat_seconds`, trials
        that fall silent are marked as failed. In another process (pickled) it opens the stage anew, by the
        credentials that it finds there; one over a session or ports that were given cannot be pickled."""
        from tidemill.training.studies.storage import StudyStorage

        connect = (lambda: (self.index, self.objects)) if self._is_given else _Stage(self.stage, self._endpoint)
        return StudyStorage(connect, project, heartbeat_seconds=heartbeat_seconds, grace_seconds=grace_seconds)

    @cached_property
    def objects(self) -> ObjectStore:
        """The data bucket."""
        if self._objects is not None:
            return self._objects
        from tidemill.adapters.objects import S3Objects

        return S3Objects(self._client("s3"), self._parameter("data-bucket"))

    @cached_property
    def index(self) -> Index:
        """The table."""
        if self._index is not None:
            return self._index
        from tidemill.adapters.index import DynamoIndex

        return DynamoIndex(self._client("dynamodb"), self._parameter("table"))

    def _dataset(self, project: str, row: Row) -> Dataset:
        return Dataset(project=project, row=row, objects=self.objects, read=self._read)

    def _move(
        self, project: str, tag: str, version: int, expected: str | int | EllipsisType | None, reason: str
    ) -> Row:
        if isinstance(expected, str):
            expected = self.dataset(project, expected).version
        by = self._by() if callable(self._by) else self._by or self._caller()
        return tags.move_tag(
            project=project,
            tag=tag,
            version=version,
            expected=expected,
            reason=reason,
            by=by,
            objects=self.objects,
            index=self.index,
            clock=self._clock,
        )

    def _client(self, service: str) -> Any:
        import boto3

        if self._session is None and self.stage == LOCAL:
            # Not the person's own: what is meant for the embedded cloud must not be signed for an account.
            keys = {"aws_access_key_id": LOCAL_CREDENTIAL, "aws_secret_access_key": LOCAL_CREDENTIAL}
            self._session = boto3.Session(**keys, region_name=LOCAL_REGION)
        self._session = self._session or boto3.Session()
        return self._session.client(service, endpoint_url=self._endpoint)

    def _parameter(self, thing: str) -> str:
        from botocore.exceptions import ClientError

        name = names.parameter(self.stage, thing)
        try:
            return str(self._client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "ParameterNotFound":
                raise
            raise RecordNotFound(
                f"stage {self.stage!r} is not deployed where this session looks (no SSM parameter {name}); choose "
                f"another stage, region or profile, or deploy with `tidemill deploy --stage {self.stage}`"
            ) from error

    def _caller(self) -> str:
        if self._objects is not None:
            return "unknown"
        return str(self._client("sts").get_caller_identity()["Arn"])
