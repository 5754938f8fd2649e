"""Whether the files of a model are what was registered. A release that finds one that is not ends before any
traffic moves, so that the champion goes on answering; a metric counts it.

RegisterModel looks at a run's artifacts, PublishVersion at what becomes the layer, and at the file to which that
points.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO, Any

from tidemill import canonical, names, stored
from tidemill.errors import ArtifactCorrupt
from tidemill.ports import Clock, ObjectStore
from tidemill.release import bundle
from tidemill.serving import archives, pickles
from tidemill.serving.forms import file_of
from tidemill.serving.metrics import metrics_line

CONTENT = ("project", "task", "classes", "features", "threshold", "types", "serving", "form", "sha256")
"""What of `model.json` makes the model the one that it is."""


def identity(document: Mapping[str, Any]) -> str:
    """The identity of a model, from its `model.json`, whatever else that holds."""
    return canonical.identity({name: document[name] for name in CONTENT if name in document})


def verify(body: bytes, digest: str, what: str) -> None:
    """Raises ArtifactCorrupt unless `body` has that SHA-256, and holds no pickle."""
    _same(canonical.sha256(body), digest, what)
    _refuse(pickles.found(what, body))


def verify_stored(
    objects: ObjectStore, key: str, digest: str, what: str, *, version_id: str | None = None
) -> None:
    """As `verify`, of an object that may be larger than memory."""
    with TemporaryFile() as kept:
        _same(stored.digest(_kept(objects.chunks(key, version_id=version_id), kept)), digest, what)
        kept.seek(0)
        _refuse(pickles.found_in(what, kept))


def verify_document(
    body: bytes, what: str, *, project: str, version: int, identity_registered: str
) -> Mapping[str, Any]:
    """`model.json`. Raises ArtifactCorrupt unless it is that of this model version."""
    document = _document(what, body)
    told = (document.get("project"), document.get("version"), document.get("identity"))
    wanted = (project, version, identity_registered)
    if told != wanted or identity(document) != identity_registered:
        raise ArtifactCorrupt(
            f"{what} holds the model {told}, whose content is {identity(document)}, not the registered {wanted}"
        )
    return document


def verify_bundle(zipped: bytes, *, project: str, version: int, identity_registered: str) -> None:
    """Raises ArtifactCorrupt unless the bundle is that of this model version, whole, and holds nothing else."""
    what = f"bundle.zip of {project} v{version:05d}"
    try:
        files = dict(archives.parts(zipped))
    except archives.UNREADABLE as error:
        raise ArtifactCorrupt(f"{what} cannot be read ({error}); register the run again") from error
    for name, body in files.items():
        _refuse(pickles.found(f"{what}: {name}", body))
    document = verify_document(
        files.get(bundle.DOCUMENT, b""),
        what,
        project=project,
        version=version,
        identity_registered=identity_registered,
    )
    file, wanted = file_of(document), {bundle.INIT, bundle.DOCUMENT, bundle.model_in(document)}
    if files.keys() != wanted or files[bundle.INIT] != bundle.INIT_BODY:
        raise ArtifactCorrupt(f"{what} holds {sorted(files)}, not {sorted(wanted)} as they are packed")
    verify(files[bundle.model_in(document)], document["sha256"][file], f"{what}: {file}")


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


def _same(found: str, digest: str, what: str) -> None:
    if found != digest:
        raise ArtifactCorrupt(f"{what} has SHA-256 {found}, not the recorded {digest}; train again")


def _kept(chunks: Iterator[bytes], file: IO[bytes]) -> Iterator[bytes]:
    """The chunks, each once it is in the file. Nothing is kept of what begins as no pickle does."""
    keep: bool | None = None
    for chunk in filter(None, chunks):
        keep = not pickles.ours(chunk) if keep is None else keep
        if keep:
            file.write(chunk)
        yield chunk


def _refuse(pickle: str | None) -> None:
    if pickle:
        raise ArtifactCorrupt(
            f"{pickle}, which would be run where it is loaded; find out who wrote it, train again"
        )
