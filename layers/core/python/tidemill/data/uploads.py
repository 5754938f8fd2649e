"""An upload: one version of one object under `incoming/`, and how far it has come.

Every use case of the data stage reads or moves the row `UPLOAD#<upload id>` (see `moves`). States: `registered`
on arrival, then one of SETTLED, which never changes again; `failed` when Tidemill itself could not go on, and the
upload may be tried again. A `_SUCCESS` object is a `marker`: it brings nothing, so nothing becomes of it.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from tidemill import canonical, names, projects
from tidemill.data import moves
from tidemill.data.manifests import File
from tidemill.errors import RecordNotFound
from tidemill.ports import Index, ObjectStore, Put, Row

REGISTERED, MARKER, FAILED = "registered", "marker", "failed"
ACCEPTED, UNCHANGED, SUPERSEDED, QUARANTINED = "accepted", "unchanged", "superseded", "quarantined"
SETTLED = frozenset({ACCEPTED, UNCHANGED, SUPERSEDED, QUARANTINED})
SUCCESS = "_SUCCESS"
"""The object that closes a batch, as Hadoop and Spark write it when all the files of a folder are there."""

_KEY = re.compile(re.escape(names.INCOMING) + r"([^/]+)/(.*[^/])", re.DOTALL)
_NAME: TypeAdapter[str] = TypeAdapter(projects.Name)


class Place(NamedTuple):
    """Where an upload belongs: the project, and the file's path within it."""

    project: str
    path: str

    @property
    def folder(self) -> str | None:
        """The first folder of the path, whose files are one batch; None for a file that is one by itself."""
        folder, slash, _ = self.path.partition("/")
        return folder if slash else None

    @property
    def closes(self) -> bool:
        """Whether the object says that the files of its folder are complete."""
        return self.folder is not None and self.path.rpartition("/")[2] == SUCCESS


def place_of(key: str) -> Place | None:
    """The place that a key names; None if it is not `incoming/<project>/<file>`, if it is a folder marker, or if
    no project can have that name."""
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    place = Place(*match.groups())
    try:
        _NAME.validate_python(place.project)
    except ValidationError:
        return None
    return place


def is_hidden(path: str) -> bool:
    """Whether a file is a writer's own note (`_metadata`, `.part-0.crc`), not data: Hadoop's convention, which
    Spark, Hive and Athena follow."""
    return path.rpartition("/")[2].startswith(("_", "."))


def upload_id(*, bucket: str, key: str, version_id: str) -> str:
    """The first 20 hexadecimal digits of SHA-256 of the canonical JSON of [bucket, key, version id]."""
    return canonical.identity([bucket, key, version_id])[:20]


def is_later(sequencer: str, than: str) -> bool:
    """Whether one event of a key is later than another. S3 sequencers are hexadecimal numbers of varying length
    that are compared as text, the shorter one padded on the right with zeros ("Event message structure", Amazon
    S3 user guide)."""
    width = max(len(sequencer), len(than))
    return sequencer.upper().ljust(width, "0") > than.upper().ljust(width, "0")


def read(objects: ObjectStore, index: Index, project: str, identifier: str) -> Row:
    """The row of an upload, the fact of its last move written. Raises RecordNotFound."""
    row = index.get(names.pk(project), names.sk_upload(identifier))
    if row is None:
        raise RecordNotFound(f"project {project!r} has no upload {identifier!r}; RegisterVersion writes it first")
    return moves.keep(objects, row)


def file_of(upload: Row) -> File:
    """The content that an upload brought. Raises RecordNotFound if RegisterVersion has not kept it."""
    if not upload.get("file"):
        raise RecordNotFound(f"upload {upload['upload_id']} has no content that was kept; deliver its event again")
    return File.model_validate(upload["file"])


@dataclass(frozen=True)
class Noted:
    """An upload that is noted as the latest one of its file: what its own row says of that, and the change."""

    mark: Row
    changes: tuple[Put, ...]


NOT_NOTED = Noted({}, ())


def latest(upload: Row, seen: Row | None) -> Noted:
    """Note the upload as the latest one of its file, unless another was noted since `seen`."""
    epoch = (seen["epoch"] if seen else 0) + 1
    row = file_row({**upload, "file_epoch": epoch})
    change = Put(names.pk(upload["project"]), names.sk_file(row["path"]), row, if_epoch=epoch - 1)
    return Noted({"file_epoch": epoch}, (change,))


def file_row(upload: Row) -> Row:
    """The row `FILE#<path>` that a noted upload left."""
    return {
        "path": upload["file"]["path"],
        "sequencer": upload["sequencer"],
        "upload_id": upload["upload_id"],
        "epoch": upload["file_epoch"],
    }
