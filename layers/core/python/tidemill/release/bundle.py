"""The model bundle: the zip that becomes the Lambda layer with the model, or with a pointer to it. The same model
gives the same bytes."""

import io
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

from tidemill.serving import layer_files
from tidemill.serving.forms import file_of

PACKAGE = f"python/{layer_files.PACKAGE}/"
LIMIT = 262_144_000
"""Bytes of a function and its layers, unzipped, at most (AWS, "Lambda quotas")."""
INIT_BODY = b'"""The model that this function version serves."""\n'
INIT, DOCUMENT = (PACKAGE + name for name in ("__init__.py", layer_files.DOCUMENT))
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold: when a file was packed is no part of what it is
_MODE = 0o100644


def model_in(document: Mapping[str, Any]) -> str:
    """Where the bundle of that `model.json` holds the model's file."""
    return PACKAGE + file_of(document)


def unzipped(sizes: Iterable[int]) -> int:
    """Bytes of the layer of a bundle whose files have these sizes."""
    return len(INIT_BODY) + sum(sizes)


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
