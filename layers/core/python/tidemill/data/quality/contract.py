"""The contract that a data set keeps by itself: what its first version showed, beyond the project file's rules.

ValidateVersion infers it from the sketches of the first batch, and of a column when it first appears; a later
batch that keeps it no more is told (`quality.contract`: allow, warn or refuse). What the project file says of a
column takes the place of what was inferred. Contracts are kept under their digest,
`contracts/<project>/<digest>.json`, and each version names its own.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tidemill import canonical, names
from tidemill.data.quality.faults import Fault
from tidemill.data.sketches.categories import CategorySketch
from tidemill.data.sketches.dataset import DatasetSketch, Sketch
from tidemill.data.sketches.numeric import NumericSketch
from tidemill.ports import ObjectStore
from tidemill.projects import Project

FORM = 1
MOST_VALUES = 50
"""Distinct values up to which a category column is taken for a closed set."""
ROWS_PER_VALUE = 10
"""Rows per distinct value from which on a set of categories is taken for complete."""
SLACK = 0.1
"""Share of its range by which a column may leave it: extremes grow with the number of rows."""
Columns = dict[str, dict[str, Any]]


def infer(sketch: DatasetSketch) -> Columns:
    """What the rows show of each column: `type`, `nullable`; numbers: `minimum`, `maximum`; few categories:
    `allowed`; `unique` where no value comes twice (and all are counted)."""
    return {name: _inferred(column) for name, column in sorted(sketch.columns.items())}


def merge(known: Columns, sketch: DatasetSketch, project: Project) -> Columns:
    """The contract of a version: what was known, what the columns that are new show, and the project's rules."""
    ruled = {name: rule.model_dump(mode="json", exclude_none=True) for name, rule in project.columns.items()}
    inferred = {name: _discreet(name, column, project) for name, column in infer(sketch).items()}
    merged = {**inferred, **known}
    return {name: {**column, **ruled.get(name, {})} for name, column in sorted(merged.items())}


def deviations(known: Columns, sketch: DatasetSketch, project: Project) -> Iterator[Fault]:
    """Where the rows of a batch do not keep the contract. What the project file has a rule for was judged before,
    row by row."""
    for name, promised in known.items():
        column = sketch.columns.get(name)
        ruled = name in project.columns
        if column is None:
            if not ruled:
                yield Fault("column_gone", name, f"column {name!r} was there so far and is not any more")
        elif column.kind.value != promised["type"]:
            told = f"column {name!r} was {promised['type']} so far and is {column.kind.value} now"
            yield Fault("type_changed", name, told)
        else:
            yield from _kept(name, promised, column, ruled=ruled)


def write(objects: ObjectStore, project: str, columns: Columns) -> str:
    """Write a contract under its digest, once; give its key."""
    body = canonical.dumps({"form": FORM, "project": project, "columns": columns})
    key = names.contract(project, canonical.sha256(body))
    objects.put_new(key, body, content_type="application/json")
    return key


def read(objects: ObjectStore, key: str | None) -> Columns:
    """The columns of the contract at `key`; none without one. Raises RecordNotFound."""
    if key is None:
        return {}
    columns: Columns = json.loads(objects.get(key))["columns"]
    return columns


def _discreet(name: str, column: dict[str, Any], project: Project) -> dict[str, Any]:
    """What is kept of a column: of one that names somebody, no value, since a contract outlives an erasure."""
    if name in (*project.key, *project.sensitive, project.entity):
        return {shown: column[shown] for shown in ("type", "nullable", "unique") if shown in column}
    return column


def _inferred(column: Sketch) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": column.kind.value, "nullable": column.missing > 0}
    if not column.count:
        return {**shown, "nullable": True}
    if isinstance(column, NumericSketch):
        low, high = column.quantile(0), column.quantile(1)
        return {**shown, "minimum": low, "maximum": high}
    if isinstance(column, CategorySketch) and column.exact:
        few = len(column.values) <= min(MOST_VALUES, column.count / ROWS_PER_VALUE)
        once = all(count == 1 for count in column.values.values())
        return {**shown, "unique": once, **({"allowed": sorted(column.values)} if few else {})}
    return shown


def _kept(name: str, promised: Mapping[str, Any], column: Sketch, *, ruled: bool) -> Iterator[Fault]:
    if column.missing and not promised.get("nullable", True) and not ruled:
        told = f"column {name!r}: {column.missing} values are missing; none was so far"
        yield Fault("nulls_came", name, told, column.missing)
    if isinstance(column, NumericSketch) and column.count and not ruled:
        yield from _range(name, promised, column)
    if isinstance(column, CategorySketch):
        new = sorted(set(column.values) - set(promised.get("allowed", column.values)))
        if new and not ruled:
            count = sum(column.values[value] for value in new)
            told = f"column {name!r}: {len(new)} categories are new ({count} rows)"
            yield Fault("new_categories", name, told, count)
        double = sum(count - 1 for count in column.values.values())
        if promised.get("unique") and double:
            told = f"column {name!r}: {double} values come more than once; each was unique so far"
            yield Fault("unique_no_more", name, told, double)


def _range(name: str, promised: Mapping[str, Any], column: NumericSketch) -> Iterator[Fault]:
    low, high = promised.get("minimum"), promised.get("maximum")
    if low is None or high is None:
        return
    slack = SLACK * (high - low)
    least, most = column.quantile(0), column.quantile(1)
    if least < low - slack or most > high + slack:
        told = f"column {name!r} reaches from {least:g} to {most:g}; so far it did from {low:g} to {high:g}"
        yield Fault("out_of_range", name, told)
