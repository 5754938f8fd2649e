"""Whether the files of a model are what was registered. A release that finds one that is not ends before any
traffic moves, so that the champion goes on answering; a metric counts it.

RegisterModel looks at a run's artifacts, PublishVersion at the bundle that becomes the layer.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tidemill import canonical, names
from tidemill.errors import ArtifactCorrupt
from tidemill.ports import Clock
from tidemill.release import bundle
from tidemill.serving import archives, pickles
from tidemill.serving.metrics import metrics_line

CONTENT = ("project", "task", "classes", "features", "threshold", "types", "serving", "sha256")
"""What of `model.json` makes the model the one that it is."""


def identity(document: Mapping[str, Any]) -> str:
    """The identity of a model, from its `model.json`, whatever else that holds."""
    return canonical.identity({name: document[name] for name in CONTENT if name in document})


def verify(body: bytes, digest: str, what: str) -> None:
    """Raises ArtifactCorrupt unless `body` has that SHA-256, and holds no pickle."""
    found = canonical.sha256(body)
    if found != digest:
        raise ArtifactCorrupt(f"{what} has SHA-256 {found}, not the recorded {digest}; train again")
    _no_pickle(what, body)


def verify_bundle(zipped: bytes, *, project: str, version: int, identity_registered: str) -> None:
    """Raises ArtifactCorrupt unless the bundle is that of this model version, whole, and holds nothing else."""
    what = f"bundle.zip of {project} v{version:05d}"
    try:
        files = dict(archives.parts(zipped))
    except archives.UNREADABLE as error:
        raise ArtifactCorrupt(f"{what} cannot be read ({error}); register the run again") from error
    for name, body in files.items():
        _no_pickle(f"{what}: {name}", body)
    if files.keys() != bundle.FILES or files[bundle.INIT] != bundle.INIT_BODY:
        raise ArtifactCorrupt(f"{what} holds {sorted(files)}, not {sorted(bundle.FILES)} as they are packed")
    document = _document(what, files[bundle.DOCUMENT])
    told = (document.get("project"), document.get("version"), document.get("identity"))
    wanted = (project, version, identity_registered)
    if told != wanted or identity(document) != identity_registered:
        raise ArtifactCorrupt(
            f"{what} holds the model {told}, whose content is {identity(document)}, not the registered {wanted}"
        )
    verify(files[bundle.MODEL], document["sha256"]["model.onnx"], f"{what}: model.onnx")


@contextmanager
def counted(project: str, *, stage: str, clock: Clock, write: Callable[[str], object]) -> Iterator[None]:
    """Counts an ArtifactCorrupt that comes out of the block, with the same dimensions as the endpoint does."""
    try:
        yield
    except ArtifactCorrupt:
        write(metrics_line(project, {names.METRIC_ARTIFACTS_REFUSED: 1}, clock(), stage=stage))
        raise


def _document(what: str, body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise ArtifactCorrupt(f"{what}: model.json cannot be read ({error})") from error
    if not isinstance(document, dict):
        raise ArtifactCorrupt(f"{what}: model.json is no object")
    return document


def _no_pickle(what: str, body: bytes) -> None:
    if pickle := pickles.found(what, body):
        raise ArtifactCorrupt(
            f"{pickle}, which would be run where it is loaded; find out who wrote it, train again"
        )
