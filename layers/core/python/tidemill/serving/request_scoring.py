"""Ask for a scoring: which files, by which model version. Called by the command line; writes `request.json` and
an audit row.

Equal files and an equal model make the same scoring: whoever asks again finds what is done.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tidemill import canonical, names
from tidemill.errors import ModelNotReady, RecordNotFound, RequestInvalid
from tidemill.governance import audit
from tidemill.ports import Clock, Index, ObjectStore, Put
from tidemill.serving import scoring
from tidemill.serving.forms import ONNX, form_of
from tidemill.serving.scoring import Input, Place

RESERVED = (
    "prediction_id",
    "file",
    "line",
    "prediction",
    "probability",
    "probabilities",
    "imputed",
    "model_version",
    "error",
)
"""The columns of the output."""

DIGITS = 20
PATHS = 20
"""Files of which an audit row tells the paths."""


def request_scoring(
    *,
    project: str,
    model: int | None,
    files: Sequence[Input],
    keep: Sequence[str],
    part_bytes: int,
    by: str,
    objects: ObjectStore,
    index: Index,
    clock: Clock,
) -> dict[str, Any]:
    """The request that stands. `model`: the version's number, None for the champion; `keep`: columns of the files
    that the output repeats. Raises ModelNotReady (no champion), RecordNotFound (no such model), RequestInvalid."""
    if not files:
        raise RequestInvalid("files", "there is nothing to score; name a file, or a folder that holds one")
    if taken := sorted(set(keep) & set(RESERVED)):
        raise RequestInvalid(
            "keep", f"{taken} are columns that the output has of its own; rename them in the file"
        )
    number = champion_of(index, project) if model is None else model
    document = scoring.found(objects, names.model(project, number) + "model.json")
    if document is None:
        told = f"project {project!r} has no model version {number}"
        raise RecordNotFound(f"{told}; `tidemill models list {project}` has those that exist")
    if form_of(document) != ONNX:
        raise RequestInvalid(
            "model",
            f"version {number} is served in its training form, for which the scoring functions have no layers;"
            " name another --model, or ask the endpoint",
        )
    ordered = sorted(files, key=lambda file: file.path)
    what = [[file.path, file.sha256 or [file.key, file.version_id]] for file in ordered]
    digest = canonical.identity([project, number, sorted(keep), what])[:DIGITS]
    place = Place(project, f"score-{digest}")
    fact = {
        "project": project,
        "scoring_id": place.scoring_id,
        "model": number,
        "files": [file.as_json() for file in ordered],
        "keep": sorted(set(keep)),
        "part_bytes": part_bytes,
        "by": by,
        "at": clock().isoformat(),
    }
    stands = scoring.keep(objects, place.request, fact)
    index.transact([_entry(stands)])
    return stands


def _entry(request: dict[str, Any]) -> Put:
    """The audit row: the same one whenever the same scoring is asked for again, so that one that was killed before
    it was written makes no difference."""
    files = request["files"]
    return audit.entry(
        project=request["project"],
        action="serving.scoring_requested",
        subject=f"scoring {request['scoring_id']}",
        at=datetime.fromisoformat(request["at"]),
        by=request["by"],
        model=request["model"],
        files=len(files),
        paths=[file["path"] for file in files[:PATHS]],
        bytes=sum(file["size"] for file in files),
        keep=request["keep"],
    )


def champion_of(index: Index, project: str) -> int:
    """The model version that serves. Raises ModelNotReady."""
    pointer = index.get(names.pk(project), names.POINTER_LIVE) or {}
    if not pointer.get("champion"):
        told = f"project {project!r} has no champion yet"
        raise ModelNotReady(f"{told}; upload data (`tidemill data push {project} FILE --wait`), or name a --model")
    return int(pointer["champion"]["model"])
