"""An object of the bucket as a file that can be read at any place, as Parquet's readers need it."""

import io
from collections import OrderedDict

from tidemill.errors import RecordNotFound
from tidemill.ports import ObjectStore

READ_AHEAD = 1 << 20
"""Bytes that a short read fetches, so that the next ones are there already."""

CACHED = 32
"""Stretches of READ_AHEAD that are kept, those that were read last."""


class ObjectFile(io.RawIOBase):
    """One version of an object, for reading. Long reads fetch what they ask for; short ones READ_AHEAD, of which
    the last CACHED are kept. An error of the store passes through, and stays in `failure`: libraries that wrap it
    leave the caller to tell it from a fault of the file."""

    def __init__(
        self, objects: ObjectStore, key: str, *, version_id: str | None = None, size: int | None = None
    ) -> None:
        """Raises RecordNotFound if `size` is not given and there is no such object."""
        super().__init__()
        if size is None:
            stat = objects.head(key, version_id=version_id)
            if stat is None:
                raise RecordNotFound(f"object {key!r} (version {version_id or 'current'}) does not exist")
            size = stat.size
        self.failure: Exception | None = None
        self.size = size
        self._objects, self._key, self._version = objects, key, version_id
        self._place = 0
        self._stretches: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def read(self, size: int | None = -1, /) -> bytes:
        end = self.size if size is None or size < 0 else min(self.size, self._place + size)
        start, self._place = self._place, max(self._place, end)
        if end <= start:
            return b""
        if end - start >= READ_AHEAD:
            return self._fetch(start, end)
        first, last = start // READ_AHEAD, (end - 1) // READ_AHEAD
        joined = b"".join(self._stretch(number) for number in range(first, last + 1))
        return joined[start - first * READ_AHEAD : end - first * READ_AHEAD]

    def readall(self) -> bytes:
        return self.read()

    def _stretch(self, number: int) -> bytes:
        found = self._stretches.pop(number, None)
        if found is None:
            start = number * READ_AHEAD
            found = self._fetch(start, min(self.size, start + READ_AHEAD))
        self._stretches[number] = found
        if len(self._stretches) > CACHED:
            self._stretches.popitem(last=False)
        return found

    def _fetch(self, start: int, end: int) -> bytes:
        try:
            chunks = self._objects.chunks(self._key, version_id=self._version, start=start, end=end)
            return b"".join(chunks)
        except Exception as error:
            self.failure = error
            raise
