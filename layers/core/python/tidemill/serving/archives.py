"""The files in a zip archive, and what reading one that is not sound raises."""

import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""Cut off, changed, encrypted, or compressed otherwise than ours."""


def parts(archived: bytes | IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each file, whose checksums are looked at. Raises one of UNREADABLE."""
    with zipfile.ZipFile(io.BytesIO(archived) if isinstance(archived, bytes) else archived) as archive:
        for part in archive.infolist():
            yield part.filename, archive.read(part)
