"""The files of an accepted dataset version: the one place that knows where a version keeps its list of files.

Downloads, the client and the commands read it; nothing is written.
"""

from tidemill.data import manifests, versions
from tidemill.data.manifests import File
from tidemill.errors import RecordNotFound
from tidemill.ports import ObjectStore


def files_of(objects: ObjectStore, project: str, version: int) -> tuple[File, ...]:
    """The files of a version, ordered by path. Raises RecordNotFound if S3 has no such version (yet)."""
    try:
        fact = versions.read_fact(objects, project, version)
    except RecordNotFound as error:
        raise RecordNotFound(
            f"S3 does not hold version {version} of {project!r} (yet): it is written right after the version is "
            f"accepted; try again in a moment, or see `tidemill data log {project}`"
        ) from error
    return manifests.read(objects, project, fact["identity"]).files
