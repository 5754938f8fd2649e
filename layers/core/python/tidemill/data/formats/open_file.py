"""Open a file of any format as blocks of rows, with the digest of its bytes.

Called by `tidemill.data.scan` and by what reads accepted files back.
"""

import hashlib
import itertools
import os
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass

from tidemill.data.formats import delimited, json_lines, parquet, streams
from tidemill.data.formats.blocks import Block
from tidemill.data.formats.detect import SAMPLE, Format, detect
from tidemill.data.formats.pipes import Hashed
from tidemill.ports import ObjectStore
from tidemill.projects import Kind

WORKERS = min(os.cpu_count() or 1, 4)
"""Blocks of delimited text that are parsed at once: each takes some 30 MB."""


@dataclass(frozen=True)
class OpenFile:
    """`blocks` can be gone through once; `digest()` is the SHA-256 of all bytes, once they are."""

    form: Format
    blocks: Iterator[Block]
    digest: Callable[[], str]


@contextmanager
def open_file(
    objects: ObjectStore,
    key: str,
    *,
    version_id: str | None = None,
    size: int,
    kinds: Mapping[str, Kind],
    rules: Collection[str],
    form: Format | None = None,
    only: Collection[str] | None = None,
) -> Iterator[OpenFile]:
    """The file at `key`; its format is looked at unless `form` says it; `only` these columns of it are read.
    Raises RecordNotFound, UploadRejected; the blocks raise UploadRejected and Widened."""
    raw = objects.chunks(key, version_id=version_id)
    head = b"" if form is not None else _head(raw)
    form = form or detect(head[:SAMPLE], size)
    if form.kind == "parquet":
        blocks = parquet.blocks(
            objects, key, version_id=version_id, size=size, kinds=kinds, rules=rules, only=only
        )
        yield OpenFile(form, blocks, lambda: _digest(itertools.chain([head], raw)))
        return
    hashed = Hashed(itertools.chain([head], raw))
    text = streams.text_chunks(hashed, form, compressed_size=size)
    try:
        with closing(_blocks(text, form, kinds, rules, only)) as blocks:
            yield OpenFile(form, blocks, hashed.digest)
    finally:
        hashed.close()


def _head(raw: Iterator[bytes]) -> bytes:
    """Enough of the stream to see what it is."""
    head = b""
    for chunk in raw:
        head += chunk
        if len(head) >= SAMPLE:
            break
    return head


def _blocks(
    text: Iterator[bytes],
    form: Format,
    kinds: Mapping[str, Kind],
    rules: Collection[str],
    only: Collection[str] | None,
) -> Generator[Block, None, None]:
    if form.kind == "jsonl":
        yield from json_lines.blocks(text, kinds=kinds, rules=rules, only=only)
    else:
        yield from delimited.blocks(
            text, delimiter=form.delimiter, kinds=kinds, rules=rules, only=only, workers=WORKERS
        )


def _digest(chunks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()
