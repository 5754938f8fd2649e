"""How the distribution of each column differs between two dataset versions, from their sketches alone.

Called by `versions_diff`. All rows of one version are held against all rows of the other, as its sizes and plots
show them; `compare_version` is the one that tests only what is new.
"""

from dataclasses import asdict
from typing import Any

from tidemill.data.sketches.dataset import DatasetSketch
from tidemill.data.sketches.profiles import to_profile
from tidemill.monitoring.drift import compare_profiles
from tidemill.monitoring.histograms import histogram
from tidemill.projects import Project

NOTE = (
    "All rows of one version against all rows of the other. Rows that both have in common make the difference "
    "smaller than it is between old and new rows; the comparison that was written when a version was accepted "
    "tests the rows that came with it."
)


def compare_distributions(project: Project, before: DatasetSketch, after: DatasetSketch) -> dict[str, Any]:
    """`columns`: PSI, and Kolmogorov-Smirnov (numeric) or chi-squared (category) with the p-value adjusted over
    the columns, missing rates, means and the histogram of both, the strongest shift first; `shifted`: the names of
    those beyond the thresholds of the project's drift policy. Times, and columns that one version lacks or has as
    another type, are left out."""
    policy = project.drift
    profiles = to_profile(before), to_profile(after)
    found = compare_profiles(*profiles, psi_threshold=policy.psi, alpha=policy.alpha)
    columns = []
    for column in sorted(found, key=lambda column: (not column.drifted, -column.psi, column.feature)):
        sides = [profile["columns"][column.feature] for profile in profiles]
        means = {"mean_reference": sides[0].get("mean"), "mean_current": sides[1].get("mean")}
        columns.append({**asdict(column), **means, "plot": histogram(*sides)})
    return {
        "rows": {"before": before.rows, "after": after.rows},
        "policy": {"psi": policy.psi, "alpha": policy.alpha},
        "shifted": [column["feature"] for column in columns if column["drifted"]],
        "columns": columns,
        "note": NOTE,
    }
