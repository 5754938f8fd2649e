"""Whether a token opens what a request asks for. A row that is not as it should be opens nothing."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tidemill.serving.routes import Asked
from tidemill.serving.tokens.form import is_secret


def denial(row: Mapping[str, Any] | None, *, secret: str, asked: Asked, at: datetime) -> str | None:
    """Why the request is denied; None if it is not. Clients are not told: a log line and a metric are."""
    if row is None:
        return "unknown"
    ends = [until for stored, until in secrets_of(row) if is_secret(secret, stored)]
    if not ends:
        return "wrong_secret"
    if row.get("revoked"):
        return "revoked"
    if at >= max(ends):
        return "expired"
    if asked.project not in row["projects"]:
        return "other_project"
    return None if asked.action in row["actions"] else "other_action"


def secrets_of(row: Mapping[str, Any]) -> Iterator[tuple[str, datetime]]:
    """The digests of a token's secret and of those before it, each with the time at which it ends."""
    yield row["sha256"], datetime.fromisoformat(row["expires"])
    for older in row["older"]:
        yield older["sha256"], datetime.fromisoformat(older["until"])
