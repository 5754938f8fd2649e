"""Compare a dataset version with its parent, column by column.

State `CompareVersion` of the data machine, once a version is accepted. Writes
`datasets/<project>/v<n>.comparison.json`, a view of two facts that can be made again. The rows that came with
the version are held against the parent's rows: under `append` the version as a whole contains the parent, and
two samples that share rows cannot be tested against each other.
"""

from dataclasses import asdict
from typing import Any

from tidemill import canonical, names
from tidemill.data import versions
from tidemill.data.manifests import Manifest
from tidemill.data.profile import build_profile
from tidemill.data.read import read_dataset
from tidemill.monitoring.drift import compare
from tidemill.ports import ObjectStore
from tidemill.projects import Project


def compare_version(*, project: Project, dataset_version: int, objects: ObjectStore) -> dict[str, Any]:
    """Write the comparison. PSI, and Kolmogorov-Smirnov (numeric) or chi-squared (category), per column, with the
    thresholds of the project's drift policy. Raises RecordNotFound if the version is not in S3."""
    fact = versions.read_fact(objects, project.name, dataset_version)
    parent, key = fact["parent"], names.comparison(project.name, dataset_version)
    comparison = {"project": project.name, "version": dataset_version, "parent": parent}
    if parent:
        before = Manifest.model_validate(versions.read_fact(objects, project.name, parent))
        after = Manifest.model_validate(fact)
        comparison |= _differences(project, before, after, objects)
    else:
        comparison |= {"note": "the first version: there is no parent to compare it with", "columns": []}
    objects.put(key, canonical.dumps(comparison), content_type="application/json")
    return {"project": project.name, "dataset_version": dataset_version, "comparison_key": key}


def _differences(project: Project, before: Manifest, after: Manifest, objects: ObjectStore) -> dict[str, Any]:
    kinds = {name: column.type for name, column in project.columns.items()}
    known = before.contents if after.contents - before.contents else set()
    reference, current = (
        {name: rows[name].to_numpy() for name in kinds}
        for rows in (read_dataset(objects, before, project), read_dataset(objects, after, project, skip=known))
    )
    policy = project.drift
    columns = compare(build_profile(reference, kinds), current, psi_threshold=policy.psi, alpha=policy.alpha)
    paths = {file.path: file.sha256 for file in before.files}
    return {
        "rows": {"parent": before.rows, "version": after.rows, "compared": len(current[project.target])},
        "files": {
            "added": [file.path for file in after.files if file.path not in paths],
            "replaced": [file.path for file in after.files if paths.get(file.path, file.sha256) != file.sha256],
            "removed": sorted(set(paths) - {file.path for file in after.files}),
        },
        "shifted": [column.feature for column in columns if column.drifted],
        "columns": [asdict(column) for column in columns],
    }
