"""Find and remove a subject's rows in the output of batch scorings, and the files in which it was sent to be
scored.

`data/erase.py` calls it. Output rows say from which file and line they come: they are the subject's if that line
of the input is, or if the output repeats the subject's column and it has the value there. An input that has
expired tells nothing, so that nothing can be known of an output without the column: such scorings are
`unsearched`.
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tidemill import canonical, names
from tidemill.data import subjects
from tidemill.data.subjects import Subject
from tidemill.errors import ObjectKept, RecordNotFound, UploadRejected
from tidemill.ports import ObjectStore
from tidemill.projects import Project
from tidemill.serving import scoring
from tidemill.serving.scoring import Input, Place

Lines = Mapping[str, frozenset[int]]
"""By the path of an input file the lines that are the subject's."""


@dataclass(frozen=True)
class Found:
    """`rows` of the subject by scoring, and the scorings that could not be searched."""

    rows: dict[str, int]
    unsearched: list[str]


def planned(
    project: Project, subject: Subject, known: Iterable[Mapping[str, Any]], *, objects: ObjectStore
) -> dict[str, Any]:
    """What the plan of an erasure says of scorings, besides those that `known` plans are about."""
    found = find(project, subject, objects=objects)
    dealt = {each for plan in known for each in told(plan)["scorings"]}
    rows = {each: count for each, count in found.rows.items() if each not in dealt}
    return {"scorings": rows, "unsearched": found.unsearched}


def told(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What a plan says of scorings, also one from before they were searched."""
    return {"scorings": plan.get("scorings", {}), "unsearched": plan.get("unsearched", [])}


def find(project: Project, subject: Subject, *, objects: ObjectStore) -> Found:
    """What the scorings of a project hold of a subject."""
    found = Found({}, [])
    for place in _places(project.name, objects):
        request = scoring.read(objects, place.request)
        lines, gone = _lines(project, subject, request, objects, {})
        rows, told_by_column = 0, True
        for key in objects.keys(place.outputs):
            table = pq.read_table(io.BytesIO(objects.get(key)))
            rows += pc.sum(_mask(table, subject, lines)).as_py() or 0
            told_by_column &= subject.column in table.schema.names
        if rows or any(lines.values()):
            found.rows[place.scoring_id] = rows
        elif gone and not told_by_column:
            found.unsearched.append(place.scoring_id)
    return found


def erase(
    project: Project, subject: Subject, scoring_ids: Mapping[str, int], *, objects: ObjectStore
) -> dict[str, str]:
    """Take the subject's rows out of these scorings, and its input files away: what is kept, with the reason."""
    kept: dict[str, str] = {}
    for scoring_id in scoring_ids:
        place = Place(project.name, scoring_id)
        if not objects.exists(place.result):
            again = f"`tidemill batch {project.name} --run {scoring_id}` brings it to its end"
            kept[place.folder] = f"scoring {scoring_id} has not ended; {again}, then ask again"
            continue
        files: dict[str, str] = {}
        lines, _ = _lines(project, subject, scoring.read(objects, place.request), objects, files)
        for key in list(objects.keys(place.outputs)):
            _rewritten(place, key, subject, lines, objects, kept)
        # The inputs last: they say which rows are the subject's, should this be killed half way.
        for key, version in files.items():
            _tried(lambda key=key, version=version: objects.delete(key, version_id=version), key, kept)
    return kept


def _places(project: str, objects: ObjectStore) -> Iterator[Place]:
    seen = ""
    for key in objects.keys(scoring.scorings(project)):
        scoring_id = key.split("/")[2]
        place = Place(project, scoring_id)
        if scoring_id != seen and key == place.request:
            yield place
            seen = scoring_id


def _lines(
    project: Project, subject: Subject, request: Mapping[str, Any], objects: ObjectStore, files: dict[str, str]
) -> tuple[Lines, bool]:
    """The subject's lines in the files of a scoring, and whether one of these is gone; `files` gets those below
    `unscored/` that hold it, with the version that was scored. What was uploaded for training, `erase` removes."""
    found: dict[str, frozenset[int]] = {}
    gone = False
    for file in (Input(**told) for told in request["files"]):
        try:
            lines = subjects.lines_in(
                project, subject, file.key, size=file.size, version_id=file.version_id, objects=objects
            )
        except (RecordNotFound, UploadRejected):
            gone = True
            continue
        found[file.path] = frozenset(lines.tolist())
        if found[file.path] and file.key.startswith(names.UNSCORED):
            files[file.key] = file.version_id
    return found, gone


def _mask(table: pa.Table, subject: Subject, lines: Lines) -> pa.ChunkedArray:
    """Which rows of an output are the subject's."""
    mask = pa.chunked_array([pa.array([False] * table.num_rows, pa.bool_())])
    for path, held in lines.items():
        here = pc.and_(pc.equal(table["file"], path), pc.is_in(table["line"], pa.array(sorted(held), pa.int64())))
        mask = pc.or_(mask, here)
    if subject.column in table.schema.names and table.schema.field(subject.column).type == pa.string():
        mask = pc.or_(
            mask, pc.fill_null(pc.is_in(table[subject.column], pa.array(_spellings(subject.value))), False)
        )
    return mask


def _spellings(value: str) -> list[str]:
    """How the output may write the value: as it stands, or, of a number, as a number."""
    try:
        return [value, f"{float(value):.17g}"]
    except ValueError:
        return [value]


def _rewritten(
    place: Place, key: str, subject: Subject, lines: Lines, objects: ObjectStore, kept: dict[str, str]
) -> None:
    """Write a part without the subject's rows, and its report, by whose digest it is fetched; that also if a call
    that was killed wrote the part alone."""
    body = objects.get(key)
    table = pq.read_table(io.BytesIO(body))
    mask = _mask(table, subject, lines)
    if pc.any(mask).as_py():
        sink = io.BytesIO()
        pq.write_table(table.filter(pc.invert(mask)), sink, compression="zstd")
        body = sink.getvalue()
        objects.put(key, body, content_type="application/vnd.apache.parquet")
    report_key = place.report(int(key[-13:-8]))
    report, digest = scoring.read(objects, report_key), canonical.sha256(body)
    if report["sha256"] != digest:
        left = pq.read_metadata(io.BytesIO(body)).num_rows
        told = {**report, "sha256": digest, "bytes": len(body), "rows": left, "erased": report["read"] - left}
        objects.put(report_key, canonical.dumps(told), content_type="application/json")
    _tried(lambda: objects.prune(key), key, kept)


def _tried(removal: Any, key: str, kept: dict[str, str]) -> None:
    try:
        removal()
    except ObjectKept as error:
        kept[key] = f"until {error.until.isoformat()}" if error.until else str(error)
