"""The rows of a dataset version as an Arrow table, whatever the formats of its files; each file is verified before
a row of it is given. The client reads so unless it is told otherwise.
"""

import threading
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, cast

import pyarrow as pa

from tidemill import names
from tidemill.data import rows
from tidemill.data.formats.detect import Format
from tidemill.data.formats.open_file import open_file
from tidemill.data.manifests import File
from tidemill.ports import CHUNK, ObjectStore
from tidemill.projects import Kind

if TYPE_CHECKING:
    from tidemill.dataset import Dataset


def read_table(dataset: "Dataset", columns: list[str] | None) -> pa.Table:
    """The columns asked for, or all that the version's own schema knows, in the order of the first file; also
    where its project is not deployed, and after the rules have changed. A column that a file lacks is null there.
    Raises ArtifactCorrupt, ProjectInvalid."""
    kinds = {name: Kind(rule["type"]) for name, rule in dataset.schema.items()}
    files = dataset.files()
    with Verified(dataset) as objects:
        order = _order(objects, files[0], kinds) if columns is None else columns
        wanted = {name: kinds[name] for name in order}
        return rows.table(cast(ObjectStore, objects), files, wanted, lacking=wanted)


class Verified:
    """What the readers of formats need of an ObjectStore: bytes of the dataset's files, one file at a time, which
    is fetched whole and verified at the first question."""

    def __init__(self, dataset: "Dataset") -> None:
        self._dataset = dataset
        self._paths = {names.content(file.sha256): file.path for file in dataset.files()}
        self._key, self._body = "", cast(IO[bytes] | None, None)
        self._lock = threading.Lock()  # readers may ask from a thread of their own

    def __enter__(self) -> "Verified":
        return self

    def __exit__(self, *_: object) -> None:
        if self._body is not None:
            self._body.close()

    def chunks(self, key: str, *, start: int = 0, end: int | None = None, **_: Any) -> Iterator[bytes]:
        """The bytes of an object from `start` up to `end`; contents have one version."""
        while piece := self._read(key, start, CHUNK if end is None else min(CHUNK, end - start)):
            start += len(piece)
            yield piece

    def _read(self, key: str, start: int, size: int) -> bytes:
        with self._lock:
            if self._body is None or key != self._key:
                self.__exit__()
                self._key, self._body = key, self._dataset.open(self._paths[key])
            self._body.seek(start)
            return self._body.read(max(0, size))


def _order(objects: Verified, file: File, kinds: dict[str, Kind]) -> list[str]:
    """The columns as a person knows them: the schema is canonical JSON, in the order of the alphabet."""
    form, key = Format.from_json(file.form) if file.form else None, names.content(file.sha256)
    store = cast(ObjectStore, objects)
    with open_file(store, key, size=file.size, kinds=kinds, rules=frozenset(kinds), form=form) as opened:
        block = next(iter(opened.blocks), None)
    first = [name for name in (block.batch.schema.names if block else ()) if name in kinds]
    return [*first, *(name for name in kinds if name not in first)]
