"""Compare a dataset version with its parent, column by column.

State `CompareVersion` of the data machine, once a version is accepted. Writes the version's profile, and
`datasets/<project>/v<n>.comparison.json`, both views of facts that can be made again. The rows that came with the
version are held against the parent's rows: under `append` the version as a whole contains the parent, and two
samples that share rows cannot be tested against each other. All of it is read from sketches, not from rows.
"""

from dataclasses import asdict
from typing import Any

from tidemill import canonical, names
from tidemill.data import profiles, versions
from tidemill.data.sketches.profiles import to_profile
from tidemill.monitoring.drift import compare_profiles
from tidemill.ports import ObjectStore
from tidemill.projects import Project

START, HELD = "start", "held"


def compare_version(*, project: Project, dataset_version: int, objects: ObjectStore) -> dict[str, Any]:
    """Write the comparison: PSI, and Kolmogorov-Smirnov (numeric) or chi-squared (category), per column, with the
    thresholds of the project's drift policy. `training` is `held` when the project wants none on data that has
    shifted so, else `start`. Raises RecordNotFound if the version is not in S3."""
    profiles.keep(objects, project.name, dataset_version)
    fact = versions.read_fact(objects, project.name, dataset_version)
    parent, key = fact["parent"], names.comparison(project.name, dataset_version)
    comparison = {"project": project.name, "version": dataset_version, "parent": parent}
    if parent:
        comparison |= _differences(project, versions.read_fact(objects, project.name, parent), fact, objects)
    else:
        comparison |= {"note": "the first version: there is no parent to compare it with", "columns": []}
    objects.put(key, canonical.dumps(comparison), content_type="application/json")
    held = project.quality.on_shift == "hold" and bool(comparison.get("shifted"))
    told = {"project": project.name, "dataset_version": dataset_version, "comparison_key": key}
    return {**told, "training": HELD if held else START}


def _differences(
    project: Project, before: versions.Document, after: versions.Document, objects: ObjectStore
) -> dict[str, Any]:
    held = {file.sha256 for file in versions.files_of(before)}
    came = [file for file in versions.files_of(after) if file.sha256 not in held] or list(versions.files_of(after))
    reference = to_profile(profiles.of_version(objects, project.name, before))
    sketch = profiles.merged(profiles.of_upload(objects, project.name, file.upload_id) for file in came)
    policy = project.drift
    columns = compare_profiles(reference, to_profile(sketch), psi_threshold=policy.psi, alpha=policy.alpha)
    return {
        "rows": {"parent": before["rows"], "version": after["rows"], "compared": sketch.rows},
        "files": changed_files(before, after),
        "shifted": [column.feature for column in columns if column.drifted],
        "columns": [asdict(column) for column in columns],
    }


def changed_files(before: versions.Document, after: versions.Document) -> dict[str, list[str]]:
    """The paths that came, that hold something else now, and that went."""
    old, new = ({file.path: file.sha256 for file in versions.files_of(fact)} for fact in (before, after))
    return {
        "added": [path for path in new if path not in old],
        "replaced": [path for path, sha256 in new.items() if old.get(path, sha256) != sha256],
        "removed": sorted(set(old) - set(new)),
    }
