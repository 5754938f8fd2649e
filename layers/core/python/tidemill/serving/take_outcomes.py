"""Function `take_outcomes`: outcomes in a file that was uploaded, of any size that its time takes. Called by a
rule on objects below `incoming-outcomes/<project>/`.

A file is read in parts of as many lines. Of each, the lines that are no outcomes go to quarantine with their
reason, then the others to `outcomes/`, both written once; what became of the file is written last. So an event
that comes again, and a call that follows one that was killed, write nothing twice; what is done is not judged
again.
"""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from tidemill import canonical, names, stored
from tidemill.data.uploads import upload_id
from tidemill.errors import ProjectUnknown, RecordNotFound, RequestInvalid, UploadRejected
from tidemill.ports import Clock, ObjectStore
from tidemill.projects import Project
from tidemill.serving import intake, outcome_rules, outcome_tables
from tidemill.serving.faults import ABSENT, Faults, document
from tidemill.serving.line_stream import MAX_BYTES, lines
from tidemill.serving.values import Fault

PART_LINES = 50_000
FORMATS = (".csv", ".jsonl")
_NOT_TEXT = Fault("not_unicode", {"contentEncoding": "utf-8"}, "must be UTF-8")
_NOT_JSON = Fault("not_json", {"contentMediaType": "application/json"}, "is not JSON")

Answer = dict[str, Any]
Judge = Callable[[int, str, Faults], str | None]
"""Gives the line that is kept of a line's outcome, or adds its faults."""


class _Line(NamedTuple):
    number: int
    content: bytes


@dataclass(frozen=True)
class _Upload:
    """A file, and where what is in it goes."""

    problem: Project
    identity: str
    received: datetime

    def good(self, part: int) -> str:
        return intake.outcome_part(self.problem.name, self.received.date().isoformat(), self.identity, part)

    def bad(self, part: int) -> str:
        return intake.refused_outcomes(self.problem.name, self.identity, part)


def take_outcomes(
    *,
    bucket: str,
    key: str,
    version_id: str,
    load_project: Callable[[str], Project],
    objects: ObjectStore,
    clock: Clock,
    part_lines: int = PART_LINES,
) -> Answer:
    """What became of the file: `outcome` `taken`, `broken` (it could not be read to its end, or has no header:
    `reason`), `ignored` (it belongs to no project, or is no table) or `gone`; how many were `accepted` and
    `refused`."""
    project, _, path = key.removeprefix(names.INCOMING_OUTCOMES).partition("/")
    kind = next((each for each in FORMATS if path.removesuffix(".gz").endswith(each)), None)
    if kind is None:
        return {"outcome": "ignored", "reason": f"{key!r} is none of {', '.join(FORMATS)}, plain or .gz"}
    try:
        problem = load_project(project)
    except ProjectUnknown as error:
        return {"outcome": "ignored", "reason": str(error)}
    identity = upload_id(bucket=bucket, key=key, version_id=version_id)
    told = intake.outcome_upload(project, identity)
    if objects.exists(told):
        return stored.read(objects, told)
    stat = objects.head(key, version_id=version_id)
    if stat is None:
        return {"outcome": "gone", "reason": f"{key!r} was removed before it was read; upload it again"}
    upload = _Upload(problem, identity, stat.modified)
    counts = _taken(upload, kind, lines(objects.chunks(key, version_id=version_id)), objects, part_lines)
    fact = {"project": project, "upload_id": identity, "key": key, "version_id": version_id, **counts}
    fact |= {"received": stat.modified.isoformat(), "ended_at": clock().isoformat()}
    return stored.keep(objects, told, fact)


