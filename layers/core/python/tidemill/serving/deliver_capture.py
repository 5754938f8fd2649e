"""From log events back to captured predictions. Called by the subscription of the endpoints' logs.

Writes `captured/<project>/dt=<day of the request>/<digest>.jsonl.gz`. The digest is that of the lines, so that
a payload delivered twice writes nothing new. Lines that are not as the contract says are kept as they came, in
`quarantine/<project>/capture/<digest>.txt`.
"""

import gzip
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from tidemill import canonical, names
from tidemill.ports import ObjectStore
from tidemill.projects import Name
from tidemill.serving import intake

Probability = Annotated[FiniteFloat, Field(ge=0, le=1)]


class Instance(BaseModel):
    """One prediction of a line: a number, or the name of a class with the probabilities of all."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    prediction_id: str
    features: Mapping[str, FiniteFloat | str | None]
    prediction: FiniteFloat | str
    probability: Probability | None = None
    probabilities: Mapping[str, Probability] | None = None

    @model_validator(mode="after")
    def _names_have_probabilities(self) -> "Instance":
        if isinstance(self.prediction, str) != (self.probabilities is not None):
            raise ValueError("a class needs the probabilities of all, and a number has none")
        if self.probabilities is not None and self.prediction not in self.probabilities:
            raise ValueError("the class has no probability")
        return self


class CaptureLine(BaseModel):
    """A capture line, as the inference function writes it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    kind: Literal["TIDEMILL_CAPTURE"]
    project: Name
    at: AwareDatetime
    request_id: str
    variant: str
    model_version: int
    entity_id: str | None
    share: Annotated[FiniteFloat, Field(gt=0, lt=1)] | None = None
    masked: Sequence[str] = ()
    instances: Annotated[Sequence[Instance], Field(min_length=1)]


def deliver_capture(
    messages: Sequence[str], *, objects: ObjectStore, source: str = intake.NO_PROJECT
) -> dict[str, int]:
    """Store the capture lines among these log messages: how many were `delivered`, how many `corrupt`. `source` is
    the project whose endpoint wrote them: what a corrupt line says of it is not to be trusted.

    Messages without the capture term are other log lines, and no concern of this function.
    """
    captured = [line for message in messages for line in message.splitlines() if names.CAPTURE_TERM in line]
    folders: defaultdict[str, list[str]] = defaultdict(list)
    corrupt: list[str] = []
    for text in captured:
        line = _parsed(text)
        if line is None:
            corrupt.append(text)
        else:
            folders[names.captured(line.project, _day(line.at))].append(text)
    for folder, lines in folders.items():
        content = "".join(line + "\n" for line in lines).encode()
        # Without a time in its header, gzip gives the same bytes for the same lines.
        body = gzip.compress(content, mtime=0)
        objects.put_new(f"{folder}{canonical.sha256(content)}.jsonl.gz", body, content_type="application/gzip")
    if corrupt:
        body = "".join(line + "\n" for line in corrupt).encode(errors="surrogatepass")
        key = f"{intake.quarantined_capture(source)}{canonical.sha256(body)}.txt"
        objects.put_new(key, body, content_type="text/plain; charset=utf-8")
    return {"delivered": len(captured) - len(corrupt), "corrupt": len(corrupt)}


def messages(event: Mapping[str, Any]) -> list[str]:
    """The log messages in a decoded event of a CloudWatch Logs subscription; none in a control message."""
    if event.get("messageType") != "DATA_MESSAGE":
        return []
    return [item["message"] for item in event["logEvents"]]


def _parsed(text: str) -> CaptureLine | None:
    try:
        return CaptureLine.model_validate_json(text)
    except ValidationError:
        return None


def _day(at: datetime) -> str:
    return at.astimezone(UTC).date().isoformat()
