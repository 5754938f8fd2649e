"""The model bundle: the zip that becomes the Lambda layer with the model. The same model gives the same bytes."""

import io
import zipfile
from collections.abc import Mapping

from tidemill.serving import layer_files

PACKAGE = f"python/{layer_files.PACKAGE}/"
INIT_BODY = b'"""The model that this function version serves."""\n'
INIT, DOCUMENT, MODEL = (PACKAGE + name for name in ("__init__.py", layer_files.DOCUMENT, layer_files.MODEL))
FILES = {INIT, DOCUMENT, MODEL}
"""All that the bundle of a model version holds."""
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold: when a file was packed is no part of what it is
_MODE = 0o100644


def build(files: Mapping[str, bytes]) -> bytes:
    """A zip of the package `tidemill_model` with these files (name → bytes), as Lambda lays a layer out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in sorted({"__init__.py": INIT_BODY, **files}.items()):
            entry = zipfile.ZipInfo(PACKAGE + name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever it is built
            entry.external_attr = _MODE << 16
            archive.writestr(entry, body)
    return buffer.getvalue()
