"""One pass over an uploaded file: its digest, its rows held against the rules, and what observers see of them.

`take_in` calls it. The bytes are read once, in a stream; hashing runs beside parsing. Memory does not grow with
the file. Observers get the rows that follow the rules (sketches), or all there is (personal data).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from tidemill.data.counted import Counted, Evidence
from tidemill.data.formats.blocks import Block, Widened
from tidemill.data.formats.detect import Format
from tidemill.data.formats.open_file import open_file
from tidemill.data.formats.pipes import ahead
from tidemill.data.quality.faults import Fault
from tidemill.data.quality.row_rules import Rules
from tidemill.errors import UploadRejected
from tidemill.ports import ObjectStore
from tidemill.projects import Kind


class Observer(Protocol):
    """Something that looks at rows as they go by."""

    def restart(self) -> None:
        """The pass begins, or begins anew: forget what was seen."""

    def every(self, block: Block) -> None:
        """All rows, before the rules."""

    def good(self, rows: pa.RecordBatch, kinds: Mapping[str, Kind]) -> None:
        """The rows that follow the rules, and the kinds of their columns."""


@dataclass(frozen=True)
class Reading:
    """What a file holds. `rows` follow the rules, `bad` do not; `columns` in their order (those of JSON Lines by
    name), `kinds` of those that have one (nested values do not); `faults` of its rows, the gravest first;
    `time_sorted`: whether the time column never goes back (None without one)."""

    sha256: str
    size: int
    form: Format
    rows: int
    bad: int
    columns: Sequence[str]
    kinds: Mapping[str, Kind]
    faults: Sequence[Fault]
    evidence: Evidence
    time_sorted: bool | None


def scan(
    objects: ObjectStore,
    key: str,
    *,
    version_id: str | None,
    size: int,
    rules: Rules,
    known: Mapping[str, Kind],
    time: str | None = None,
    observers: Sequence[Observer] = (),
) -> Reading:
    """Read the object. `known` are the kinds of columns without a rule, as earlier files showed them.

    Raises RecordNotFound, and UploadRejected for what is no table: the codes are in docs/data.md.
    """
    kinds = {**known, **rules.kinds}
    while True:
        for observer in observers:
            observer.restart()
        try:
            return _pass(objects, key, version_id, size, rules, kinds, time, observers)
        except Widened as wider:
            kinds = {**kinds, **wider.kinds}


def _pass(
    objects: ObjectStore,
    key: str,
    version_id: str | None,
    size: int,
    rules: Rules,
    kinds: Mapping[str, Kind],
    time: str | None,
    observers: Sequence[Observer],
) -> Reading:
    counted = Counted(rules, time)
    with open_file(
        objects, key, version_id=version_id, size=size, kinds=kinds, rules=frozenset(rules.columns)
    ) as file:
        count(file.blocks, counted, observers)
        digest = file.digest()
    return reading_of(counted, sha256=digest, size=size, form=file.form)


def count(blocks: Iterator[Block], counted: Counted, observers: Sequence[Observer]) -> None:
    """Go through the blocks, made in a thread of their own. Raises what they raise."""
    # Closed before the file is: what runs ahead must not be in the midst of its blocks then.
    with closing(ahead(blocks)) as made:
        for block in made:
            for observer in observers:
                observer.every(block)
            good = counted.see(block)
            for observer in observers:
                observer.good(good, block.kinds)


def reading_of(counted: Counted, *, sha256: str, size: int, form: Format) -> Reading:
    """What was counted of a whole file. Raises UploadRejected `no_rows`."""
    if not counted.rows + counted.bad:
        raise UploadRejected("no_rows", "the file has a header and no rows; upload it with its data")
    return Reading(
        sha256=sha256,
        size=size,
        form=form,
        rows=counted.rows,
        bad=counted.bad,
        # Keys of JSON Lines come in no order of their own.
        columns=sorted(counted.columns) if form.kind == "jsonl" else counted.columns,
        kinds=counted.kinds,
        faults=counted.tally.faults(counted.rows + counted.bad),
        evidence=counted.evidence,
        time_sorted=counted.time_sorted,
    )
