"""Reads `projects/*.yaml` at synth. A file that is not valid fails synth with its name and every fault in it."""

from pathlib import Path

import yaml

from tidemill.errors import ProjectInvalid
from tidemill.projects import Project, parse


def read(folder: Path) -> dict[str, Project]:
    """Name → project, in the order of the names. Raises ProjectInvalid."""
    return {path.stem: _read_one(path) for path in sorted(folder.glob("*.yaml"))}


def _read_one(path: Path) -> Project:
    try:
        project = parse(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ProjectInvalid) as error:
        raise ProjectInvalid(f"{path}: {error}") from error
    if project.name != path.stem:
        raise ProjectInvalid(f"{path}: its name is {project.name!r}; name the file {project.name}.yaml")
    return project
