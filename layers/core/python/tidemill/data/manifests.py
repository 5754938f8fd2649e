"""The manifest: which file contents make up a dataset version, and the identity that follows from them.

RegisterVersion and AcceptVersion write manifests, everything that reads training data starts from one. A
manifest says nothing of when, by whom or after which version: it is a function of its identity, so whoever
writes it second writes the same bytes.
"""

from collections.abc import Iterable
from typing import Self

from pydantic import BaseModel, ConfigDict

from tidemill import canonical, names
from tidemill.ports import ObjectStore


class File(BaseModel):
    """One file of a dataset version: its path below `incoming/<project>/`, size in bytes, content address, and
    number of rows (a function of the content, therefore not part of the identity)."""

    model_config = ConfigDict(frozen=True)

    path: str
    size: int
    sha256: str
    rows: int


class Manifest(BaseModel):
    """The files of a dataset version, ordered by path."""

    model_config = ConfigDict(frozen=True)

    project: str
    files: tuple[File, ...]

    @classmethod
    def of(cls, project: str, files: Iterable[File]) -> Self:
        """The manifest of `files`; of two files of one path the last one counts, as in a folder."""
        by_path = {file.path: file for file in files}
        return cls(project=project, files=tuple(by_path[path] for path in sorted(by_path)))

    @property
    def identity(self) -> str:
        """SHA-256 of the canonical JSON of the project and of path, size and digest of each file, ordered by
        path."""
        files = sorted((file.model_dump(include={"path", "size", "sha256"}) for file in self.files), key=_path)
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


def write(objects: ObjectStore, manifest: Manifest) -> str:
    """Write the manifest under its identity, once; give the identity."""
    identity = manifest.identity
    body = canonical.dumps({"identity": identity, **manifest.model_dump(mode="json")})
    objects.put_new(names.manifest(manifest.project, identity), body, content_type="application/json")
    return identity


def read(objects: ObjectStore, project: str, identity: str) -> Manifest:
    """The manifest of that identity. Raises RecordNotFound."""
    return Manifest.model_validate_json(objects.get(names.manifest(project, identity)))


def _path(file: dict[str, str]) -> str:
    return file["path"]
