"""JudgeExperiment: one look at a running release.

Reads captured predictions and outcomes, writes `look-NNNN.json` with every number the verdict was made from (so
that it can be made again), and the number of looks into the release's row. A look that was taken is not taken
again.
"""

import math
from collections import Counter
from datetime import datetime
from functools import partial
from typing import Any

from tidemill import names
from tidemill.errors import ConflictError, RecordNotFound
from tidemill.ports import Clock, Index, ObjectStore, Row, Update
from tidemill.projects import Rollout
from tidemill.release import experiment, overdue, paired, pairs, record, shadowed, verdict, watch
from tidemill.release import pointer as live
from tidemill.release.hold_release import age_days
from tidemill.release.shift_traffic import wait_seconds

PAUSED_SECONDS = 3600
"""Between two looks at whether a paused release was resumed: an execution has no more than 25,000 events, which a
release must not use up while nothing happens."""


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
    """`verdict`, `reason`, and for the next state: `step`, `look`, `wait_seconds`, `plan`.

    `look` numbers the looks from 1; asking for the same one again gives the same answer. None: the next one.
    Raises RecordNotFound, and ConflictError if the release was changed meanwhile (try again).
    """
    plan = record.read(objects, project, release_id, record.PLAN)
    rules, release = record.rules(plan), record.row(index, project, release_id)
    if release["state"] != "running":
        reason = f"the release is {release['state']}: {release.get('reason')}"
        return _answer("settled", reason, step=release["step"], look=release["looks"], wait=0, rules=rules)
    number, here = look or release["looks"] + 1, max(0, release["step"])
    waiting = partial(_answer, look=number, rules=rules)
    if release.get("paused_at"):
        reason = f"paused by {release['paused_by']}: {release['paused_reason']}"
        return waiting("continue", reason, step=release["step"], wait=math.ceil(look_seconds or PAUSED_SECONDS))
    if release["step"] >= 0 and release.get("since") is None:
        # Resumed by one who was killed on the way: ShiftTraffic makes the alias follow, and begins the step.
        again = wait_seconds(rules, here, look_seconds)
        return waiting("advance", "the release is resumed", step=release["step"], wait=again)
    taken = _taken(objects, project, release_id, number)
    if taken is None:
        fact = _look(number, plan, release, objects=objects, index=index, now=clock())
        taken = record.keep(objects, project, release_id, record.look_name(number), fact)
    if release["looks"] < number:
        expected = {"state": "running", "looks": release["looks"], "paused_at": None}
        row = {"looks": number, "verdict": taken["verdict"], "reason": taken["reason"]}
        index.transact([Update(names.pk(project), names.sk_release(release_id), row, if_equal=expected)])
    wait = wait_seconds(rules, taken["step"], look_seconds)
    if release.get("resumed_at") and taken["at"] < release["resumed_at"]:
        reason = "this look was taken before the release was paused; the step has started anew"
        return _answer("continue", reason, step=release["step"], look=number + 1, wait=wait, rules=rules)
    step = taken["step"] + (taken["verdict"] == "advance")
    return _answer(taken["verdict"], taken["reason"], step=step, look=number + 1, wait=wait, rules=rules)


def _answer(word: str, reason: str, *, step: int, look: int, wait: int, rules: Rollout) -> Row:
    plan = rules.stages()[max(0, step)].plan
    return {
        "verdict": word,
        "reason": reason,
        "step": step,
        "look": look,
        "wait_seconds": wait,
        "plan": plan,
    }


def _taken(objects: ObjectStore, project: str, release_id: str, number: int) -> dict[str, Any] | None:
    try:
        return record.read(objects, project, release_id, record.look_name(number))
    except RecordNotFound:
        return None


def _look(
    number: int, plan: dict[str, Any], release: Row, *, objects: ObjectStore, index: Index, now: datetime
) -> dict[str, Any]:
    project, rules, measure = plan["project"], record.rules(plan), record.measure(plan)
    pointer = live.read(index, project)
    if release.get("since") is None:
        raise ConflictError(f"release {release['release_id']!r} has no traffic yet; shift it, then look")
    stage, counted = rules.stages()[release["step"]], Counter[str]()
    judged = LOOKS.get(stage.plan, _split)
    of_step = number - int(release.get("looks_before") or 0)
    found = judged(of_step, plan, release, pointer["champion"], objects=objects, now=now, counted=counted)
    return {
        "look": number,
        "look_of_step": of_step,
        "step": release["step"],
        "plan": stage.plan,
        "epoch": pointer["epoch"],
        "since": release["since"],
        "at": now.isoformat(),
        "metric": measure.metric,
        "unit": measure.unit,
        "covariate": measure.covariate,
        "read": dict(sorted(counted.items())),
        "verdict": found.word,
        "reason": found.reason,
        **found.numbers,
    }


