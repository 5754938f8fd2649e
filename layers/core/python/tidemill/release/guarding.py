"""The alarms on a challenger follow the pointer, as the alias does.

A challenger is watched from before its first request until its release ends. Whoever moved the pointer, or comes
to act on it, lets the alarms follow what it says now, so that a process that was killed in between is made up for
by the next one; between a publication and the first share nobody is watched, which also takes away what an earlier
release has left.
"""

from tidemill.errors import ConflictError
from tidemill.ports import Guards, Index, ObjectStore, Row, Watch
from tidemill.release import pointer as live
from tidemill.release import record

ATTEMPTS = 10


def follow(index: Index, objects: ObjectStore, guards: Guards, project: str) -> None:
    """Watch the challenger that has traffic now, or nobody. Raises ConflictError if the pointer moves all the time
    (try again).

    It is read again afterwards: of two that follow at the same time, the one that read first may be the one that
    sets last.
    """
    for _ in range(ATTEMPTS):
        pointer = live.read(index, project)
        watch = _watch(objects, project, pointer)
        if watch is None:
            guards.clear(project)
        else:
            guards.set(project, watch)
        if live.read(index, project)["epoch"] == pointer["epoch"]:
            return
    raise ConflictError(f"the pointer of {project!r} moved {ATTEMPTS} times; try again")


def _watch(objects: ObjectStore, project: str, pointer: Row) -> Watch | None:
    """What is to be watched by the rules that the release began with."""
    challenger = pointer["challenger"]
    if challenger is None or not pointer["weight"]:
        return None
    rails = record.rules(record.read(objects, project, pointer["release_id"], record.PLAN)).guardrails
    return Watch(
        release_id=pointer["release_id"],
        version=challenger["function_version"],
        errors=rails.errors,
        p95_ms=rails.p95_ms,
        min_requests=rails.min_requests,
        within=pointer["experiment"],
    )
