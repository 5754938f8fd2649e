"""Find the rows of one subject: whose key has a given value, in which versions and files they are, and what
learned from them.

`tidemill data subjects find` shows it, `erase` goes by it. Values are compared exactly: text as it stands in the
file, numbers and times by what they mean. Each distinct content is read once, however many versions hold it.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidemill import names
from tidemill.data import lineage, take_in, versions
from tidemill.data.formats.blocks import Block
from tidemill.data.formats.detect import Format
from tidemill.data.formats.open_file import open_file
from tidemill.data.manifests import File
from tidemill.errors import RecordNotFound, RequestInvalid
from tidemill.ports import Index, ObjectStore
from tidemill.projects import Kind, Project

Progress = Callable[[int, int], None]
"""Told how many contents were read, of how many."""


def untold(read: int, of: int) -> None:
    """Progress that nobody wants to know."""


_EXACT = 2**53  # integers up to here are exact as float64; the ids beyond are compared as text


@dataclass(frozen=True)
class Subject:
    """`value` as a person writes it, in `column`."""

    column: str
    value: str


@dataclass(frozen=True)
class Content:
    """A content that holds the subject: the files of it that tell how it is read, and where the rows begin: the
    lines, ascending (for Parquet the rows' numbers)."""

    file: File
    lines: NDArray[np.int64]

    @property
    def rows(self) -> int:
        return int(self.lines.size)


@dataclass(frozen=True)
class Search:
    """`held`: contents with rows of the subject, by digest; `gone`: digests whose content was erased before."""

    held: dict[str, Content]
    gone: tuple[str, ...]


def subject_of(project: Project, value: str, column: str | None = None) -> Subject:
    """The subject of that value: in `column`, or in the project's entity, or in its key of one column. Raises
    RequestInvalid if there is no such column, or if it cannot hold the value."""
    column = column or project.entity or (project.key[0] if len(project.key) == 1 else None)
    if column is None:
        told = f"project {project.name!r} names no entity and no key of one column"
        raise RequestInvalid("column", f"{told}; say which column to look in (--column)")
    rule = project.columns.get(column)
    if rule is not None and _target(value, rule.type) is None:
        raise RequestInvalid("value", f"column {column!r} is of type {rule.type}; {value!r} cannot be in it")
    return Subject(column, value)


def find(
    project: Project,
    subject: Subject,
    *,
    objects: ObjectStore,
    index: Index,
    progress: Progress = untold,
) -> dict[str, Any]:
    """`versions` that hold the subject, each with its `files` and the `rows` in them; the `runs`, `models` and
    `releases` that followed from these; `rows` in distinct contents; how many `contents` were read, and which are
    `gone`: erased before."""
    facts = [versions.read_fact(objects, project.name, n) for n in versions.numbers(objects, project.name)]
    files = distinct(file for fact in facts for file in versions.files_of(fact))
    search = look(project, subject, files, objects=objects, progress=progress)
    found = [told for told in (holding(fact, search) for fact in facts) if told["rows"]]
    return {
        "project": project.name,
        "column": subject.column,
        "contents": len(files) - len(search.gone),
        "gone": list(search.gone),
        "rows": sum(content.rows for content in search.held.values()),
        "versions": found,
        **lineage.downstream(index, project.name, {told["version"] for told in found}),
    }


def holding(fact: versions.Document, search: Search) -> dict[str, Any]:
    """Which files of a version hold the subject: `version`, `rows`, `files` {`path`, `sha256`, `rows`}."""
    files = [
        {"path": file.path, "sha256": file.sha256, "rows": search.held[file.sha256].rows}
        for file in versions.files_of(fact)
        if file.sha256 in search.held
    ]
    return {"version": fact["version"], "rows": sum(file["rows"] for file in files), "files": files}


def distinct(files: Iterable[File]) -> list[File]:
    """One file of each content, ordered by its digest."""
    return [file for _, file in sorted({file.sha256: file for file in files}.items())]


def look(
    project: Project,
    subject: Subject,
    files: Collection[File],
    *,
    objects: ObjectStore,
    progress: Progress = untold,
) -> Search:
    """Read these files, one of each content, and say which hold the subject."""
    held: dict[str, Content] = {}
    gone: list[str] = []
    for number, file in enumerate(files, start=1):
        try:
            lines = _lines(project, subject, file, objects)
        except RecordNotFound:
            gone.append(file.sha256)
        else:
            if lines.size:
                held[file.sha256] = Content(file, lines)
        progress(number, len(files))
    return Search(held, tuple(gone))


def _lines(project: Project, subject: Subject, file: File, objects: ObjectStore) -> NDArray[np.int64]:
    form = Format.from_json(file.form) if file.form else None
    kind, key = _kind(project, subject, file, objects), names.content(file.sha256)
    return lines_in(project, subject, key, size=file.size, form=form, kind=kind, objects=objects)


def lines_in(
    project: Project,
    subject: Subject,
    key: str,
    *,
    size: int,
    version_id: str | None = None,
    form: Format | None = None,
    kind: Kind | None = None,
    objects: ObjectStore,
) -> NDArray[np.int64]:
    """The lines of an object on which rows of the subject begin, whose column is of that `kind` (default: by its
    rule). Raises RecordNotFound, UploadRejected."""
    kind = kind or _exact(_ruled(project, subject), subject)
    target = _target(subject.value, kind)
    if target is None:
        return np.array([], np.int64)
    kinds = {name: rule.type for name, rule in project.columns.items()} | {subject.column: kind}
    place: dict[str, Any] = {"size": size, "version_id": version_id}
    with open_file(objects, key, kinds=kinds, rules=frozenset(kinds), form=form, **place) as opened:
        found = [block.lines[_mask(block, subject, target)] for block in _of(opened.blocks, subject.column)]
    return np.concatenate(found) if found else np.array([], np.int64)


def _ruled(project: Project, subject: Subject) -> Kind:
    rule = project.columns.get(subject.column)
    return rule.type if rule else Kind.CATEGORY


def _exact(kind: Kind, subject: Subject) -> Kind:
    return Kind.CATEGORY if kind.numeric and _beyond_exact(subject.value) else kind


def _of(blocks: Iterator[Block], column: str) -> Iterator[Block]:
    return (block for block in blocks if column in block.batch.schema.names)


def _mask(block: Block, subject: Subject, target: pa.Scalar) -> NDArray[np.bool_]:
    """Which rows of the block are the subject's. A cell that does not fit its column's present rule is compared as
    the text it is."""
    values = block.batch.column(subject.column)
    mask = pc.fill_null(pc.equal(values.cast(target.type), target), False)
    if subject.column in block.text:
        mask = pc.or_(mask, pc.fill_null(pc.equal(block.text[subject.column], subject.value), False))
    found: NDArray[np.bool_] = mask.to_numpy(zero_copy_only=False)
    return found


def _kind(project: Project, subject: Subject, file: File, objects: ObjectStore) -> Kind:
    """The kind of the column: by its rule, or as the upload showed it."""
    kind = _ruled(project, subject)
    if subject.column not in project.columns and file.upload_id:
        with suppress(RecordNotFound):
            reading = json.loads(objects.get(take_in.reading_key(project.name, file.upload_id)))
            kind = Kind(reading["kinds"].get(subject.column, kind))
    return _exact(kind, subject)


def _beyond_exact(value: str) -> bool:
    try:
        return abs(int(value)) >= _EXACT
    except ValueError:
        return False


def _target(value: str, kind: Kind) -> pa.Scalar | None:
    """The value as a column of that kind holds it; None if none can."""
    if kind is Kind.CATEGORY:
        return pa.scalar(value, pa.string()) if value else None
    try:
        if kind.numeric:
            return pa.scalar(float(value), pa.float64())
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return pa.scalar(moment if moment.tzinfo else moment.replace(tzinfo=UTC), pa.timestamp("us", tz="UTC"))