def _split(
    number: int,
    plan: dict[str, Any],
    release: Row,
    champion: Row,
    *,
    objects: ObjectStore,
    now: datetime,
    counted: Counter[str],
) -> verdict.Verdict:
    """Both arms, since they have had their shares."""
    project, measure, since = plan["project"], record.measure(plan), datetime.fromisoformat(release["since"])
    span: dict[str, Any] = {"since": since, "until": now, "counted": counted}
    requests = experiment.read_requests(objects, project, covariate=measure.covariate, **span)
    outcomes = experiment.read_outcomes(objects, project, requests=requests, **span)
    variants = [side["function_version"] for side in (release, champion)]
    arms = experiment.arms(requests, outcomes, variants=variants, measure=measure)
    days = age_days(release, now)
    rules, variant = record.rules(plan), release["function_version"]
    found = verdict.judge(*arms, rules=rules, step=release["step"], look=number, days=days)
    late = overdue.count(requests.values(), outcomes, variant=variant, rules=rules, now=now)
    return overdue.judged(found, late, rules)


def _watched(
    number: int,
    plan: dict[str, Any],
    release: Row,
    champion: Row,
    *,
    objects: ObjectStore,
    now: datetime,
    counted: Counter[str],
) -> verdict.Verdict:
    """The challenger since it has had all requests, the champion before."""
    project, measure, since = plan["project"], record.measure(plan), datetime.fromisoformat(release["since"])
    rules = record.rules(plan)
    first = watch.before(rules, since)
    span: dict[str, Any] = {"since": first, "until": now, "counted": counted}
    requests = experiment.read_requests(objects, project, covariate=measure.covariate, **span)
    outcomes = experiment.read_outcomes(objects, project, requests=requests, **span)
    # Either may have answered at other times, in an earlier release or as its last requests came to an end.
    times = {True: release["function_version"], False: champion["function_version"]}
    seen = {
        request_id: request
        for request_id, request in requests.items()
        if request.variant == times[datetime.fromisoformat(request.at) >= since]
    }
    arms = experiment.arms(seen, outcomes, variants=[times[True], times[False]], measure=measure)
    minutes = (now - since).total_seconds() / 60
    found = watch.judge(*arms, rules=rules, step=release["step"], minutes=minutes)
    late = overdue.count(seen.values(), outcomes, variant=times[True], rules=rules, now=now)
    return overdue.judged(found, late, rules)


def _shadowed(
    number: int,
    plan: dict[str, Any],
    release: Row,
    champion: Row,
    *,
    objects: ObjectStore,
    now: datetime,
    counted: Counter[str],
) -> verdict.Verdict:
    """Both models on the requests that the challenger was asked in the background."""
    project, measure, rules, step = plan["project"], record.measure(plan), record.rules(plan), release["step"]
    stage = rules.stages()[step]
    since, until = shadowed.span(stage.plan, rules, release, now)
    captured = experiment.read_requests(
        objects, project, since=since, until=until, counted=counted, variant=champion["function_version"]
    )
    requests = {
        request_id: request
        for request_id, request in captured.items()
        if not request.masked and datetime.fromisoformat(request.at) < until
    }
    answers = list(shadowed.answers(objects, shadowed.folder(project, release["release_id"], step)))
    outcomes = experiment.read_outcomes(
        objects, project, since=since, until=now, requests=captured, counted=counted
    )
    sides = (release["function_version"], champion["function_version"])
    seen = pairs.compare(requests, answers, outcomes, variants=sides, measure=measure)
    wanted = min(len(requests), rules.replay_requests)
    hours = (now - since).total_seconds() / 3600
    over = len(answers) >= wanted if stage.plan == "replay" else hours >= rules.shadow_hours
    shadow = pairs.shadow(stage.plan, requests, answers, over=over)
    return paired.judge(*seen, shadow, rules=rules, step=step, look=number)


LOOKS = {"replay": _shadowed, "shadow": _shadowed, "blue_green": _watched}
