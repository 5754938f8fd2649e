"""CloseRun: the last word on a run, in its row and in the audit.

Called with the verdict after EvaluateCandidate, with the error that ended the run, or when a person stopped its
search. Needs nothing but the core layer.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

from tidemill import names
from tidemill.errors import ConflictError, RecordNotFound
from tidemill.governance import audit
from tidemill.ports import Clock, Index, ObjectStore, Put, Row, Update
from tidemill.training import facts
from tidemill.training.gates import Gate

State = Literal["passed", "refused", "failed", "stopped"]
# A run that passed can still fail: its release may not start.
_BEFORE: Mapping[str, tuple[str, ...]] = {
    "passed": ("running",),
    "refused": ("running",),
    "stopped": ("running",),
    "failed": ("running", "passed"),
}


def close_run(
    *,
    project: str,
    run_id: str,
    state: State,
    error: Mapping[str, Any] | None,
    objects: ObjectStore,
    index: Index,
    clock: Clock,
) -> dict[str, Any]:
    """The state, and the id of the release that is to start (None unless the run passed).

    `error` is the state machine's `{Error, Cause}`. Raises RecordNotFound (a verdict without a run or an
    evaluation), ConflictError (the run has ended otherwise).
    """
    pk, sk, now = names.pk(project), names.sk_run(run_id), clock()
    row = index.get(pk, sk)
    outcome = {"state": state, "release_id": run_id if state == "passed" else None}
    if row is not None and row["state"] == state:
        return outcome
    if state == "stopped":
        found = _stop(row or {})
    else:
        found = _failure(error) if state == "failed" else _evidence(project, run_id, objects)
    closing = {**outcome, **found, "ended_at": now.isoformat()}
    details = {name: closing[name] for name in ("state", "reason", "error") if name in closing}
    index.transact(
        [
            _change(pk, sk, run_id, row, state, closing),
            audit.entry(
                project=project,
                action=f"training.{state}",
                subject=f"run {run_id}",
                at=now,
                by="close_run",
                **details,
            ),
        ]
    )
    return outcome


def _change(pk: str, sk: str, run_id: str, row: Row | None, state: State, closing: Row) -> Put | Update:
    if row is None and state == "failed":
        # It failed before PlanTrials could open it; nothing else is known of it.
        return Put(pk, sk, {"run_id": run_id, "at": closing["ended_at"], **closing}, if_absent=True)
    if row is None:
        raise RecordNotFound(f"run {run_id!r} does not exist; PlanTrials opens it")
    if row["state"] not in _BEFORE[state]:
        raise ConflictError(f"run {run_id!r} has ended as {row['state']!r} and cannot become {state!r}")
    return Update(pk, sk, closing, if_equal={"state": row["state"]})


def _evidence(project: str, run_id: str, objects: ObjectStore) -> Row:
    evaluation = facts.read(objects, facts.evaluation_key(project, run_id))
    best = facts.read(objects, facts.best_key(project, run_id))
    return {
        "reason": evaluation["reason"],
        "best": {name: best[name] for name in ("trial", "value", "algorithm")},
        "metrics": evaluation["metrics"],
        "gates": [_short(gate) for gate in evaluation["gates"]],
        "trials": best["completed"] + best["pruned"] + best["failed"],
    }


def _stop(row: Row) -> Row:
    asked = row.get("stop") or {}
    return {"reason": f"stopped by {asked.get('by', 'somebody')}: {asked.get('reason', 'no reason was given')}"}


def _short(gate: Gate) -> Row:
    return {name: gate[name] for name in ("gate", "verdict", "value", "threshold", "reason") if name in gate}


def _failure(error: Mapping[str, Any] | None) -> Row:
    """The error's name and the words, out of what the state machine caught."""
    caught = error or {}
    name, cause = str(caught.get("Error", "Unknown")), str(caught.get("Cause", ""))
    return {"error": name, "reason": f"failed: {name}: {_message(cause)}"[:1000]}


def _message(cause: str) -> str:
    """Lambda's cause is JSON with the exception's message and stack; the message is for people."""
    try:
        document = json.loads(cause)
    except ValueError:
        return cause or "no cause was given; see the execution's history"
    return str(document.get("errorMessage", cause)) if isinstance(document, dict) else cause
