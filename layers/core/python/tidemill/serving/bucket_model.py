"""A model that its layer does not hold: fetched from the bucket at a cold start, checked, and kept.

The layer has `model.json` and a pointer: key, version id, digest and size of the model's file. The file goes to
the function's temporary storage under its digest, by way of a file that nobody opens as a model. Whoever starts
later in the same environment finds it there, and checks it again.
"""

import fcntl
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tidemill.errors import ArtifactCorrupt, ModelUnreachable, RecordNotFound
from tidemill.ports import ObjectStore
from tidemill.serving import layer_files

FOLDER = "tidemill-models"
"""Where files are kept, below the folder for temporary ones."""
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Pointer:
    """Where a model's file is, and what it is: its SHA-256 and its size in bytes."""

    key: str
    version_id: str
    sha256: str
    bytes: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def path(layer: Path, document: Mapping[str, Any], file: str, bucket: Callable[[], ObjectStore] | None) -> str:
    """Where the file is to which the layer points. Raises what `pointed` and `fetched` do."""
    pointer = pointed(layer, document, file)
    if bucket is None:
        raise ModelUnreachable(f"{pointer.key} is in the bucket, which is not read here; ask the endpoint")
    return str(fetched(pointer, folder=Path(tempfile.gettempdir(), FOLDER), objects=bucket()))


def pointed(layer: Path, document: Mapping[str, Any], file: str) -> Pointer:
    """The pointer in a model's layer. Raises ArtifactCorrupt if there is none, or if it is not about the file that
    `document` registers under that name."""
    try:
        pointer = Pointer(**json.loads((layer / layer_files.POINTER).read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise ArtifactCorrupt(f"the layer holds neither {file} nor a pointer to it; release it again") from error
    if pointer.sha256 != document["sha256"][file]:
        raise ArtifactCorrupt(
            f"the layer points to a file of SHA-256 {pointer.sha256}, not to the registered {file}; release it"
            " again"
        )
    return pointer


def fetched(pointer: Pointer, *, folder: Path, objects: ObjectStore) -> Path:
    """The checked file in `folder`, fetched unless it is there.

    Raises ArtifactCorrupt (it is not the registered one), ModelUnreachable (it could not be had).
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / pointer.sha256
    with _alone(folder / f"{pointer.sha256}.lock"):
        if not (target.exists() and _told(_blocks(target)) == (pointer.sha256, pointer.bytes)):
            _fetch(pointer, target, objects)
    return target


def _fetch(pointer: Pointer, target: Path, objects: ObjectStore) -> None:
    part = target.with_suffix(".part")  # what a process left there that was killed is written over
    # Room for one: what is there is not the model.
    target.unlink(missing_ok=True)
    try:
        found = _told(_written(_chunks(pointer, objects), part, pointer.bytes))
        if found != (pointer.sha256, pointer.bytes):
            digest, size = found
            raise ArtifactCorrupt(
                f"{pointer.key} has {size:,} bytes of SHA-256 {digest}, registered are {pointer.bytes:,} of"
                f" {pointer.sha256}; restore that object version, or release another model"
            )
        part.replace(target)
    except OSError as error:
        raise ModelUnreachable(
            f"{pointer.key} of {pointer.bytes:,} bytes cannot be kept ({error}); set"
            " `serving.temporary_storage_mb` higher, deploy, and release the model again"
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _chunks(pointer: Pointer, objects: ObjectStore) -> Iterator[bytes]:
    try:
        yield from objects.chunks(pointer.key, version_id=pointer.version_id)
    except RecordNotFound as error:
        raise ModelUnreachable(f"{error}; restore it, or release another model") from error


def _written(chunks: Iterator[bytes], path: Path, most: int) -> Iterator[bytes]:
    """The chunks, each once it is in the file; none after the one with which they are more than `most` bytes."""
    size = 0
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
            yield chunk
            size += len(chunk)
            if size > most:
                return


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _told(blocks: Iterator[bytes]) -> tuple[str, int]:
    """SHA-256 and size of what the blocks hold."""
    digest, size = hashlib.sha256(), 0
    for block in blocks:
        digest.update(block)
        size += len(block)
    return digest.hexdigest(), size


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Of the threads and processes that share the folder one at a time. The lock of one that is killed is gone
    with it."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
