"""A range of an object's version is that range.

MiniStack serves `Range` for the current object only: with a version id it sends all of it, as status 200
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html). A reader of parts would count each part as
the whole file.
"""

from collections.abc import Callable
from typing import Any

from ministack.services import s3

Answer = tuple[int, dict[str, str], Any]


def cut(answer: Answer, header: str, bucket: str, key: str) -> Answer:
    """The range of a whole object that the header asks for. Digests of the whole are left out: the SDK would hold
    them against the range."""
    status, headers, body = answer
    if status != 200:
        return answer
    found = s3._parse_range(header, len(body))
    if found is None:
        told = {"Content-Type": "application/xml", "Content-Range": f"bytes */{len(body)}"}
        return 416, told, s3._xml_body(s3._range_error_xml(bucket, key))
    start, end = found
    kept = {name: value for name, value in headers.items() if not name.lower().startswith("x-amz-checksum-")}
    place = {"Content-Length": str(end + 1 - start), "Content-Range": f"bytes {start}-{end}/{len(body)}"}
    return 206, kept | place, body[start : end + 1]


def install() -> None:
    get: Callable[..., Answer] = s3._get_object

    def get_range(bucket: str, key: str, headers: dict[str, str], query: dict[str, Any] | None = None) -> Answer:
        answer = get(bucket, key, headers, query)
        header = headers.get("range", "")
        return cut(answer, header, bucket, key) if header and "versionId" in (query or {}) else answer

    s3._get_object = get_range
