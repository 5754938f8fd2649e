"""The data bucket on S3."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from tidemill.errors import ConflictError, RecordNotFound

_MISSING = {"NoSuchKey", "NoSuchVersion", "404", "NotFound", "MethodNotAllowed"}
_EXISTS = {"PreconditionFailed", "412"}


class S3Objects:
    """An ObjectStore on one bucket. Facts are written with `If-None-Match: *`."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    def get(self, key: str, *, version_id: str | None = None) -> bytes:
        version = {"VersionId": version_id} if version_id else {}
        try:
            answer = self._client.get_object(Bucket=self.bucket, Key=key, **version)
        except ClientError as error:
            raise _translated(error, key, version_id) from error
        body: bytes = answer["Body"].read()
        return body

    def exists(self, key: str) -> bool:
        try:
            self._client.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if _code(error) in _MISSING:
                return False
            raise
        return True

    def put_new(self, key: str, body: bytes, *, content_type: str = "application/octet-stream") -> bool:
        try:
            self._client.put_object(
                Bucket=self.bucket, Key=key, Body=body, ContentType=content_type, IfNoneMatch="*"
            )
        except ClientError as error:
            if _code(error) in _EXISTS:
                return False
            raise _translated(error, key, None) from error
        return True

    def put(self, key: str, body: bytes, *, content_type: str = "application/octet-stream") -> None:
        self._client.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type)

    def copy_new(self, source: str, target: str, *, version_id: str | None = None) -> bool:
        if self.exists(target):
            return False
        origin = {"Bucket": self.bucket, "Key": source} | ({"VersionId": version_id} if version_id else {})
        try:
            # Two writers of one content address write the same bytes, so a lost race changes nothing. Tags are
            # left behind: they are the uploader's, and copying them takes two more permissions.
            self._client.copy_object(Bucket=self.bucket, Key=target, CopySource=origin, TaggingDirective="REPLACE")
        except ClientError as error:
            raise _translated(error, source, version_id) from error
        return True

    def keys(self, prefix: str, *, after: str = "") -> Iterator[str]:
        start = {"StartAfter": after} if after else {}
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix, **start)
        for page in pages:
            for item in page.get("Contents", ()):
                yield item["Key"]


def _code(error: Any) -> str:
    return str(error.response["Error"]["Code"])


def _translated(error: Exception, key: str, version_id: str | None) -> Exception:
    if _code(error) in _MISSING:
        return RecordNotFound(f"object {key!r} (version {version_id or 'current'}) does not exist")
    if _code(error) == "ConditionalRequestConflict":
        return ConflictError(f"object {key!r} is being written by someone else; try again")
    return error
