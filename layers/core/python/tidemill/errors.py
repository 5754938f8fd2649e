"""Every error Tidemill raises on purpose.

One root; one class per case that a caller or a state machine's `Catch` tells apart. The class name is the
`ErrorEquals` of the state machine and the `error` field of the API. Each message gives the problem, the value
and the remedy.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any


class TidemillError(Exception):
    """Root of all errors raised on purpose. `status` is the HTTP status the API answers with."""

    status = 500


class ProjectUnknown(TidemillError):
    """No project file of that name was deployed."""

    status = 404


class ProjectInvalid(TidemillError):
    """A project file does not follow the schema."""

    status = 400


class RecordNotFound(TidemillError):
    """An object or row that the caller named does not exist."""

    status = 404


class ObjectKept(TidemillError):
    """The store does not let an object go: a lock or a missing permission keeps it. `until`: how long a lock does,
    None if that is not known."""

    status = 403

    def __init__(self, key: str, until: datetime | None, why: str) -> None:
        told = f"a lock keeps it until {until.isoformat()}; remove it then" if until else f"{why}; ask who owns it"
        super().__init__(f"object {key!r} was not removed: {told}")
        self.key = key
        self.until = until


class UploadGone(TidemillError):
    """The uploaded object version was deleted before it could be read; there is nothing to register."""

    status = 410


class UploadRejected(TidemillError):
    """The upload cannot become a dataset version. `code` is stable and machine-readable; `report` the key of the
    document that says more, if one was written."""

    status = 422

    def __init__(self, code: str, reason: str, report: str | None = None) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.report = report


class RequestInvalid(TidemillError):
    """A request's body does not follow the contract. `field` names the place, `reason` says what is wrong: of the
    first fault, if there are several. `faults` tells each for programs (`tidemill.serving.faults`), and `more`
    whether there are others."""

    status = 422

    def __init__(
        self, field: str, reason: str, faults: Sequence[Mapping[str, Any]] = (), *, more: bool = False
    ) -> None:
        number = f"{len(faults)} or more" if more else len(faults)
        super().__init__(f"{field}: {reason}" + (f" (the first of {number} faults)" if len(faults) > 1 else ""))
        self.field = field
        self.reason = reason
        self.faults = tuple(faults)
        self.more = more


class PayloadTooLarge(TidemillError):
    """A request is larger than the endpoint takes."""

    status = 413


class TooManyRequests(TidemillError):
    """A client sends more than its token lets it. `seconds`: how long until it may send again."""

    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"this token has no requests left for the moment; send again in {seconds} s, "
            "or ask for a token with a higher --requests-per-minute"
        )
        self.seconds = seconds


class TokenInvalid(TidemillError):
    """An API token cannot be made so, or not any more be changed."""

    status = 400


class ScoringIncomplete(TidemillError):
    """What was scored is not what was to be scored: rows in and rows out differ, or a part is missing."""


class ModelNotReady(TidemillError):
    """The endpoint has no model yet: nothing was released."""

    status = 503


class NotAllowed(TidemillError):
    """Who asks may not do this, whatever they may do otherwise."""

    status = 403


class ConflictError(TidemillError):
    """A conditional write lost: someone else changed the same fact first. Read again, then decide again."""

    status = 409


class TooLate(ConflictError):
    """A decision came after the deadline until which it was waited for."""


class StaleEpoch(ConflictError):
    """The actor holds an older epoch of a pointer than the one that is stored: it must not act any more."""


class IndexBehind(TidemillError):
    """The table lacks a fact that S3 holds (the table was lost or restored): rebuild it before going on."""


class StoreBusy(TidemillError):
    """The table takes no more for a moment; the same again a little later succeeds."""

    status = 503


class RowTooLarge(TidemillError):
    """A row would outgrow what the table takes (DynamoDB: 400 KB)."""


class ModelUnreachable(TidemillError):
    """The file of a model that is not in its layer cannot be had. Asked again, the endpoint tries again."""

    status = 503


class ModelTooLarge(TidemillError):
    """A model does not fit where its project's endpoint keeps models."""

    status = 422


class ArmsUnfit(TidemillError):
    """The models of a release that assigns entities do not go into one function version."""

    status = 422


class ArtifactCorrupt(TidemillError):
    """A model file's digest is not the registered one, or the file cannot be read as what it says it is."""

    status = 503


class RunFailed(TidemillError):
    """A training run cannot go on (no trial finished, too few rows, one class only)."""


class OptionRefused(TidemillError):
    """A run option that this deployment stage does not permit (rehearsal options in `prod`)."""

    status = 403


class MachineLost(TidemillError):
    """A machine that others fit a model with did not come, or is gone."""


class LibraryMissing(TidemillError):
    """A library that an algorithm needs cannot be loaded where it is to be fitted."""


class ComputeUnavailable(TidemillError):
    """A run is to compute where this deployment stage cannot (SageMaker without an image for its jobs)."""
