"""Which lines of a file: a few bytes for a few of them, a bit for each line where there are many."""

import numpy as np
from numpy.typing import NDArray

from tidemill.data.formats.blocks import Lines


class LineSet:
    """Numbers of lines, added block by block."""

    def __init__(self) -> None:
        self._few: list[Lines] = []
        self._many: list[tuple[int, NDArray[np.uint8]]] = []

    @property
    def nbytes(self) -> int:
        """Bytes that it takes, about."""
        return sum(lines.nbytes for lines in self._few) + sum(bits.nbytes for _, bits in self._many)

    def add(self, lines: Lines) -> None:
        """Add these lines, int64, [lines], in any order."""
        if not lines.size:
            return
        first, last = int(lines.min()), int(lines.max())
        if lines.nbytes * 8 <= last - first:
            self._few.append(lines.copy())
            return
        marked = np.zeros(last - first + 1, dtype=bool)
        marked[lines - first] = True
        self._many.append((first, np.packbits(marked)))

    def ascending(self) -> Lines:
        """All of them, each once."""
        parts = [first + np.flatnonzero(np.unpackbits(bits)) for first, bits in self._many]
        found: Lines = np.unique(np.concatenate([np.empty(0, np.int64), *self._few, *parts]))
        return found
