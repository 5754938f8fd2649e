"""The project file: one ML problem, described once, read by every stage.

`projects/<name>.yaml` is parsed at synth time, checked against `Project`, and travels to the functions as JSON
inside the core layer (`tidemill_projects/<name>.json`); functions never parse YAML.
"""

import importlib.resources
import json
from typing import Any

from pydantic import ValidationError

from tidemill.errors import ProjectInvalid, ProjectUnknown
from tidemill.projects.compute import Compute
from tidemill.projects.data import Batch, Column, Kind, Quality, Split
from tidemill.projects.gates import Gates, Slices
from tidemill.projects.monitoring import Drift, Retraining
from tidemill.projects.project import Name, Project
from tidemill.projects.release import Rollout
from tidemill.projects.search import Search
from tidemill.projects.serving import Serving

__all__ = [
    "Batch",
    "Column",
    "Compute",
    "Drift",
    "Gates",
    "Kind",
    "Name",
    "Project",
    "Quality",
    "Retraining",
    "Rollout",
    "Search",
    "Serving",
    "Slices",
    "Split",
    "load",
    "parse",
]

PACKAGE = "tidemill_projects"


def parse(document: Any) -> Project:
    """Check a parsed project document. Raises ProjectInvalid that lists every fault with its place."""
    try:
        return Project.model_validate(document)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise ProjectInvalid(f"project file is not valid: {faults}") from error


def load(name: str) -> Project:
    """The deployed project of that name. Raises ProjectUnknown."""
    resource = importlib.resources.files(PACKAGE) / f"{name}.json"
    if "/" in name or not resource.is_file():
        raise ProjectUnknown(f"no project {name!r} is deployed; add projects/{name}.yaml and deploy again")
    return parse(json.loads(resource.read_text()))
