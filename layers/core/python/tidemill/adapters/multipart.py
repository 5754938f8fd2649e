"""Writing to S3 in parts: streams whose length nobody knows, and copies of what is too large for one call.

Called by `objects`. An upload that does not end well is aborted, so that nothing of it is left or billed.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from tidemill.ports import CHUNK

COPY_PART = 1 << 30


def put(client: Any, bucket: str, key: str, chunks: Iterable[bytes], *, content_type: str) -> None:
    """Write the stream. One that fits into a part takes one call; of a longer one, a part is held at a time."""
    parts = gathered(chunks)
    first = next(parts, b"")
    second = next(parts, None)
    if second is None:
        client.put_object(Bucket=bucket, Key=key, Body=first, ContentType=content_type)
        return
    with _Upload(client, bucket, key, content_type) as upload:
        upload.add(first)
        upload.add(second)
        for part in parts:
            upload.add(part)


def copy(client: Any, bucket: str, key: str, origin: dict[str, str], size: int) -> None:
    """Copy an object of `size` bytes on the server, COPY_PART bytes at a time."""
    with _Upload(client, bucket, key, "application/octet-stream") as upload:
        for start in range(0, size, COPY_PART):
            upload.copy(origin, start, min(start + COPY_PART, size))


def gathered(chunks: Iterable[bytes], *, least: int = CHUNK) -> Iterator[bytes]:
    """The same bytes in pieces of at least `least` (but the last): S3 takes no part below 5 MiB."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= least:
            yield b"".join(held)
            held, size = [], 0
    if size:
        yield b"".join(held)


class _Upload:
    """An upload in parts: completed when the block ends well, else aborted."""

    def __init__(self, client: Any, bucket: str, key: str, content_type: str) -> None:
        self._client = client
        started = client.create_multipart_upload(Bucket=bucket, Key=key, ContentType=content_type)
        self._address = {"Bucket": bucket, "Key": key, "UploadId": started["UploadId"]}
        self._parts: list[dict[str, Any]] = []

    def add(self, body: bytes) -> None:
        number = len(self._parts) + 1
        answer = self._client.upload_part(**self._address, PartNumber=number, Body=body)
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})

    def copy(self, origin: dict[str, str], start: int, end: int) -> None:
        number = len(self._parts) + 1
        answer = self._client.upload_part_copy(
            **self._address, PartNumber=number, CopySource=origin, CopySourceRange=f"bytes={start}-{end - 1}"
        )
        self._parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})

    def __enter__(self) -> "_Upload":
        return self

    def __exit__(self, fault: type[BaseException] | None, *_: object) -> None:
        if fault is None:
            self._client.complete_multipart_upload(**self._address, MultipartUpload={"Parts": self._parts})
        else:
            self._client.abort_multipart_upload(**self._address)
