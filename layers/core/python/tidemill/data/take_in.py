"""Take an upload in: read it once, refuse what is no table, and keep its content.

Called by RegisterVersion. Writes the content to `objects/sha256/…`.
"""

from tidemill import canonical, names
from tidemill.data import read
from tidemill.data.manifests import File
from tidemill.errors import RecordNotFound, UploadGone, UploadRejected
from tidemill.ports import ObjectStore, Row
from tidemill.projects import Project


def take_in(upload: Row, path: str, project: Project, objects: ObjectStore) -> File:
    """The content of the upload, as a file of a dataset version. Raises UploadRejected, UploadGone."""
    key, version_id = upload["key"], upload["version_id"]
    if upload.get("size", 0) > read.MAX_BYTES:
        remedy = "split the file by rows, with the header in each part"
        raise UploadRejected("too_large", f"{upload['size']} bytes are more than {read.MAX_BYTES}; {remedy}")
    try:
        body = objects.get(key, version_id=version_id)
        rows, digest = read.count_rows(body), canonical.sha256(body)
        objects.copy_new(key, names.content(digest), version_id=version_id)
    except RecordNotFound as error:
        raise UploadGone(
            f"{key!r} (version {version_id}) was deleted before it was read; upload it again"
        ) from error
    origin = {"upload_id": upload["upload_id"], "sequencer": upload["sequencer"]}
    return File(path=path, size=len(body), sha256=digest, rows=rows, **origin)
