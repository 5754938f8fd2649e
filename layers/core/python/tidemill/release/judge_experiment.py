"""JudgeExperiment: one look at a running release.

Reads captured predictions and outcomes, writes `look-NNNN.json` with every number the verdict was made from (so
that it can be made again), and the number of looks into the release's row. A look that was taken is not taken
again.
"""

from datetime import datetime
from typing import Any

from tidemill import names
from tidemill.errors import ConflictError, RecordNotFound
from tidemill.ports import Clock, Index, ObjectStore, Row, Update
from tidemill.release import experiment, record, verdict
from tidemill.release import pointer as live
from tidemill.release.hold_release import age_days
from tidemill.release.shift_traffic import wait_seconds


def judge_experiment(
    *,
    project: str,
    release_id: str,
    look: int | None,
    look_seconds: float | None,
    objects: ObjectStore,
    index: Index,
    clock: Clock,
) -> Row:
    """`verdict`, `reason`, and for the next state: `step`, `look`, `wait_seconds`.

    `look` numbers the looks from 1; asking for the same one again gives the same answer. None: the next one.
    Raises RecordNotFound, and ConflictError if the release was changed meanwhile (try again).
    """
    plan = record.read(objects, project, release_id, record.PLAN)
    release = record.row(index, project, release_id)
    if release["state"] != "running":
        reason = f"the release is {release['state']}: {release.get('reason')}"
        return _answer("settled", reason, step=release["step"], look=release["looks"], wait=0)
    number, wait = look or release["looks"] + 1, wait_seconds(record.rules(plan), look_seconds)
    if release.get("paused_at"):
        reason = f"paused by {release['paused_by']}: {release['paused_reason']}"
        return _answer("continue", reason, step=release["step"], look=number, wait=wait)
    if release["step"] >= 0 and release.get("since") is None:
        # Resumed by one who was killed on the way: ShiftTraffic makes the alias follow, and begins the step.
        return _answer("advance", "the release is resumed", step=release["step"], look=number, wait=wait)
    taken = _taken(objects, project, release_id, number)
    if taken is None:
        fact = _look(number, plan, release, objects=objects, index=index, now=clock())
        taken = record.keep(objects, project, release_id, record.look_name(number), fact)
    if release["looks"] < number:
        expected = {"state": "running", "looks": release["looks"], "paused_at": None}
        row = {"looks": number, "verdict": taken["verdict"], "reason": taken["reason"]}
        index.transact([Update(names.pk(project), names.sk_release(release_id), row, if_equal=expected)])
    if release.get("resumed_at") and taken["at"] < release["resumed_at"]:
        reason = "this look was taken before the release was paused; the step has started anew"
        return _answer("continue", reason, step=release["step"], look=number + 1, wait=wait)
    step = taken["step"] + (taken["verdict"] == "advance")
    return _answer(taken["verdict"], taken["reason"], step=step, look=number + 1, wait=wait)


def _answer(word: str, reason: str, *, step: int, look: int, wait: int) -> Row:
    return {"verdict": word, "reason": reason, "step": step, "look": look, "wait_seconds": wait}


def _taken(objects: ObjectStore, project: str, release_id: str, number: int) -> dict[str, Any] | None:
    try:
        return record.read(objects, project, release_id, record.look_name(number))
    except RecordNotFound:
        return None


def _look(
    number: int, plan: dict[str, Any], release: Row, *, objects: ObjectStore, index: Index, now: datetime
) -> dict[str, Any]:
    project = plan["project"]
    pointer = live.read(index, project)
    if release.get("since") is None:
        raise ConflictError(f"release {release['release_id']!r} has no traffic yet; shift it, then look")
    since = datetime.fromisoformat(release["since"])
    measure = record.measure(plan)
    requests = experiment.read_requests(objects, project, since=since, until=now, covariate=measure.covariate)
    outcomes = experiment.read_outcomes(objects, project, since=since, until=now)
    variants = [side["function_version"] for side in (release, pointer["champion"])]
    challenger, champion = experiment.arms(requests, outcomes, variants=variants, measure=measure)
    found = verdict.judge(
        challenger,
        champion,
        rules=record.rules(plan),
        step=release["step"],
        look=number,
        days=age_days(release, now),
    )
    return {
        "look": number,
        "step": release["step"],
        "epoch": pointer["epoch"],
        "since": release["since"],
        "at": now.isoformat(),
        "metric": measure.metric,
        "unit": measure.unit,
        "covariate": measure.covariate,
        "verdict": found.word,
        "reason": found.reason,
        **found.numbers,
    }
