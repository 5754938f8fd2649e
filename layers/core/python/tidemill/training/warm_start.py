"""Where a search begins if the project asks for a warm start: at the best points of the run before.

Their values are not taken over: they were measured on other rows.
"""

import itertools
from typing import Any

from tidemill import names
from tidemill.ports import Index, ObjectStore
from tidemill.projects import Project
from tidemill.training import facts
from tidemill.training.algorithms import space
from tidemill.training.plan import Trial

ENDED_WELL = ("passed", "refused")


def best_points(project: Project, run_id: str, *, objects: ObjectStore, index: Index) -> list[Trial]:
    """The `search.warm_start` best points of the last run that came to a verdict, each of which is still one of
    this project's; the best one first. Empty if there is no such run."""
    wanted = project.search.warm_start
    if not wanted:
        return []
    runs = index.query(names.pk(project.name), names.RUNS)
    ended = [row for row in runs if row["state"] in ENDED_WELL and row["run_id"] != run_id]
    if not ended:
        return []
    latest = max(ended, key=lambda row: (str(row["at"]), str(row["run_id"])))["run_id"]
    keys = objects.keys(names.run(project.name, latest) + "trials/")
    found = [facts.read(objects, key) for key in keys]
    complete = [fact for fact in found if fact["state"] == "complete" and _fits(fact, project)]
    complete.sort(key=lambda fact: (fact["value"], fact["trial"]))
    each = itertools.islice(enumerate(complete), wanted)
    return [Trial(number=n, algorithm=fact["algorithm"], parameters=fact["parameters"]) for n, fact in each]


def _fits(fact: dict[str, Any], project: Project) -> bool:
    """Whether the algorithm may be used, and its parameters are those that are varied, within their ranges."""
    if fact["algorithm"] not in project.search.algorithms:
        return False
    axes = space(fact["algorithm"], project)
    return fact["parameters"].keys() == axes.keys() and all(
        axes[name].range._contains(axes[name].range.to_internal_repr(value))
        for name, value in fact["parameters"].items()
    )