def _taken(upload: _Upload, kind: str, content: Iterator[bytes], objects: ObjectStore, part_lines: int) -> Answer:
    accepted = refused = part = 0
    broken: str | None = None
    try:
        numbered = enumerate(content, start=1)
        judge = _table(upload, numbered) if kind == ".csv" else _objects(upload)
        rows = (_Line(number, line) for number, line in numbered if line.strip())
        while not broken and (taken := _Part()).fill(islice(rows, part_lines)):
            broken, part = taken.broken, part + 1
            good, bad = _stored(upload, part, taken.lines, judge, objects)
            accepted, refused = accepted + good, refused + bad
    except RequestInvalid as error:
        broken = str(error)
    except (UploadRejected, RecordNotFound) as error:
        broken = str(error)
    counts = {"accepted": accepted, "refused": refused}
    return {"outcome": "broken", "reason": broken, **counts} if broken else {"outcome": "taken", **counts}


class _Part:
    """The lines of a part; those before a break in the file are a part as well."""

    def __init__(self) -> None:
        self.lines: list[_Line] = []
        self.broken: str | None = None

    def fill(self, rows: Iterator[_Line]) -> bool:
        """Whether there is anything in it."""
        try:
            self.lines.extend(rows)
        except (UploadRejected, RecordNotFound) as error:
            self.broken = str(error)
        return bool(self.lines or self.broken)


def _stored(upload: _Upload, part: int, taken: list[_Line], judge: Judge, objects: ObjectStore) -> tuple[int, int]:
    """How many outcomes a part has, and how many lines that are none. Where the outcomes stand, what was refused
    stands too."""
    if objects.exists(upload.good(part)):
        accepted = len(gzip.decompress(objects.get(upload.good(part))).splitlines())
        return accepted, len(taken) - accepted
    good: list[str] = []
    bad: list[bytes] = []
    for number, content in taken:
        faults = Faults()
        line = _judged(number, content, judge, faults)
        if line is None:
            bad.append(_refused(number, content, faults))
        else:
            good.append(line + "\n")
    if bad:
        objects.put_new(upload.bad(part), b"\n".join(bad) + b"\n", content_type="application/x-ndjson")
    if good:
        body = gzip.compress("".join(good).encode(), mtime=0)
        objects.put_new(upload.good(part), body, content_type="application/gzip")
    return len(good), len(bad)


def _judged(number: int, content: bytes, judge: Judge, faults: Faults) -> str | None:
    try:
        return judge(number, content.decode(), faults)
    except UnicodeDecodeError:
        too_long = len(content) >= MAX_BYTES
        faults.add(f"line {number}", outcome_tables.TOO_LONG if too_long else _NOT_TEXT)
    return None


def _refused(number: int, content: bytes, faults: Faults) -> bytes:
    """A line that is no outcome, as it came, with its faults."""
    try:
        faults.refuse()
        told: Mapping[str, Any] = document(f"line {number}", _NOT_JSON, ABSENT)
    except RequestInvalid as error:
        told = error.faults[0]
    return canonical.dumps(
        {"line": number, "faults": [told], "content": content.decode(errors="backslashreplace")}
    )


def _table(upload: _Upload, numbered: Iterator[tuple[int, bytes]]) -> Judge:
    """Reads lines of CSV under the header, which is taken off. Raises RequestInvalid."""
    _, first = next(numbered, (1, b""))
    columns = outcome_tables.header_of(first.decode("utf-8-sig", errors="replace"))
    problem = upload.problem

    def judge(number: int, text: str, faults: Faults) -> str | None:
        found, place = outcome_tables.parsed(text, columns, number, problem), outcome_tables.place(number)
        if found.fault:
            faults.add(place(""), found.fault)
        if found.fault or outcome_rules.is_faulty(problem, found.outcome, place, faults):
            return None
        return outcome_rules.line(problem, found.outcome or {}, upload.received)

    return judge


def _objects(upload: _Upload) -> Judge:
    """Reads lines of JSON."""
    problem = upload.problem

    def judge(number: int, text: str, faults: Faults) -> str | None:
        place = outcome_tables.place(number)
        try:
            outcome = json.loads(text.removeprefix("\ufeff"), parse_constant=_no_constant)
        except (ValueError, RecursionError):
            faults.add(place(""), _NOT_JSON)
            return None
        if outcome_rules.is_faulty(problem, outcome, place, faults):
            return None
        return outcome_rules.line(problem, outcome, upload.received)

    return judge


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")
