"""One dataset version, as the client hands it out: what is known of it, its files, its rows.

Whatever is read is compared with the digests in the version's manifest, and the manifest with the identity under
which the version was accepted: what comes out is what was accepted.
"""

import difflib
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tidemill import canonical, names
from tidemill.data import versions
from tidemill.data.fetch import Progress
from tidemill.data.manifests import File
from tidemill.data.pull import JOBS, Pulled, pull
from tidemill.errors import ArtifactCorrupt, RecordNotFound, RequestInvalid
from tidemill.ports import ObjectStore, Row

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

IN_MEMORY = 64 << 20
"""Bytes of an opened file that are kept in memory; a larger one goes to a temporary file."""

Read = Callable[["Dataset", list[str] | None], "pa.Table"]


class Dataset:
    """A version of a project's dataset. `rows` and `size` (bytes) are of all its files together; `created` is when
    it was accepted; `reason` and `author` are the uploader's."""

    def __init__(self, *, project: str, row: Row, objects: ObjectStore, read: Read | None = None) -> None:
        self.project = project
        self.version = int(row["version"])
        self.identity = str(row["identity"])
        self.parent = int(row["parent"]) or None
        self.rows = int(row["rows"])
        self.size = int(row["bytes"])
        self.created = datetime.fromisoformat(str(row["at"]))
        self.reason = str(row.get("reason") or "")
        self.author = str(row.get("author") or "")
        self._objects = objects
        self._read = read

    def __repr__(self) -> str:
        return f"<tidemill.Dataset {self.project} v{self.version}: {self.rows:,} rows, {self.identity[:12]}>"

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The version's manifest: files, schema, where it came from. Raises ArtifactCorrupt."""
        key = names.manifest(self.project, self.identity)
        body = self._objects.get(key)
        if canonical.sha256(body) != self.identity:
            raise ArtifactCorrupt(f"manifest {key} was changed after it was accepted; restore its first version")
        manifest: dict[str, Any] = json.loads(body)
        return manifest

    @property
    def schema(self) -> dict[str, Any]:
        """Column → its rule, as the version was held to it."""
        return dict(self.manifest["schema"])

    def files(self) -> tuple[File, ...]:
        """The files, ordered by path."""
        return versions.files_of(self.manifest)

    def open(self, path: str) -> IO[bytes]:
        """The bytes of a file, verified before the first one is given: a seekable binary stream, to be closed.
        Raises RecordNotFound, ArtifactCorrupt."""
        file = next((file for file in self.files() if file.path == path), None)
        if file is None:
            near = difflib.get_close_matches(path, [file.path for file in self.files()], n=1)
            hint = f"did you mean {near[0]!r}?" if near else "`.files()` lists them"
            raise RecordNotFound(f"{self.project} v{self.version} has no file {path!r}; {hint}")
        body = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  (the caller closes it)
        digest = hashlib.sha256()
        for chunk in self._objects.chunks(names.content(file.sha256)):
            digest.update(chunk)
            body.write(chunk)
        if digest.hexdigest() != file.sha256:
            body.close()
            raise ArtifactCorrupt(
                f"file {path!r} of {self.project} v{self.version}: its object {names.content(file.sha256)} is "
                f"damaged; restore the object's earlier version, or upload the file again"
            )
        body.seek(0)
        return body

    def download(
        self, folder: str | Path, *, force: bool = False, jobs: int = JOBS, progress: Progress | None = None
    ) -> Pulled:
        """Make a folder hold this version; see tidemill.data.pull for what is fetched, kept and refused."""
        return pull(
            Path(folder),
            project=self.project,
            version=self.version,
            identity=self.identity,
            files=self.files(),
            objects=self._objects,
            force=force,
            jobs=jobs,
            progress=progress,
        )

    def to_arrow(self, columns: Iterable[str] | None = None) -> "pa.Table":
        """All rows in the order of the files, with the columns of the schema or those asked for. Raises
        RequestInvalid for a column that is not there, ArtifactCorrupt for a file that is not the accepted one."""
        wanted = None if columns is None else list(columns)
        unknown = [name for name in wanted or () if name not in self.schema]
        if unknown:
            had = f"{self.project} v{self.version} has {', '.join(self.schema)}"
            raise RequestInvalid("columns", f"there is no {', '.join(map(repr, unknown))}; {had}")
        if self._read is None:
            from tidemill.dataset_rows import read_table

            self._read = read_table
        return self._read(self, wanted)

    def to_pandas(self, columns: Iterable[str] | None = None) -> "pd.DataFrame":
        """As to_arrow, a data frame."""
        return self.to_arrow(columns).to_pandas()
