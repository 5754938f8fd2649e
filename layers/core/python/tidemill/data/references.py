"""References: what a person writes for a dataset version, and which number it means.

    3, v3                          the version of that number
    latest                         the newest version
    train                          where the tag points
    9f3ab2c4                       the version whose identity begins so (8 hexadecimal digits or more)
    2026-03-01, @2026-03-01T12:00Z the version that was current at that time
    train@{2026-03-01T12:00}       where the tag pointed at that time

Times are ISO 8601, UTC unless they say otherwise, a date is its first instant. A version was current at T if it is
the newest *number* whose recorded `at` is not later than T, and so for a tag's moves: clocks are looked up in what
is recorded, they never order anything. The client and the commands read references; nothing is written.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tidemill import names
from tidemill.data import tags, versions
from tidemill.errors import RecordNotFound, RequestInvalid
from tidemill.ports import Index, ObjectStore, Row

LATEST = tags.LATEST
FORMS = "a number (3, v3), latest, a tag, an identity (8 digits or more), or a time (@2026-03-01T12:00)"
SHOWN = 12  # hexadecimal digits of an identity in a message
_TIME = re.compile(r"\d{4}-\d{2}.*")
_NUMBER = re.compile(r"[vV]?(\d{1,7})")
_IDENTITY = re.compile(r"[0-9a-fA-F]{8,64}")


@dataclass(frozen=True)
class Reference:
    """`name`: a number, `latest`, a tag or the beginning of an identity; `at`: the time to look back to."""

    name: str
    at: datetime | None = None


def split(text: str, default: str = LATEST) -> tuple[str, str]:
    """Project and reference of `flights@train`; `default` where there is no reference."""
    project, _, reference = text.partition("@")
    return project, reference or default


def parse(text: str) -> Reference:
    """Raises RequestInvalid when `text` has none of the forms."""
    name, at, moment = text.strip().partition("@")
    if not at and _braceless(name) is not None:
        name, moment = "", name
    if not name and not moment:
        raise RequestInvalid("version", f"{text!r} is no version; write {FORMS}")
    when = parse_time(moment) if at or moment else None
    name = name or LATEST
    if when is not None and name != LATEST and (_NUMBER.fullmatch(name) or not tags.NAME.fullmatch(name)):
        raise RequestInvalid("version", f"{text!r}: only `latest` and tags move; write {name} without a time")
    return Reference(name, when)


def parse_time(text: str) -> datetime:
    """An ISO 8601 time, in braces or not, in UTC. Raises RequestInvalid."""
    try:
        moment = datetime.fromisoformat(text.strip().removeprefix("@").removeprefix("{").removesuffix("}"))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise RequestInvalid(
            "time", f"{text!r} is not a time; write it as 2026-03-01, 2026-03-01T12:00 or 2026-03-01T12:00+01:00"
        ) from error


def resolve(reference: str, *, project: str, objects: ObjectStore, index: Index) -> int:
    """The number of the version that `reference` means. Raises RequestInvalid (none of the forms), RecordNotFound
    (there is no such version, tag or time), with what comes nearest."""
    wanted = parse(reference)
    if wanted.name != LATEST and wanted.at is not None:
        return _tag_at(wanted.name, wanted.at, project, objects, index)
    if wanted.at is not None:
        return _version_at(wanted.at, project, index)
    number = _NUMBER.fullmatch(wanted.name)
    if wanted.name == LATEST or number:
        return _numbered(int(number[1]) if number else None, project, index)
    if _IDENTITY.fullmatch(wanted.name):
        return _identified(wanted.name.lower(), project, index)
    return _tagged(wanted.name, project, index)


def current_at(recorded: Iterable[Mapping[str, Any]], at: datetime) -> Mapping[str, Any] | None:
    """Of rows ordered by their number, the last one whose recorded `at` is not later."""
    return next((row for row in reversed(list(recorded)) if datetime.fromisoformat(str(row["at"])) <= at), None)


def _braceless(name: str) -> str | None:
    bare = name.removeprefix("{").removesuffix("}")
    return bare if _TIME.fullmatch(bare) else None


def _numbered(number: int | None, project: str, index: Index) -> int:
    head = versions.head(index, project)
    if head == 0:
        raise RecordNotFound(
            f"project {project!r} has no dataset version yet; upload one: `tidemill data push {project} FILE`"
        )
    if number is not None and index.get(names.pk(project), names.sk_dataset(number)) is None:
        known = "only version 1" if head == 1 else f"versions 1 to {head}"
        raise RecordNotFound(f"project {project!r} has no dataset version {number}; it has {known}")
    return head if number is None else number


def _identified(prefix: str, project: str, index: Index) -> int:
    rows = index.query(names.pk(project), names.DATASETS)
    found = [int(row["version"]) for row in rows if str(row["identity"]).startswith(prefix)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(f"v{number}" for number in found)
        raise RecordNotFound(
            f"identity {prefix} begins several versions of {project!r} ({listed}); write more of it"
        )
    near = difflib.get_close_matches(
        prefix, [str(row["identity"])[: len(prefix)] for row in rows], n=1, cutoff=0.6
    )
    hint = [
        f"v{row['version']} is {str(row['identity'])[:SHOWN]}"
        for row in rows
        if near and near[0] in row["identity"]
    ]
    where = hint[0] if hint else f"`tidemill data log {project}` lists them"
    raise RecordNotFound(f"no dataset version of {project!r} has an identity that begins with {prefix}; {where}")


def _tagged(tag: str, project: str, index: Index) -> int:
    row = tags.read(index, project, tag)
    if row["version"]:
        return int(row["version"])
    if row["epoch"]:
        raise RecordNotFound(
            f"tag {tag!r} of {project!r} was removed (it pointed to version {row['previous']}); "
            f"`tidemill data tags {project} --history {tag}` shows where it was"
        )
    raise _no_tag(tag, project, index)


def _tag_at(tag: str, at: datetime, project: str, objects: ObjectStore, index: Index) -> int:
    moves = tags.history(project, tag, objects=objects, index=index)
    if not moves:
        raise _no_tag(tag, project, index)
    move = current_at(moves, at)
    if move is None:
        raise RecordNotFound(
            f"tag {tag!r} of {project!r} did not exist at {show(at)}; its first move is of {moves[0]['at']} "
            f"(to version {moves[0]['version']})"
        )
    if not move["version"]:
        raise RecordNotFound(f"tag {tag!r} of {project!r} was removed at {show(at)} (at {move['at']})")
    return int(move["version"])


def _version_at(at: datetime, project: str, index: Index) -> int:
    rows: list[Row] = index.query(names.pk(project), names.DATASETS)
    found = current_at(rows, at)
    if found is not None:
        return int(found["version"])
    _numbered(None, project, index)
    raise RecordNotFound(
        f"project {project!r} had no dataset version at {show(at)}; the first, v{rows[0]['version']}, is of "
        f"{rows[0]['at']}"
    )


def _no_tag(tag: str, project: str, index: Index) -> RecordNotFound:
    known = [row["tag"] for row in tags.listing(index, project)]
    near = difflib.get_close_matches(tag, [*known, LATEST], n=1)
    if near:
        hint = f"did you mean {near[0]!r}?"
    elif known:
        hint = f"its tags: {', '.join(known[:10])}"
    else:
        hint = f"it has no tags yet; set one with `tidemill data tag {project} {tag} latest`"
    wrong = "" if tags.NAME.fullmatch(tag) else f" (nor is it {FORMS})"
    return RecordNotFound(f"project {project!r} has no tag {tag!r}{wrong}; {hint}")


def show(at: datetime) -> str:
    """A time in UTC as it is written in a reference."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
