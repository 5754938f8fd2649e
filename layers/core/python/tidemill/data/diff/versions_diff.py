"""The difference of two dataset versions of a project, as one JSON object.

Called by `tidemill data diff`, on the client: it reads objects, writes none, and needs no table. `report` makes a
page of it, `words` a sentence.
"""

from collections.abc import Sequence
from typing import Any

from tidemill.data import profiles, versions
from tidemill.data.diff.columns import any_change, compare_columns, compared_as, kinds_of
from tidemill.data.diff.distributions import compare_distributions
from tidemill.data.diff.files import any_file, compare_files, to_read
from tidemill.data.diff.rows_diff import Progress, Side, compare_rows
from tidemill.data.manifests import File
from tidemill.data.sketches.dataset import DatasetSketch
from tidemill.errors import RecordNotFound, RequestInvalid
from tidemill.ports import ObjectStore
from tidemill.projects import Kind, Project

MEMORY = 512 << 20
_SHOWN = ("version", "identity", "created", "author", "reason", "rows", "bytes")
Kinds = dict[str, Kind]


def diff(
    project: Project,
    before: int,
    after: int,
    objects: ObjectStore,
    *,
    keys: Sequence[str] | None = None,
    examples: int = 20,
    memory_bytes: int = MEMORY,
    rows: bool = True,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """What changed from version `before` to version `after`.

    `keys` name a row (default: the key of the project file); without any, rows are told apart by all their values,
    and none counts as changed. `rows=False` leaves rows out (None), so that no data file is read. About
    `memory_bytes` are used for rows; what is more goes to a temporary directory.

    Gives `project`, `before` and `after` (what the manifests say), `equal`, `files` (see `compare_files`),
    `schema` (`compare_columns`), `rows` (`compare_rows`), `distributions` (`compare_distributions`; None where a
    version has no sketch). Raises RecordNotFound for a version that is not there, RequestInvalid for a key that is
    no column of both, ProjectInvalid for a file that does not fit its version's columns any more."""
    facts = [versions.read_fact(objects, project.name, version) for version in (before, after)]
    sketches = [_sketch(objects, project.name, fact) for fact in facts]
    kinds = [kinds_of(fact, sketch, project.columns) for fact, sketch in zip(facts, sketches, strict=True)]
    common = compared_as(*kinds)
    named, note = _keys(project, keys, common)
    files, schema = compare_files(*facts), compare_columns(*kinds)
    found = None
    if rows:
        old, new = (_side(*side, common) for side in zip(facts, to_read(*facts), kinds, strict=True))
        found = compare_rows(
            objects,
            old,
            new,
            compared=list(common),
            keys=named,
            examples=examples,
            memory_bytes=memory_bytes,
            progress=progress or _silent,
        ) | {"note": note}
    return {
        "project": project.name,
        **{name: _shown(fact) for name, fact in zip(("before", "after"), facts, strict=True)},
        "equal": not any_file(files) and not any_change(schema),
        "files": files,
        "schema": schema,
        "rows": found,
        "distributions": _distributions(project, *sketches),
    }


def _silent(done: int, total: int) -> None:
    """Nobody wants to know."""


def _sketch(objects: ObjectStore, project: str, fact: versions.Document) -> DatasetSketch | None:
    """None for a version of which not all files were sketched."""
    try:
        return profiles.of_version(objects, project, fact)
    except RecordNotFound:
        return None


def _side(fact: versions.Document, files: tuple[File, ...], kinds: Kinds, common: Kinds) -> Side:
    """All columns of the version, those of both as what they are compared as."""
    return Side(files, {**kinds, **common}, fact["rows"])


def _keys(project: Project, asked: Sequence[str] | None, common: Kinds) -> tuple[list[str], str | None]:
    """The columns that name a row, and what is to be said of them."""
    named = list(dict.fromkeys(project.key if asked is None else asked))
    missing = [name for name in named if name not in common]
    if not missing:
        return named, None
    told = f"{', '.join(map(repr, missing))} is not in both versions"
    if asked is not None:
        raise RequestInvalid("key", f"{told}; columns of both are {', '.join(map(repr, common)) or 'none'}")
    return [], f"The project's key is not used: {told}. Rows are told apart by all their values."


def _shown(fact: versions.Document) -> dict[str, Any]:
    return {**{name: fact[name] for name in _SHOWN}, "files": len(fact["files"])}


def _distributions(
    project: Project, before: DatasetSketch | None, after: DatasetSketch | None
) -> dict[str, Any] | None:
    return None if before is None or after is None else compare_distributions(project, before, after)
