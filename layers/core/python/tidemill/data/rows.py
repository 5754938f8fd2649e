"""The rows of accepted files, read back as record batches, whatever the format: what diffs, training and other
readers of a dataset version go through.

Every file was read and judged once, when it was taken in; what does not fit its column now was accepted under
other rules.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

import pyarrow as pa

from tidemill import names
from tidemill.data.formats.blocks import ARROW, Block
from tidemill.data.formats.detect import Format
from tidemill.data.formats.open_file import open_file
from tidemill.data.manifests import File
from tidemill.errors import ProjectInvalid
from tidemill.ports import ObjectStore
from tidemill.projects import Kind


def batches(
    objects: ObjectStore, files: Iterable[File], kinds: Mapping[str, Kind], *, lacking: Collection[str] = ()
) -> Iterator[tuple[File, pa.RecordBatch]]:
    """The rows of these files in their order, with the columns of `kinds` (typed so, in that order); a column that
    a file does not have is null throughout if it is among `lacking`.

    Raises RecordNotFound, and ProjectInvalid for a column that is not there or not of its kind."""
    for file in files:
        form = Format.from_json(file.form) if file.form else None
        key = names.content(file.sha256)
        wanted = frozenset(kinds)
        with open_file(objects, key, size=file.size, kinds=kinds, rules=wanted, form=form, only=wanted) as opened:
            for block in opened.blocks:
                yield file, _columns(block, file, kinds, lacking)


def table(
    objects: ObjectStore, files: Iterable[File], kinds: Mapping[str, Kind], *, lacking: Collection[str] = ()
) -> pa.Table:
    """All rows of these files at once; see `batches`."""
    schema = pa.schema([(name, ARROW[kind]) for name, kind in kinds.items()])
    return pa.Table.from_batches([batch for _, batch in batches(objects, files, kinds, lacking=lacking)], schema)


def _columns(block: Block, file: File, kinds: Mapping[str, Kind], lacking: Collection[str]) -> pa.RecordBatch:
    present = set(block.batch.schema.names)
    arrays = []
    for name, kind in kinds.items():
        if name not in present and name in lacking:
            arrays.append(pa.nulls(block.batch.num_rows, ARROW[kind]))
            continue
        if name not in present:
            told = f"file {file.path!r} has no column {name!r}; take its rule out or upload the file with it"
            raise ProjectInvalid(told)
        if name in block.unreadable:
            raise ProjectInvalid(
                f"file {file.path!r}: column {name!r} is not of type {kind}; change its rule back"
            )
        arrays.append(block.batch.column(name).cast(ARROW[kind]))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema([(n, ARROW[k]) for n, k in kinds.items()]))
