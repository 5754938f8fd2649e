"""The records of a release: its plan and its decision (facts on S3), and its row in the table."""

import json
from collections.abc import Mapping
from typing import Any

from tidemill import canonical, names
from tidemill.errors import RecordNotFound
from tidemill.ports import Index, ObjectStore, Row
from tidemill.projects import Rollout
from tidemill.projects.recipe import Costs
from tidemill.release.losses import Measure

PLAN = "plan.json"
DECISION = "decision.json"
REVERSAL = "reversal.json"


def look_name(look: int) -> str:
    return f"look-{look:04d}.json"


def row(index: Index, project: str, release_id: str) -> Row:
    """The release's row. Raises RecordNotFound."""
    found = index.get(names.pk(project), names.sk_release(release_id))
    if found is None:
        raise RecordNotFound(f"release {release_id!r} of project {project!r} was never started; list the releases")
    return found


def keep(
    objects: ObjectStore, project: str, release_id: str, name: str, fact: Mapping[str, Any]
) -> dict[str, Any]:
    """Write a fact of the release unless it is written, and give what is written: the first one stands."""
    key = names.release(project, release_id) + name
    objects.put_new(key, canonical.dumps(fact), content_type="application/json")
    return read(objects, project, release_id, name)


def read(objects: ObjectStore, project: str, release_id: str, name: str) -> dict[str, Any]:
    """A fact of the release. Raises RecordNotFound."""
    fact: dict[str, Any] = json.loads(objects.get(names.release(project, release_id) + name))
    return fact


def rules(plan: Mapping[str, Any]) -> Rollout:
    """The rollout's rules as they were when the release began; a deployment during a release changes none."""
    return Rollout.model_validate(plan["rollout"])


def measure(plan: Mapping[str, Any]) -> Measure:
    """What the release compares, as it was when it began."""
    laid_down = rules(plan)
    costs = Costs.model_validate(plan.get("costs", {}))
    return Measure(
        laid_down.measured(plan["task"]), costs, laid_down.unit, laid_down.covariate, laid_down.assignment
    )
