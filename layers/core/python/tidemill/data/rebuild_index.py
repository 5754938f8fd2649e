"""Make the data rows of the table again from S3, which holds the facts.

`tidemill rebuild-index` calls it, after a table was lost or set back. Everything follows from the moves of
uploads, batches and tags, and from the manifests of versions; nothing is guessed, and equal facts give equal rows.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tidemill import names
from tidemill.data import batches, erasures, tags, uploads, versions
from tidemill.ports import Index, ObjectStore, Put, Row

PREFIXES = (
    names.COUNTER_DATASETS, names.DATASETS, names.CONTENTS, names.UPLOADS, names.FILES, names.GATHERINGS,
    names.BATCHES, names.MEMBERS, names.TAGS,
)  # fmt: skip
"""The sort keys of the rows that the data stage alone writes; audit rows it shares with the other stages."""

AT_ONCE = 25
Rows = dict[str, Row]


@dataclass(frozen=True)
class Difference:
    """What distinguishes the table from the facts, by sort key: rows it lacks, rows that say something else, and
    rows of which S3 knows nothing."""

    missing: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.missing or self.changed or self.strange)


def rows_of(objects: ObjectStore, project: str) -> Rows:
    """Every data row of a project, by sort key, as the facts in S3 have it."""
    moved = list(_moves(objects, names.upload(project)))
    gathered = list(_moves(objects, names.batch(project)))
    last_uploads, last_batches = _last(moved, "upload_id"), _last(gathered, "batch_id")
    return {
        **{names.sk_upload(identifier): row for identifier, row in last_uploads.items()},
        **{names.sk_batch(identifier): row for identifier, row in last_batches.items()},
        **_files(last_uploads.values()),
        **_members(last_uploads.values()),
        **_gatherings(project, last_uploads.values(), last_batches),
        **_versions(objects, project),
        **tags.rows_of(objects, project),
        **_audit([*moved, *gathered]),
    }


def difference(expected: Rows, index: Index, project: str) -> Difference:
    """The table against the facts."""
    pk, found = names.pk(project), Difference()
    stored = {row["sk"]: row for prefix in (*PREFIXES, names.AUDIT) for row in index.query(pk, prefix)}
    for sk, row in expected.items():
        if sk not in stored:
            found.missing.append(sk)
        elif stored[sk] != {**row, "pk": pk, "sk": sk}:
            found.changed.append(sk)
    found.strange.extend(sk for sk in stored if sk not in expected and sk.startswith(PREFIXES))
    return found


def rebuild(expected: Rows, wanted: Iterable[str], *, index: Index, project: str) -> int:
    """Write the rows of these sort keys; how many they were. Run again after a kill, it writes what is left."""
    pk, keys = names.pk(project), list(wanted)
    for start in range(0, len(keys), AT_ONCE):
        index.transact([Put(pk, sk, expected[sk]) for sk in keys[start : start + AT_ONCE]])
    return len(keys)


def _moves(objects: ObjectStore, prefix: str) -> Iterator[Row]:
    """The rows that each move left."""
    for key in objects.keys(prefix):
        if key.rpartition("/")[2].removesuffix(".json").isdigit():
            yield json.loads(objects.get(key))


def _last(moved: Iterable[Row], identifier: str) -> Rows:
    last: Rows = {}
    for row in moved:
        if row["moves"] >= last.get(row[identifier], row)["moves"]:
            last[row[identifier]] = row
    return last


def _files(last: Iterable[Row]) -> Rows:
    noted: Rows = {}
    for upload in last:
        if "file_epoch" in upload:
            row = uploads.file_row(upload)
            if row["epoch"] >= noted.get(names.sk_file(row["path"]), row)["epoch"]:
                noted[names.sk_file(row["path"])] = row
    return noted


def _members(last: Iterable[Row]) -> Rows:
    puts = [batches.member(upload) for upload in last if "batch_id" in upload]
    return {put.sk: dict(put.row) for put in puts}


def _gatherings(project: str, last: Iterable[Row], closed: Rows) -> Rows:
    """What each folder gathers: the members of its newest batch, the last of which tells the rest."""
    members: dict[str, list[Row]] = {}
    for upload in last:
        if "batch_id" in upload:
            members.setdefault(upload["folder"], []).append(upload)
    rows: Rows = {}
    for folder, every in members.items():
        generation = max(upload["generation"] for upload in every)
        newest = [upload for upload in every if upload["generation"] == generation]
        latest = max(newest, key=lambda upload: int(upload["place"]))
        rows[names.sk_gathering(folder)] = batches.gathering_row(
            project,
            folder,
            generation,
            latest=latest["upload_id"],
            complete=any(upload["state"] == uploads.MARKER for upload in newest),
            members=latest["place"],
            state=batches.CLOSED if latest["batch_id"] in closed else batches.OPEN,
        )
    return rows


def _versions(objects: ObjectStore, project: str) -> Rows:
    facts = {number: versions.read_fact(objects, project, number) for number in versions.numbers(objects, project)}
    marks, rows = erasures.rows_of(objects, project, facts)
    for number, fact in facts.items():
        erased = {"erased": marks[number]} if number in marks else {}
        rows[names.sk_dataset(number)] = {**versions.row_of(fact, fact["identity"]), **erased}
        rows[names.sk_content(fact["content"])] = {"dataset_version": number}
        rows[names.COUNTER_DATASETS] = versions.counter(number)
    return rows


def _audit(moved: Iterable[Row]) -> Rows:
    """The audit rows of the moves."""
    records = [dict(row["audit"]) for row in moved]
    return {record.pop("sk"): record for record in records}
