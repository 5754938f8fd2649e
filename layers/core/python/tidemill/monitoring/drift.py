"""Whether rows differ from a reference profile, column by column: effect size and significance.

Called by `detect_drift` (a window of captured predictions against the model's profile) and by the data stage
(`compare_profiles`: a dataset version against the one before it); writes nothing.

A column has drifted when the difference is both **large**, PSI at or above a threshold, and **not chance**, the
adjusted p-value below alpha. Either alone misleads: with enough rows a test calls any difference significant, and
with few rows PSI is large by chance. The p-values (Kolmogorov-Smirnov for numbers, chi-squared for categories) are
adjusted by Benjamini & Hochberg over the columns compared together. The measures are in `measures.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tidemill.data.profile import Profile, category_profile, numeric_profile
from tidemill.monitoring import measures
from tidemill.monitoring.significance import benjamini_hochberg
from tidemill.projects import Kind

Array = NDArray[Any]
SAME = 1e-6  # relative difference below which a row's value is an edge's value: models round to float32


@dataclass(frozen=True)
class FeatureDrift:
    """One column's comparison. `q_value` is the adjusted p-value; missing rates are shares of all rows."""

    feature: str
    kind: str
    psi: float
    statistic_name: Literal["ks", "chi2"]
    statistic: float
    p_value: float
    q_value: float
    drifted: bool
    missing_reference: float
    missing_current: float


def compare(
    reference: Profile, current: Mapping[str, Array], *, psi_threshold: float, alpha: float
) -> list[FeatureDrift]:
    """Compare rows with a profile, in the profile's order. Arrays are as in `build_profile`. Columns that one side
    lacks are left out, and so are timestamps: time always moves on."""
    return compare_profiles(reference, profile_rows(reference, current), psi_threshold=psi_threshold, alpha=alpha)


def compare_profiles(
    reference: Profile, current: Profile, *, psi_threshold: float, alpha: float
) -> list[FeatureDrift]:
    """Compare two profiles, in the order of the reference. Columns that one side lacks, or that changed between
    numbers and categories, are left out: those are changes of the schema, not of the distribution."""
    pairs = {
        name: (before, current["columns"][name])
        for name, before in reference["columns"].items()
        if name in current["columns"] and _comparable(before, current["columns"][name])
    }
    found = {name: _measure(before, after) for name, (before, after) in pairs.items()}
    adjusted = benjamini_hochberg([measure.p_value for measure in found.values()])
    return [
        FeatureDrift(
            feature=name,
            kind=pairs[name][0]["kind"],
            psi=measure.psi,
            statistic_name="ks" if _is_numeric(pairs[name][0]) else "chi2",
            statistic=measure.statistic,
            p_value=measure.p_value,
            q_value=q_value,
            drifted=measure.psi >= psi_threshold and q_value < alpha,
            missing_reference=measures.missing_rate(pairs[name][0]),
            missing_current=measures.missing_rate(pairs[name][1]),
        )
        for (name, measure), q_value in zip(found.items(), adjusted, strict=True)
    ]


def profile_rows(reference: Profile, rows: Mapping[str, Array]) -> Profile:
    """The whole profile of rows (every value kept), for comparison with `reference`; its columns only."""
    columns = reference["columns"]
    return {"columns": {name: _whole(columns[name], values) for name, values in rows.items() if name in columns}}


def _whole(reference: Profile, values: Array) -> Profile:
    """One column; a number within rounding of one of the reference's edges counts as that edge."""
    kind = Kind(reference["kind"])
    if not kind.numeric:
        return {**category_profile(values, top=None), "kind": kind.value}
    numbers = np.asarray(values, dtype=np.float64).ravel()
    edges = np.asarray(reference["edges"], dtype=np.float64)
    if edges.size:
        above = np.minimum(np.searchsorted(edges, numbers), edges.size - 1)
        for edge in (edges[above], edges[np.maximum(above - 1, 0)]):
            numbers = np.where(np.abs(numbers - edge) <= SAME * np.abs(edge), edge, numbers)
    return numeric_profile(numbers, kind, edges=None)


def _measure(reference: Profile, current: Profile) -> measures.Measure:
    return (measures.numeric if _is_numeric(reference) else measures.category)(reference, current)


def _comparable(reference: Profile, current: Profile) -> bool:
    kinds = {reference["kind"], current["kind"]}
    return Kind.TIMESTAMP.value not in kinds and _is_numeric(reference) == _is_numeric(current)


def _is_numeric(profile: Profile) -> bool:
    return Kind(profile["kind"]).numeric
