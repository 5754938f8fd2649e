"""The data bucket on S3."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from tidemill.adapters import multipart
from tidemill.errors import ConflictError, ObjectKept, RecordNotFound
from tidemill.ports import CHUNK, Stat

_MISSING = {"NoSuchKey", "NoSuchVersion", "404", "NotFound", "MethodNotAllowed", "405"}
_KEPT = {"AccessDenied", "AccessForbidden", "403", "ObjectLocked", "InvalidRequest"}
_EXISTS = {"PreconditionFailed", "412"}
COPIED_AT_ONCE = 5 << 30
"""Bytes that one CopyObject copies at most ("Copying objects", Amazon S3 user guide)."""


class S3Objects:
    """An ObjectStore on one bucket. Facts are written with `If-None-Match: *`."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    def get(self, key: str, *, version_id: str | None = None) -> bytes:
        try:
            answer = self._client.get_object(Bucket=self.bucket, Key=key, **_version(version_id))
        except ClientError as error:
            raise _translated(error, key, version_id) from error
        body: bytes = answer["Body"].read()
        return body

    def exists(self, key: str) -> bool:
        return self.head(key) is not None

    def head(self, key: str, *, version_id: str | None = None) -> Stat | None:
        try:
            answer = self._client.head_object(Bucket=self.bucket, Key=key, **_version(version_id))
        except ClientError as error:
            if _code(error) in _MISSING:
                return None
            raise
        noted = answer.get("Metadata", {})
        return Stat(answer["ContentLength"], answer.get("VersionId", "null"), answer["LastModified"], noted)

    def chunks(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> Iterator[bytes]:
        if end is not None and end <= start:
            return
        part = {"Range": f"bytes={start}-{'' if end is None else end - 1}"} if start or end is not None else {}
        try:
            answer = self._client.get_object(Bucket=self.bucket, Key=key, **_version(version_id), **part)
        except ClientError as error:
            if _code(error) == "InvalidRange":  # it ends before `start`
                return
            raise _translated(error, key, version_id) from error
        yield from answer["Body"].iter_chunks(CHUNK)

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

    def put_chunks(
        self, key: str, chunks: Iterable[bytes], *, content_type: str = "application/octet-stream"
    ) -> None:
        multipart.put(self._client, self.bucket, key, chunks, content_type=content_type)

    def copy_new(self, source: str, target: str, *, version_id: str | None = None) -> bool:
        if self.exists(target):
            return False
        found = self.head(source, version_id=version_id)
        if found is None:
            raise _gone(source, version_id)
        origin = {"Bucket": self.bucket, "Key": source, **_version(version_id)}
        try:
            # Two writers of one content address write the same bytes, so a lost race changes nothing. Tags are
            # left behind: they are the uploader's, and copying them takes two more permissions.
            if found.size > COPIED_AT_ONCE:
                multipart.copy(self._client, self.bucket, target, origin, found.size)
            else:
                self._client.copy_object(
                    Bucket=self.bucket, Key=target, CopySource=origin, TaggingDirective="REPLACE"
                )
        except ClientError as error:
            raise _translated(error, source, version_id) from error
        return True

    def keys(self, prefix: str, *, after: str = "") -> Iterator[str]:
        start = {"StartAfter": after} if after else {}
        return (item["Key"] for item in self._listed("list_objects_v2", "Contents", Prefix=prefix, **start))

    def stats(self, prefix: str) -> Iterator[tuple[str, Stat]]:
        for item in self._listed("list_object_versions", "Versions", Prefix=prefix):
            if item["IsLatest"]:
                yield item["Key"], Stat(item["Size"], item["VersionId"], item["LastModified"])

    def delete(self, key: str, *, version_id: str | None = None) -> None:
        for version in [version_id] if version_id else self._versions(key):
            self._delete(key, version)

    def prune(self, key: str) -> None:
        current = self.head(key)
        for version in self._versions(key):
            if current is None or version != current.version_id:
                self._delete(key, version)

    def _delete(self, key: str, version_id: str) -> None:
        try:
            self._client.delete_object(Bucket=self.bucket, Key=key, VersionId=version_id)
        except ClientError as error:
            if _code(error) not in _KEPT:
                raise
            raise ObjectKept(key, self._locked_until(key, version_id), str(error)) from error

    def _locked_until(self, key: str, version_id: str) -> datetime | None:
        """When the lock of an object version ends, if it has one that this principal may see."""
        try:
            found = self._client.head_object(Bucket=self.bucket, Key=key, VersionId=version_id)
        except ClientError:
            return None
        until: datetime | None = found.get("ObjectLockRetainUntilDate")
        return until

    def _versions(self, key: str) -> list[str]:
        """The ids of all versions and delete markers of a key."""
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=key)
        items = [item for page in pages for part in ("Versions", "DeleteMarkers") for item in page.get(part, ())]
        return [item["VersionId"] for item in items if item["Key"] == key]

    def _listed(self, operation: str, part: str, **request: Any) -> Iterator[dict[str, Any]]:
        for page in self._client.get_paginator(operation).paginate(Bucket=self.bucket, **request):
            yield from page.get(part, ())


def _version(version_id: str | None) -> dict[str, str]:
    return {"VersionId": version_id} if version_id else {}


def _code(error: Any) -> str:
    return str(error.response["Error"]["Code"])


def _gone(key: str, version_id: str | None) -> RecordNotFound:
    return RecordNotFound(f"object {key!r} (version {version_id or 'current'}) does not exist")


def _translated(error: Exception, key: str, version_id: str | None) -> Exception:
    if _code(error) in _MISSING:
        return _gone(key, version_id)
    if _code(error) == "ConditionalRequestConflict":
        return ConflictError(f"object {key!r} is being written by someone else; try again")
    return error
