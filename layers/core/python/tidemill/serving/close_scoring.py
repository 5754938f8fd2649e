"""State `CloseScoring`: counts rows in against rows out, and says what was scored, and what it took.

The serving machine calls it when no part is left; writes `result.json` and an audit row.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tidemill.errors import ScoringIncomplete
from tidemill.governance import audit
from tidemill.ports import Clock, Index, ObjectStore, Put
from tidemill.serving import scoring
from tidemill.serving.scoring import Place
from tidemill.training import cost

# The way of statemachines/serving.asl.json, for a scoring that nothing goes wrong in.
STEPS = 3
"""PlanScoring, IsPlanned, CloseScoring: when no part is left."""
STEPS_OF_A_WAVE = 5
"""PlanScoring, IsPlanned, ListParts, ScoreParts, AreScored."""

Report = Mapping[str, Any]


def close_scoring(
    *, project: str, scoring_id: str, objects: ObjectStore, index: Index, clock: Clock
) -> dict[str, Any]:
    """The result that stands. Raises ScoringIncomplete if a row is missing, or is there twice."""
    place = Place(project, scoring_id)
    result = scoring.found(objects, place.result) or _closed(place, objects, clock)
    # Also of a result that stands: who wrote it may have been killed before the row.
    index.transact([_entry(result, scoring.read(objects, place.request))])
    return result


def _closed(place: Place, objects: ObjectStore, clock: Clock) -> dict[str, Any]:
    scoring_id = place.scoring_id
    request, plan = scoring.read(objects, place.request), scoring.read(objects, place.plan)
    reports = [scoring.found(objects, place.report(part)) for part in range(1, len(plan["parts"]) + 1)]
    if faults := list(_faults(plan, reports)):
        told = f"scoring {scoring_id!r}: {faults[0]}" + (f", and {len(faults) - 1} more" if faults[1:] else "")
        raise ScoringIncomplete(f"{told}; score the file again under another name, and tell who runs Tidemill")
    done = [report for report in reports if report is not None]
    rows, errors = (sum(report[what] for report in done) for what in ("rows", "errors"))
    result = {
        "project": place.project,
        "scoring_id": scoring_id,
        "model": plan["model"],
        "files": len(plan["files"]),
        "parts": len(done),
        "rows": rows,
        "scored": rows - errors,
        "errors": errors,
        "bytes": sum(report["bytes"] for report in done),
        "output": place.outputs,
        "started_at": request["at"],
        "ended_at": clock().isoformat(),
        **_spent(plan, done),
    }
    return scoring.keep(objects, place.result, result)


def _entry(result: Mapping[str, Any], request: Mapping[str, Any]) -> Put:
    return audit.entry(
        project=result["project"],
        action="serving.scoring_closed",
        subject=f"scoring {result['scoring_id']}",
        at=datetime.fromisoformat(result["ended_at"]),
        by="close_scoring",
        model=result["model"]["version"],
        asked_by=request["by"],
        **{name: result[name] for name in ("files", "rows", "scored", "errors", "output")},
    )


def _faults(plan: Mapping[str, Any], reports: Sequence[Report | None]) -> Iterator[str]:
    """Where rows out are not rows in. How many rows a part has, PlanScoring counted, by line ends or by the file's
    own account, unless the file is compressed; then the reader's count stands for it."""
    for number, (part, report) in enumerate(zip(plan["parts"], reports, strict=True), start=1):
        place = f"part {number} of file {plan['files'][part[0] - 1]['path']!r}"
        if report is None:
            yield f"{place} was not scored"
            continue
        rows_in = report["read"] if part[-1] is None else part[-1]
        if not report["rows"] == report["read"] == rows_in:
            yield f"{place} has {rows_in} rows, {report['read']} were read and {report['rows']} were written"


def _spent(plan: Mapping[str, Any], reports: Sequence[Report]) -> dict[str, Any]:
    """What the calls took that came to an end, and that in dollars. Calls that were killed left no account."""
    waves = -(-len(reports) // scoring.WAVE)
    invocations = waves + 1 + len(reports) + 1
    transitions = STEPS + waves * STEPS_OF_A_WAVE + len(reports)
    processors = {report["processor"] for report in reports} or {"x86_64"}
    gb_seconds = plan["gb_seconds"] + sum(report["gb_seconds"] for report in reports)
    processor = min(processors)
    return {
        "seconds": plan["seconds"] + sum(report["seconds"] for report in reports),
        "gb_seconds": gb_seconds,
        "invocations": invocations,
        "transitions": transitions,
        "dollars": cost.of_calls(
            gb_seconds, invocations=invocations, transitions=transitions, processor=processor
        ),
        "prices": f"{cost.PRICES.region}, {cost.PRICES.at}",
    }
