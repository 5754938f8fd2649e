"""Sweep away what nothing reaches: contents of refused or superseded uploads, manifests that lost their race.

`tidemill data gc` calls it. What is younger than the longest upload may take is left, as its fact may be still to
come; what is old enough is looked at once more, right before it goes; and only the version of the object that was
looked at goes, so that one that was written anew meanwhile (`contents`) stays.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tidemill import names
from tidemill.data import reach
from tidemill.errors import ObjectKept, RequestInvalid
from tidemill.ports import Clock, Index, ObjectStore, Stat

OLDER_THAN = timedelta(days=7)
LEAST = timedelta(days=1)
CONTENTS = "objects/"
AGAIN = 500  # objects removed between two looks at what is reached
YOUNG, FACT, UNKNOWN = "too young", "a fact", "nobody knows what it is"
NOTES = ("reading.json", "sketch.json", "keys.json", "members.json")
"""What is noted beside the moves of uploads and batches, and can go with what it is about."""


@dataclass(frozen=True)
class Found:
    """An object that is not reached."""

    kind: str
    key: str
    stat: Stat


def collect(
    project: str,
    *,
    objects: ObjectStore,
    index: Index,
    clock: Clock,
    older_than: timedelta = OLDER_THAN,
    dry_run: bool = False,
) -> dict[str, Any]:
    """`removed`: count and bytes by kind; `kept`: the same by kind and by what keeps it; `refused`: keys that the
    store did not let go, and until when.

    Contents are shared: what any project reaches stays. Raises RequestInvalid below LEAST.
    """
    if older_than < LEAST:
        raise RequestInvalid(
            "older_than", f"{older_than} is less than a day; uploads in flight could lose their data"
        )
    before, kept, condemned = clock() - older_than, _Tally(), list[Found]()
    reached = _reached(project, objects, index)
    for kind, key, stat in _all(project, objects):
        why = _kept_by(key, reached) or (YOUNG if stat.modified > before else None)
        if why:
            kept.add((kind, why), stat)
        else:
            condemned.append(Found(kind, key, stat))
    removed, refused = _Tally(), dict[str, str | None]()
    for start in range(0, len(condemned), AGAIN):
        reached = _reached(project, objects, index)
        for found in condemned[start : start + AGAIN]:
            why = _kept_by(found.key, reached) or (None if dry_run else _remove(found, objects, refused))
            if why:
                kept.add((found.kind, why), found.stat)
            else:
                removed.add((found.kind,), found.stat)
    return {
        "project": project,
        "dry_run": dry_run,
        "older_than_days": older_than / timedelta(days=1),
        "removed": removed.told("kind"),
        "kept": kept.told("kind", "why"),
        "refused": refused,
    }


def _remove(found: Found, objects: ObjectStore, refused: dict[str, str | None]) -> str | None:
    try:
        objects.delete(found.key, version_id=found.stat.version_id)
    except ObjectKept as error:
        refused[found.key] = error.until.isoformat() if error.until else None
        return "the store keeps it"
    return None


def _all(project: str, objects: ObjectStore) -> Iterator[tuple[str, str, Stat]]:
    prefixes = {
        "contents": CONTENTS,
        "manifests": names.manifest(project, "").removesuffix(".json"),
        "profiles": names.profile(project, "").removesuffix(".json"),
        "uploads": names.upload(project),
        "batches": names.batch(project),
    }
    for kind, prefix in prefixes.items():
        for key, stat in objects.stats(prefix):
            yield kind, key, stat


def _reached(project: str, objects: ObjectStore, index: Index) -> reach.Reached:
    """What no sweep may take, as it is now."""
    reached = reach.records(objects, index, project)
    for name in {project, *reach.projects(objects)}:
        reached |= reach.contents(objects, index, name)
    return reached


def _kept_by(key: str, reached: reach.Reached) -> str | None:
    name = key.rpartition("/")[2]
    if key.startswith(("uploads/", "batches/")) and name not in NOTES:
        return FACT if reach.is_move(name) else UNKNOWN
    return reached.get(key)


class _Tally:
    """Counts and bytes, by what they are counted under."""

    def __init__(self) -> None:
        self._count, self._bytes = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()

    def add(self, under: tuple[str, ...], stat: Stat) -> None:
        self._count[under] += 1
        self._bytes[under] += stat.size

    def told(self, *titles: str) -> list[dict[str, Any]]:
        return [
            {**dict(zip(titles, under, strict=True)), "count": count, "bytes": self._bytes[under]}
            for under, count in sorted(self._count.items())
        ]
