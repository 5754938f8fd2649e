"""The rows of a window as a file: arrays by name in one `.npz`, without pickle.

Written by `build_window`, read by `detect_drift`.
"""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def pack(columns: Mapping[str, Array]) -> bytes:
    """The arrays as bytes. Their names are the first array, so that none can clash with the format's own."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, np.array(list(columns), dtype=np.str_), *columns.values())
    return buffer.getvalue()


def unpack(body: bytes) -> dict[str, Array]:
    """The arrays that were packed. Raises ValueError where a file holds anything but plain arrays."""
    with np.load(io.BytesIO(body), allow_pickle=False) as file:
        return {str(name): file[f"arr_{i}"] for i, name in enumerate(file["arr_0"], start=1)}
