"""Which file contents make up a dataset version, and the digest that follows from them.

Everything that reads training data starts from the files of a version. Two versions with equal files have equal
`content`, whenever, by whomever and after whatever they were made; it decides whether an upload is news.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from tidemill import canonical


class File(BaseModel):
    """One file of a dataset version.

    `path` below `incoming/<project>/`, `size` in bytes, content address, number of rows. The rest says where it
    came from: the upload and its place in the order of uploads of this path (S3's sequencer), `form` (how its
    bytes are to be read; see `tidemill.data.formats`), how many rows of the upload were left out, and whether
    personal data was masked in the others."""

    model_config = ConfigDict(frozen=True)

    path: str
    size: int
    sha256: str
    rows: int
    form: Mapping[str, Any] | None = None
    upload_id: str = ""
    sequencer: str = ""
    rows_left_out: int = 0
    masked: bool = False


class Manifest(BaseModel):
    """The files of a dataset version, ordered by path."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    project: str
    files: tuple[File, ...]

    @classmethod
    def of(cls, project: str, files: Iterable[File]) -> Self:
        """The manifest of `files`; of two files of one path the last one counts, as in a folder."""
        by_path = {file.path: file for file in files}
        return cls(project=project, files=tuple(by_path[path] for path in sorted(by_path)))

    @cached_property
    def content(self) -> str:
        """SHA-256 of the canonical JSON of the project and of path, size and digest of each file, ordered by
        path."""
        files = [{"path": file.path, "size": file.size, "sha256": file.sha256} for file in self.files]
        return canonical.identity({"project": self.project, "files": files})

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def contents(self) -> set[str]:
        """The digests of the files."""
        return {file.sha256 for file in self.files}
